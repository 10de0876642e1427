"""Answers to the exercise `batch_norm` of the lab `normalisation`: right ones, and wrong ones."""

from __future__ import annotations

import copy
from functools import partial

import torch
import torch.nn.functional as F

from course_lib.checks.normalisation import batch_norm as norm
from course_lib.checks.normalisation import judge_pass as judging_pass


def norm_by_torch(x, mean, var, training, momentum=0.1, eps=1e-5):
    mean, var = mean.clone(), var.clone()
    y = F.batch_norm(x, mean, var, training=training, momentum=momentum, eps=eps)
    return y, mean, var


def norm_by_flattening(x, mean, var, training, momentum=0.1, eps=1e-5):
    rows = x.transpose(0, 1).flatten(1)  # (C, n)
    used = (mean, var)
    if training:
        n = rows.shape[1]
        centre = rows.sum(1) / n
        used = centre, ((rows - centre[:, None]) ** 2).sum(1) / n
        mean = (1 - momentum) * mean + momentum * centre.detach()
        var = (1 - momentum) * var + momentum * used[1].detach() * n / (n - 1)
    centre, spread = (part.view(1, -1, 1, 1) for part in used)
    return (x - centre) * torch.rsqrt(spread + eps), mean, var


def norm_by_var_mean(x, mean, var, training, momentum=0.1, eps=1e-5):
    if not training:
        y = (x - mean.reshape(1, -1, 1, 1)) / torch.sqrt(var.reshape(1, -1, 1, 1) + eps)
        return [y, mean, var]
    spread, centre = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    unbiased = x.movedim(1, 0).reshape(x.size(1), -1).var(1)
    y = (x - centre) / (spread + eps) ** 0.5
    return [y, mean + momentum * (centre.flatten() - mean), var + momentum * (unbiased - var)]


def norm_with(**options):
    return lambda *arguments: norm._norm(*arguments, **options)


def norm_of(change):
    """The right answer, then something done to its three parts."""
    return lambda *arguments: change(*norm.reference(*arguments))


def norm_stored_in_place(x, mean, var, training, momentum=0.1, eps=1e-5):
    y = F.batch_norm(x, mean, var, training=training, momentum=momentum, eps=eps)
    return y, mean, var


def norm_x_in_place(x, mean, var, training, momentum=0.1, eps=1e-5):
    y, new_mean, new_var = norm.reference(x, mean, var, training, momentum, eps)
    return x.copy_(y), new_mean, new_var


def norm_fixed_momentum(x, mean, var, training, momentum=0.1, eps=1e-5):
    return norm.reference(x, mean, var, training, 0.1, eps)


def norm_fixed_eps(x, mean, var, training, momentum=0.1, eps=1e-5):
    return norm.reference(x, mean, var, training, momentum)


def norm_var_about_stored_mean(x, mean, var, training, momentum=0.1, eps=1e-5):
    y, new_mean, new_var = norm.reference(x, mean, var, training, momentum, eps)
    if training:
        y = (x - x.mean((0, 2, 3), keepdim=True)) / (
            (x - mean[:, None, None]).square().mean((0, 2, 3), keepdim=True) + eps
        ).sqrt()
    return y, new_mean, new_var


def norm_deviation_averaged(x, mean, var, training, momentum=0.1, eps=1e-5):
    """Averages the deviations over images, in place of one variance."""
    if not training:
        return norm.reference(x, mean, var, training, momentum, eps)
    new = norm.reference(x, mean, var, True, momentum, eps)[1:]
    centre = x.mean((0, 2, 3), keepdim=True)
    spread = x.var((2, 3), correction=0, keepdim=True).mean(0, keepdim=True)
    return (x - centre) / (spread + eps).sqrt(), *new


def norm_statistics_replaced(x, mean, var, training, momentum=0.1, eps=1e-5):
    return norm.reference(x, mean, var, training, 1.0, eps)


def norm_mean_cut(x, mean, var, training, momentum=0.1, eps=1e-5):
    y, new_mean, new_var = norm.reference(x, mean, var, training, momentum, eps)
    if training:
        spread = x.var((0, 2, 3), correction=0, keepdim=True).detach()
        y = (x - x.mean((0, 2, 3), keepdim=True)) / (spread + eps).sqrt()
    return y, new_mean, new_var


def with_a_decorator(model, batches, ignore_index=255):
    """Confusion by hand, under a decorator; the modes are put back by a dictionary."""
    modes = {name: layer.training for name, layer in model.named_modules()}
    model.train(False)

    @torch.no_grad()
    def count(images, masks):
        keep = masks != ignore_index
        return (
            model(images).max(1).indices[keep] == masks[keep]
        ).double().sum(), keep.double().sum()

    right, known = torch.stack([torch.stack(count(*batch)) for batch in batches]).sum(0)
    for name, layer in model.named_modules():
        layer.training = modes[name]
    return (right / known).item()


def on_a_copy(model, batches, ignore_index=255):
    """The model that is judged is a copy, so the original keeps its modes."""
    twin = copy.deepcopy(model).eval()
    twin.graphs = model.graphs
    right = known = 0
    with torch.inference_mode():
        for images, masks in batches:
            keep = masks != ignore_index
            right += (twin(images).argmax(1) == masks)[keep].sum().item()
            known += keep.sum().item()
    return right / known


def error_rate(*arguments):
    return 1 - judging_pass.reference(*arguments)


def gradients_off_for_good(model, batches, ignore_index=255):
    torch.set_grad_enabled(False)
    return judging_pass.reference(model, batches, ignore_index)


def first_batch_only(model, batches, ignore_index=255):
    return judging_pass.reference(model, list(batches)[:1], ignore_index)


RIGHT_ANSWERS = {
    "batch_norm": [norm_by_torch, norm_by_flattening, norm_by_var_mean],
    "judge_pass": [with_a_decorator, on_a_copy],
}

WRONG_ANSWERS = {
    "batch_norm": [
        (norm_stored_in_place, "you changed your input `mean`"),
        (norm_x_in_place, "you changed your input `x`"),
        (norm_with(cut=True), "cut from the graph"),
        (norm_with(columns=True), "aligns shapes at the last axis"),
        (norm_mean_cut, "the gradient at x"),
        (norm_fixed_momentum, "with momentum 0.3"),
        (norm_fixed_eps, "with eps 0.5"),
        (norm_var_about_stored_mean, ""),
        (norm_deviation_averaged, ""),
        (norm_statistics_replaced, "with momentum 0.1, the stored mean"),
        (norm_of(lambda y, mean, var: y), "wanted (y, mean, var)"),
        (norm_of(lambda y, mean, var: (y, var, mean)), "the stored mean"),
        (norm_of(lambda y, mean, var: (y, mean, var.sqrt())), "the stored variance"),
        (norm_of(lambda y, mean, var: (y, mean[:, None, None], var[:, None, None])), "has shape"),
        (norm_of(lambda y, mean, var: (y.clamp(-2, 2), mean, var)), ""),
    ],
    "judge_pass": [
        (partial(judging_pass._judge, mode="train", graph=True), "after the validation, the"),
        (partial(judging_pass._judge, pooled="batches", graph=True), "wanted 0."),
        (partial(judging_pass._judge, afterwards="nothing", graph=True), "leaves in evaluation"),
        (error_rate, "FAIL score"),
        (first_batch_only, "FAIL every labelled pixel"),
        (gradients_off_for_good, "no gradients are computed any more"),
        (lambda model, batches, ignore_index=255: 0.5, "no image went through"),
        (lambda *args: 100 * judging_pass.reference(*args), "FAIL score"),
        (partial(judging_pass._judge, unlabelled="counted", graph=True), "wanted 0."),
        (partial(judging_pass._judge, afterwards="as the model was", graph=True), "came frozen"),
        (partial(judging_pass._judge, mode="as it was", graph=True), "after the validation, the"),
        (lambda model, batches, ignore_index=255: model(batches[0][0]).mean(), "builds a graph"),
    ],
}

POINTS = {
    "batch_norm": {"stored by n": 3, "never updated": 3, "mean and variance without a graph": 3},
    "judge_pass": {"left: no graph is built": 4, "frozen layers thawed": 3},
}
