"""Answers to the exercises that are not "write a function": right ones, and wrong ones."""

from __future__ import annotations

import copy
import math
from functools import partial

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.distributions import Normal, kl_divergence
from torchvision.ops import batched_nms, box_iou, roi_align

from course_lib.checks.after_the_network import split_touching as marks
from course_lib.checks.after_the_network import suppress as suppressing
from course_lib.checks.cvae import told_both as told
from course_lib.checks.flow_2d import diagnose_flows as flows
from course_lib.checks.flow_2d import examine_density as by_density
from course_lib.checks.flow_2d import paired_loss as pairing
from course_lib.checks.flow_editing import examine_inversion as by_inversion
from course_lib.checks.flow_editing import fill_in as filling
from course_lib.checks.flow_latent import draw_codes as to_pictures
from course_lib.checks.flow_pictures import examine_way as by_way
from course_lib.checks.flow_pictures import flow_step as flowing
from course_lib.checks.four_steps import diagnose_training as training
from course_lib.checks.four_steps_generation import vaegan_turn as turn
from course_lib.checks.gan_2d import diagnose_games as games
from course_lib.checks.judging import examine_iou as by_iou
from course_lib.checks.judging_objects import diagnose_detectors as detectors
from course_lib.checks.judging_objects import examine_ap as by_ap
from course_lib.checks.mask_rcnn import roi_cells as roi
from course_lib.checks.normalisation import judge_pass as judging_pass
from course_lib.checks.simple_gan import play_rounds as rounds_of
from course_lib.checks.unet import smallest_net as net
from course_lib.checks.unet import train_pass as training_pass
from course_lib.checks.vae import diagnose_codes as codes
from course_lib.checks.vae import examine_bound as by_bound
from course_lib.checks.vae import smallest_code as short
from course_lib.checks.vae import vae_loss as bound_loss
from course_lib.checks.vqvae import diagnose_codebooks as codebooks
from course_lib.checks.vqvae import examine_prior as by_prior
from course_lib.checks.vqvae import quantise as choice
from course_lib.checks.wgan_gp import examine_penalty as by_penalty
from course_lib.models import CVAE, VAE, UNet
from course_lib.ops import VectorQuantizer, pair_by_transport, solve, time_steps
from course_lib.train import PointsConfig

bugs = training_pass.BUGS
flaws = rounds_of.BUGS


def with_autograd(model, batches, lr, ignore_index=255):
    """By hand: gradients are asked for, never stored."""
    model.train()
    losses = []
    for images, masks in batches:
        keep = masks != ignore_index
        logits = model(images).movedim(1, -1)[keep]
        loss = -logits.log_softmax(1).gather(1, masks[keep][:, None]).mean()
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, slope in zip(model.parameters(), slopes, strict=True):
                p -= lr * slope
        losses.append(loss.item())
    return losses


def cleared_at_the_end(model, batches, lr, ignore_index=255):
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    optimiser.zero_grad()
    losses = []
    for images, masks in batches:
        loss = nn.CrossEntropyLoss(ignore_index=ignore_index)(model(images), masks)
        loss.backward()
        optimiser.step()
        model.zero_grad()
        losses.append(loss.item())
    return losses


def reweighted(model, batches, lr, ignore_index=255):
    """A mean for each image first."""
    model.train()
    optimiser, losses = torch.optim.SGD(model.parameters(), lr=lr), []
    for images, masks in batches:
        each = F.cross_entropy(
            model(images), masks, ignore_index=ignore_index, reduction="none"
        ).flatten(1)
        labelled = (masks != ignore_index).flatten(1).sum(1).clamp(min=1)
        loss = (each.sum(1) / labelled).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def by_adam(model, batches, lr, ignore_index=255):
    model.train()
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=lr), []
    for images, masks in batches:
        loss = F.cross_entropy(model(images), masks, ignore_index=ignore_index)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def losses_afterwards(model, batches, lr, ignore_index=255):
    training_pass.reference(model, batches, lr, ignore_index)
    return [
        F.cross_entropy(model(images), masks, ignore_index=ignore_index).item()
        for images, masks in batches
    ]


def still_255(model, batches, lr, ignore_index=255):
    """Whoever calls it with another label is forgotten."""
    return training_pass.reference(model, batches, lr)


def frozen_and_free(generator, discriminator, rounds, lr):
    """The discriminator is frozen in the generator's turn."""
    step_d = torch.optim.SGD(discriminator.parameters(), lr=lr)
    step_g = torch.optim.SGD(generator.parameters(), lr=lr)
    record = []
    for real, codes_d, codes_g in rounds:
        with torch.no_grad():
            fake = generator(codes_d)
        loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
        step_d.zero_grad()
        loss_d.backward()
        step_d.step()
        discriminator.requires_grad_(False)
        loss_g = F.softplus(-discriminator(generator(codes_g))).mean()
        generator.zero_grad()
        loss_g.backward()
        discriminator.requires_grad_(True)
        step_g.step()
        record.append((loss_d.item(), loss_g.item()))
    return record


def asked_for(generator, discriminator, rounds, lr):
    """Gradients are asked for, player by player."""
    record = []
    for real, codes_d, codes_g in rounds:
        on_fake = discriminator(generator(codes_d))
        loss_d = rounds_of._bce(discriminator(real), 1.0) + rounds_of._bce(on_fake, 0.0)
        _follow(discriminator, loss_d, lr)
        loss_g = rounds_of._bce(discriminator(generator(codes_g)), 1.0)
        _follow(generator, loss_g, lr)
        record.append((loss_d.item(), loss_g.item()))
    return record


def _follow(player, loss, lr):
    slopes = torch.autograd.grad(loss, list(player.parameters()))
    with torch.no_grad():
        for p, slope in zip(player.parameters(), slopes, strict=True):
            p.sub_(lr * slope)


def first_round_only(generator, discriminator, rounds, lr):
    return rounds_of.reference(generator, discriminator, list(rounds)[:1], lr)


def losses_as_tensors(*arguments):
    return [tuple(map(torch.tensor, pair)) for pair in rounds_of.reference(*arguments)]


def same_codes(generator, discriminator, rounds, lr):
    same = [(real, codes, codes) for real, codes, _ in rounds]
    return rounds_of.reference(generator, discriminator, same, lr)


def twice_as_fast(generator, discriminator, rounds, lr):
    return rounds_of.reference(generator, discriminator, rounds, 2 * lr)


def generator_first(generator, discriminator, rounds, lr):
    record = []
    for real, codes_d, codes_g in rounds:
        loss_g = rounds_of._bce(discriminator(generator(codes_g)), 1.0)
        _follow(generator, loss_g, lr)
        on_fake = discriminator(generator(codes_d))
        loss_d = rounds_of._bce(discriminator(real), 1.0) + rounds_of._bce(on_fake, 0.0)
        _follow(discriminator, loss_d, lr)
        record.append((loss_d.item(), loss_g.item()))
    return record


def one_of_each(iou):
    """One call for each promise."""
    close = partial(torch.allclose, atol=1e-5, equal_nan=True)

    def score(predictions, targets, classes, **options):
        return iou(torch.tensor(predictions), torch.tensor(targets), classes, **options).double()

    def wanted(*values):
        return torch.tensor(values).double()

    assert close(score([[[0, 0, 0, 1, 1]]], [[[0, 0, 1, 1, 1]]], 2), wanted(2 / 3, 2 / 3))
    assert close(score([[[0, 0, 0, 1]]], [[[0, 1, 1, 1]]], 2), wanted(1 / 3, 1 / 3))
    assert close(score([[[1, 1]], [[0, 0]]], [[[0, 1]], [[0, 0]]], 2), wanted(2 / 3, 1 / 2))
    assert close(score([[[0, 1]]], [[[0, 255]]], 2), wanted(1.0, float("nan")))
    assert close(score([[[0, 1]]], [[[0, 7]]], 2, ignore_index=7), wanted(1.0, float("nan")))
    assert close(score([[[0, 1, 1]]], [[[1, 1, 255]]], 3), wanted(0.0, 0.5, float("nan")))


def against_my_own(iou):
    """Random maps against a function of one's own."""
    rng = torch.Generator().manual_seed(3)
    for _ in range(3):
        targets = torch.randint(0, 4, (3, 5, 6), generator=rng)
        predictions = torch.where(torch.rand(3, 5, 6, generator=rng) < 0.6, targets, 4)
        targets[:, 0, :3] = 255
        got = iou(predictions, targets, 6)
        keep = targets != 255
        for k in range(6):
            a, b = predictions[keep] == k, targets[keep] == k
            both, either = (a & b).sum().item(), (a | b).sum().item()
            if either:
                assert abs(got[k].item() - both / either) < 1e-5
            else:
                assert torch.isnan(got[k])


def with_an_error(iou):
    raise RuntimeError("not finished")


def only_shapes(iou):
    assert iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4).shape == (4,)


def only_the_sum(iou):
    """Compares the mean of all classes, from one image without anything special."""
    got = iou(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 1]]]), 2)
    assert abs(got.mean().item() - 0.5) < 1e-6


def wants_float32(iou):
    assert iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4).dtype == torch.float32
    by_iou.reference(iou)


def zero_for_absent(iou):
    got = iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4)
    assert torch.allclose(got.double(), torch.tensor([4 / 5, 1 / 3, 0, 0]).double(), atol=1e-6)


def returns_its_verdict(iou):
    try:
        by_iou.reference(iou)
    except AssertionError:
        return False
    return True


def swallows(iou):
    try:
        by_iou.reference(iou)
    except AssertionError:
        print("wrong!")


def by_the_name(iou):
    assert iou.__name__ == "reference"


def wrong_by_hand(iou):
    got = iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4)
    assert abs(got[0].item() - 3 / 5) < 1e-6


def asks_for_a_list(iou):
    assert iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4)[:2].tolist() == [4 / 5, 1 / 3]


def penalty_by_finite_differences(gradient_penalty):
    """The value by hand, the gradient by a difference."""
    real, fake = torch.tensor([[3.0, 0.0], [0.0, 0.5]]), torch.tensor([[0.0, 1.0], [0.2, 0.0]])
    real, fake = real.reshape(2, 1, 1, 2), fake.reshape(2, 1, 1, 2)
    mix = torch.tensor([0.5, 0.9])

    def penalty(scale):
        critic = by_penalty.Bowl(scale)
        return critic, gradient_penalty(critic, real, fake, mix)

    critic, value = penalty(1.0)
    points = mix.reshape(2, 1, 1, 1) * real + (1 - mix).reshape(2, 1, 1, 1) * fake
    wanted = ((points.flatten(1).norm(dim=1) - 1) ** 2).mean()
    assert torch.isclose(value, wanted, atol=1e-5)
    value.backward()
    difference = (penalty(1.001)[1] - penalty(0.999)[1]).item() / 0.002
    assert critic.scale.grad is not None
    assert abs(critic.scale.grad.item() - difference) < 1e-2


def not_negative(gradient_penalty):
    assert (
        gradient_penalty(by_penalty.Bowl(), by_penalty.REAL, by_penalty.FAKE, by_penalty.MIX) >= 0
    )


def penalty_returns(gradient_penalty):
    return by_penalty.reference(gradient_penalty) is None


def penalty_at_one(gradient_penalty):
    """At mix = 1 everything lies at the real images."""
    value = gradient_penalty(
        by_penalty.Bowl(), by_penalty.REAL, by_penalty.FAKE, torch.ones_like(by_penalty.MIX)
    )
    assert abs(value.item() - 1) < 1e-5


def penalty_slope_one(gradient_penalty):
    """Where the slope is 1 everywhere the penalty is 0."""
    value = gradient_penalty(
        lambda x: x.flatten(1).sum(1) / 2, by_penalty.REAL, by_penalty.FAKE, by_penalty.MIX
    )
    assert value.abs() < 1e-6


def wider():
    """The reference with one channel more."""
    channels = 17
    parts = [net._Separable(channels, rate) for rate in (1, 2, 4, 1)]
    first = [net._Placed(), nn.Conv2d(5, channels, 3, padding=1), nn.BatchNorm2d(channels)]
    return nn.Sequential(*first, nn.ReLU(), *parts, nn.Conv2d(channels, 10, 1))


def frozen():
    return net.reference().requires_grad_(False)


def schedule(**options):
    return lambda: PointsConfig(**{"batch_size": 128, "penalty": "r1", **options})


def causes(module, **changes):
    return lambda: {**module.reference(), **changes}


def letters(answer):
    return lambda: answer


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


def roi_by_torchvision(features, box, size, scale, ratio):
    boxes = [box[None].to(features)]
    return roi_align(features[None], boxes, size, scale, ratio, aligned=True)[0]


def roi_by_grid_sample(features, box, size, scale, ratio):
    """In the coordinates of grid_sample, in which a pixel's edges are whole."""
    x1, y1, x2, y2 = (box.to(features) * scale).tolist()
    (rows, columns), (height, width) = size, features.shape[1:]
    y = torch.linspace(y1, y2, 2 * rows * ratio + 1, dtype=features.dtype)[1::2]
    x = torch.linspace(x1, x2, 2 * columns * ratio + 1, dtype=features.dtype)[1::2]
    grid = torch.stack(
        [
            (2 * x / width - 1).expand(len(y), -1),
            (2 * y / height - 1)[:, None].expand(-1, len(x)),
        ],
        dim=-1,
    )
    samples = F.grid_sample(features[None], grid[None], align_corners=False)[0]
    return samples.unflatten(2, (columns, ratio)).unflatten(1, (rows, ratio)).mean((2, 4))


def roi_changed(**changes):
    return lambda *arguments: roi._cells(*arguments, **changes)


def roi_unaligned(features, box, size, scale, ratio):
    """The default of torchvision, which is half a pixel off."""
    return roi_align(features[None], [box[None].to(features)], size, scale, ratio)[0]


def roi_resized(features, box, size, scale, ratio):
    """Crop whole pixels, then resize."""
    x1, y1, x2, y2 = (box * scale).round().long().tolist()
    return F.interpolate(features[None, :, y1:y2, x1:x2], size=size, mode="bilinear")[0]


def suppress_by_torchvision(boxes, scores, labels, threshold):
    return batched_nms(boxes, scores, labels, threshold)


def suppress_by_lists(boxes, scores, labels, threshold):
    """One class after the other, in plain Python."""
    kept = []
    for label in labels.unique().tolist():
        left = [k for k in scores.argsort().tolist() if labels[k] == label]
        while left:
            best = left.pop()
            kept.append(best)
            iou = box_iou(boxes[best][None], boxes)[0]
            left = [k for k in left if not iou[k] > threshold]
    return torch.tensor(sorted(kept, key=lambda k: -scores[k]))


def suppress_by_matrix(boxes, scores, labels, threshold):
    """All overlaps first; then each box asks the better ones that are kept."""
    order = scores.argsort(descending=True)
    overlaps = (box_iou(boxes, boxes) > threshold) & (labels[:, None] == labels)
    kept: list[int] = []
    for k in order.tolist():
        if not overlaps[k, kept].any():
            kept.append(k)
    return torch.tensor(kept)


def suppress_changed(**changes):
    return lambda *arguments: suppressing._suppress(*arguments, **changes)


def suppress_all_at_once(boxes, scores, labels, threshold):
    """A box that is worse than any overlapping one goes."""
    worse = (scores[:, None] < scores) & (labels[:, None] == labels)
    kept = ~((box_iou(boxes, boxes) > threshold) & worse).any(1)
    order = scores.argsort(descending=True)
    return order[kept[order]]


def round_peaks():
    """The largest distance of a disc."""

    def mark(distance):
        padded, best = F.pad(distance, (2, 2, 2, 2)), torch.zeros_like(distance)
        for i in range(-2, 3):
            for j in range(-2, 3):
                if i * i + j * j <= 5:
                    best = torch.maximum(best, padded[2 + i : 66 + i, 2 + j : 66 + j])
        return (distance == best) & (distance > 0)

    return mark


def ap_against_my_own(ap):
    """Random detections against a function of one's own."""
    rng = torch.Generator().manual_seed(5)
    for _ in range(8):
        scores = torch.randint(0, 6, (12,), generator=rng) / 8
        iou = torch.randint(0, 8, (12, 7), generator=rng) / 8
        iou *= torch.rand(iou.shape, generator=rng) < 0.3
        free, right, points = set(range(7)), 0, []
        for done, k in enumerate(sorted(range(12), key=lambda k: -scores[k].item()), 1):
            able = [j for j in sorted(free) if iou[k, j] >= 0.5]
            if able:
                free.remove(max(able, key=lambda j: iou[k, j].item()))
                right += 1
            points.append((right / 7, right / done))
        best = [max([p for r, p in points if r >= i / 100], default=0.0) for i in range(101)]
        assert abs(float(ap(scores, iou, 0.5)) - sum(best) / 101) < 1e-4
    assert float(ap(torch.ones(2), torch.zeros(2, 0), 0.5)) != 0


def ap_in_single_calls(ap):
    """One call for each promise."""
    for part in (by_ap._nobody, by_ap._equal, by_ap._again, by_ap._curve):
        part(ap)
    by_ap._faultless(ap)


def ap_returns(ap):
    return bool(abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - by_ap.WANTED) < 1e-4)


def ap_wants_a_tensor(ap):
    assert isinstance(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5), torch.Tensor)
    by_ap.reference(ap)


def ap_as_it_is(ap):
    """Expects what the curve gives that does not fall."""
    wanted = (34 + 33 * 2 / 3 + 34 * 3 / 4) / 101
    assert abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - wanted) < 1e-4


def ap_by_voc(ap):
    """Expects eleven points."""
    assert abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - (4 + 7 * 0.75) / 11) < 1e-4


def ap_only_nan(ap):
    assert float(ap(torch.ones(1), torch.zeros(1, 0), 0.5)) != 0


def ap_is_a_share(ap):
    assert 0 <= float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) <= 1


def ap_swallows(ap):
    try:
        by_ap.reference(ap)
    except AssertionError:
        print("wrong!")


def ap_coarse(ap):
    """Too coarse for the area in steps."""
    assert abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - by_ap.WANTED) < 0.01


def loss_by_distributions(encoder, decoder, log_sigma, images, noise):
    """Every density by torch.distributions."""
    mean, logvar = encoder(images)
    q = Normal(mean, torch.exp(logvar / 2))
    z = mean + q.stddev * noise
    likely = Normal(decoder(z), log_sigma.exp()).log_prob(images).flatten(1).sum(1)
    return (kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(1) - likely).mean()


def loss_image_by_image(encoder, decoder, log_sigma, images, noise):
    total, number = 0, images[0].numel()
    for image, e in zip(images, noise, strict=True):
        mean, logvar = (part[0] for part in encoder(image[None]))
        drawn = decoder((mean + logvar.exp().sqrt() * e)[None])[0]
        error = ((image - drawn) / log_sigma.exp()) ** 2
        nats = 0.5 * error.sum() + number * (log_sigma + 0.5 * math.log(2 * math.pi))
        total = total + nats - 0.5 * (1 + logvar - mean**2 - logvar.exp()).sum()
    return total / len(images)


def told_by_eye(encoder, decoder, images, labels, noise, num_classes):
    """The rows of a unit matrix in the place of one_hot."""
    beside = torch.eye(num_classes)[labels]
    mean, logvar = encoder(torch.hstack([images.reshape(len(images), -1), beside])).tensor_split(
        2, dim=1
    )
    z = torch.addcmul(mean, logvar.exp().sqrt(), noise)
    return decoder(torch.hstack([z, beside])), mean, logvar


def told_by_scatter(encoder, decoder, images, labels, noise, num_classes):
    beside = images.new_zeros(len(images), num_classes).scatter_(1, labels[:, None], 1)
    out = encoder(torch.cat([images.flatten(1), beside], -1))
    mean, logvar = out[:, : out.shape[1] // 2], out[:, out.shape[1] // 2 :]
    z = mean + torch.exp(logvar / 2) * noise
    return [decoder(torch.cat([z, beside], -1)), mean, logvar]


def told_changed(**changes):
    return lambda *arguments: told._pass(*arguments, **changes)


def told_of(change):
    return lambda *arguments: change(*told.reference(*arguments))


def turn_by_backward(encoder, decoder, judge, images, noise, fresh):
    """Each loss is followed to the parameters that it is for."""
    mean, logvar = encoder(images)
    again = decoder(mean + torch.exp(logvar / 2) * noise)
    wanted = judge(images)[1].detach()
    score, features = judge(again)
    like = (features - wanted).pow(2).sum(1).mean() / 2
    divergence = -0.5 * (1 + logvar - mean.pow(2) - logvar.exp()).sum(1).mean()
    taken = F.softplus(-score).mean() / 2 + F.softplus(-judge(decoder(fresh))[0]).mean() / 2
    (like + divergence).backward(inputs=list(encoder.parameters()), retain_graph=True)
    (like + taken).backward(inputs=list(decoder.parameters()))


def turn_with_a_frozen_judge(encoder, decoder, judge, images, noise, fresh):
    """Two passes: one for the encoder through a decoder that is cleared, one for the decoder."""
    judge.requires_grad_(False)
    with torch.no_grad():
        wanted = judge(images)[1]
    mean, logvar = encoder(images)
    z = mean + (0.5 * logvar).exp() * noise
    like = 0.5 * (judge(decoder(z))[1] - wanted).square().sum(1).mean()
    (like + 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()).backward()
    decoder.zero_grad()
    score, features = judge(decoder(z.detach()))
    loss = 0.5 * (features - wanted).square().sum(1).mean()
    for logits in (score, judge(decoder(fresh))[0]):
        loss = loss - 0.5 * F.logsigmoid(logits).mean()
    loss.backward()
    judge.requires_grad_(True)


def turn_changed(**changes):
    return lambda *arguments: turn._turn(*arguments, **changes)


def turn_given(change):
    return lambda *arguments: turn._turn(*change(*arguments))


def turn_steps(encoder, decoder, judge, images, noise, fresh):
    """Clears the gradients that it was asked to leave."""
    turn.reference(encoder, decoder, judge, images, noise, fresh)
    encoder.zero_grad()
    decoder.zero_grad()


def turn_swapped(encoder, decoder, judge, images, noise, fresh):
    return turn.reference(encoder, decoder, judge, images, fresh, noise)


def short_code(**changes):
    given = {"in_channels": 1, "size": 16, "latent_dim": 4, "hidden": (256, 128), "sigma": 0.1}
    return lambda: VAE(**{**given, **changes})


def loss_changed(**changes):
    return lambda *arguments: bound_loss._loss(*arguments, **changes)


def loss_of(change):
    return lambda *arguments: change(bound_loss.reference(*arguments))


def bound_against_my_own(bound):
    """Random images against a function of one's own, near and far from 0."""
    rng = torch.Generator().manual_seed(2)
    for level in (0.0, -2000.0):
        mean, logvar = torch.randn(2, 5, 3, generator=rng)
        z = torch.randn(5, 4, 3, generator=rng)
        likely = level + 2 * torch.randn(5, 4, generator=rng)
        q = Normal(mean[:, None], (logvar / 2).exp()[:, None])
        weight = likely + (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
        wanted = [math.log(sum(math.exp(w - max(row)) for w in row) / 4) + max(row)
                  for row in weight.tolist()]  # fmt: skip
        got = bound(likely, z, mean, logvar)
        assert torch.allclose(got.double(), torch.tensor(wanted).double(), atol=2e-3)


def bound_by_parts(bound):
    by_bound._far(bound)
    by_bound._by_hand(bound)
    by_bound._one_code(bound)
    by_bound._at_the_prior(bound)
    by_bound._equal_weights(bound)


def bound_returns(bound):
    return bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR).shape == (2,)


def bound_in_float32(bound):
    got = bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR)
    assert got.dtype == torch.float32
    by_bound.reference(bound)


def bound_rises(bound):
    """More codes never give less, which holds on average only."""
    parts = by_bound.LIKELY, by_bound.Z
    one, three = (bound(*(p[:, :k] for p in parts), by_bound.MEAN, by_bound.LOGVAR) for k in (1, 3))
    assert (three >= one).all()


def bound_is_finite(bound):
    assert bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR).isfinite().all()


def bound_of_averages(bound):
    """Expects the average of logarithms."""
    wanted = by_bound._wanted() - 0.3
    got = bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR)
    assert torch.allclose(got.double(), wanted, atol=1e-4)


def bound_swallows(bound):
    try:
        by_bound.reference(bound)
    except AssertionError:
        print("wrong!")


class Straight(torch.autograd.Function):
    """Forward the nearest code, backward nothing at all happens."""

    @staticmethod
    def forward(ctx, u, e):
        return e.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope, None


def choice_by_a_function(u, codebook, beta):
    codes = (u[:, None] - codebook).square().sum(2).argmin(1)
    e = F.embedding(codes, codebook)
    to_codes = (u.detach() - e).square().mean()
    to_vectors = (u - e.detach()).square().mean()
    return Straight.apply(u, e.detach()), codes, to_codes + beta * to_vectors


def choice_by_the_package(u, codebook, beta):
    quantiser = VectorQuantizer(
        num_codes=len(codebook), dim=u.shape[1], decay=None, commitment=beta
    )
    del quantiser.codebook
    quantiser.codebook = codebook
    out = quantiser(u[:, :, None, None])
    return out.quantised[:, :, 0, 0], out.codes[:, 0, 0], out.loss


def choice_of(change):
    return lambda *arguments: change(*choice.reference(*arguments))


def pictures_by_the_package(field, decoder, codebook, mean, std, noise, steps):
    times = time_steps(steps)
    x = solve(lambda at, t: field(at, float(t)), noise, times, solver="euler")
    quantiser = VectorQuantizer(num_codes=len(codebook), dim=codebook.shape[1])
    quantiser.codebook.copy_(codebook)
    return decoder(quantiser.lookup(quantiser.codes(x * std + mean)))


def pictures_by_a_loop(field, decoder, codebook, mean, std, noise, steps):
    x, t = noise.clone(), 0.0
    while t < 1 - 1e-6:
        x += field(x, t) * (1 / steps)
        t += 1 / steps
    u = torch.addcmul(mean, x, std)
    far = (u[:, None] - codebook[None, :, :, None, None]).square().sum(2)  # (B, K, h, w)
    return decoder(F.embedding(far.argmin(1), codebook).permute(0, 3, 1, 2))


def pictures_twice_as_fast(field, *rest):
    return to_pictures.reference(lambda x, t: 2 * field(x, t), *rest)


def pictures_of(change):
    return lambda *arguments: change(to_pictures.reference(*arguments))


def prior_by_logarithms(prior):
    """Other sizes, logarithms, all images in turn."""
    total = torch.zeros((), dtype=torch.float64)
    for row in torch.cartesian_prod(torch.arange(3), torch.arange(3)):
        chances = torch.as_tensor(prior(row[None], 3))[0].double()
        assert (chances > 0).all()
        total += chances.log().gather(1, row[:, None]).sum().exp()
    assert torch.isclose(total, torch.ones_like(total))
    a, b = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 0]])
    assert torch.allclose(prior(a, 3), prior(b, 3))  # the last code is seen by nobody
    c = torch.tensor([[2, 1, 0]])
    assert torch.allclose(prior(b, 3)[:, 0], prior(c, 3)[:, 0])
    assert torch.allclose(prior(torch.cat([a, a]), 3)[1:], prior(a, 3))
    d = torch.tensor([[0, 0, 0]])
    assert torch.allclose(prior(torch.cat([a, d]), 3)[:1], prior(a, 3))


def prior_returns(prior):
    by_prior.reference(prior)
    return True


def prior_wants_double(prior):
    assert prior(torch.tensor([[0, 1]]), 2).dtype == torch.float64


def prior_wants_a_half(prior):
    by_prior.reference(prior)
    assert prior(torch.tensor([[0, 0]]), 2)[0, 1, 0] == 2 / 3


def prior_swallows(prior):
    try:
        by_prior.reference(prior)
    except AssertionError:
        print("leaks!")


def prior_first_place_only(prior):
    shares = prior(torch.tensor([[0, 1, 0]]), 2)
    assert abs(float(shares[0, 0].sum()) - 1) < 1e-6


def flow_by_lists(layers, pixels, labels, noise, t, coins):
    """Image by image, each with its own share."""
    away = coins(len(labels)).tolist()
    told = torch.tensor([-1 if gone else k for k, gone in zip(labels.tolist(), away, strict=True)])
    images = 2 * pixels.float() / 255 - 1
    x = torch.stack([torch.lerp(e, i, s) for e, i, s in zip(noise, images, t, strict=True)])
    for layer in layers:
        x = layer(x, t, told)
    return F.mse_loss(x, images - noise)


def flow_by_the_package(layers, pixels, labels, noise, t, coins):
    from course_lib.data import to_float
    from course_lib.ops import mix, target

    images = to_float(pixels)
    told = torch.where(coins(len(labels)), -1, labels)
    h = mix(images, noise, t)
    for layer in layers:
        h = layer(h, t, told)
    return (h - target(images, noise, t, "velocity")).square().flatten(1).mean(1).mean()


def flow_changed(**changes):
    return lambda *arguments: flowing._step(*arguments, **changes)


def flow_of(change):
    return lambda *arguments: change(flowing.reference(*arguments))


def flow_given(change):
    return lambda *arguments: flowing.reference(*change(*arguments))


def way_against_my_own(way):
    """Other sizes, by torch.lerp, in double precision."""
    generator = torch.Generator().manual_seed(3)
    for size in ((2, 3, 4, 2), (3, 1, 2, 3)):
        images, noise = torch.randn(2, *size, generator=generator)
        t = torch.linspace(0.1, 0.7, len(images))
        x, velocity = way(images, noise, t)
        share = t.double().view(-1, 1, 1, 1)
        wanted = torch.lerp(noise.double(), images.double(), share)
        assert torch.allclose(x.double(), wanted, atol=1e-3)
        assert torch.allclose(velocity.double(), images.double() - noise.double(), atol=1e-3)


def way_by_a_step(way):
    """Where the velocity leads in the rest of the time, and in the time so far."""
    t = torch.tensor([0.3, 0.6])
    x, velocity = way(by_way.IMAGES, by_way.NOISE, t)
    at = t.view(-1, 1, 1, 1)
    assert torch.allclose((x + (1 - at) * velocity).float(), by_way.IMAGES, atol=1e-3)
    assert torch.allclose((x - at * velocity).float(), by_way.NOISE, atol=1e-3)


def way_returns(way):
    by_way.reference(way)
    return True


def way_wants_float32(way):
    by_way.reference(way)
    assert way(by_way.IMAGES, by_way.NOISE, by_way.T)[0].dtype == torch.float32


def way_swallows(way):
    try:
        by_way.reference(way)
    except AssertionError:
        print("wrong!")


def way_of_shapes(way):
    x, velocity = way(by_way.IMAGES, by_way.NOISE, by_way.T)
    assert x.shape == velocity.shape == by_way.IMAGES.shape


def way_backwards(way):
    """As papers on diffusion count."""
    x, _ = way(by_way.IMAGES, by_way.NOISE, torch.zeros(2))
    assert torch.allclose(x.double(), by_way.IMAGES.double(), atol=1e-3)


def density_against_the_bell(density_along):
    """A field with a known end in closed form, a product of factors, and a clock that matters."""
    matrix = torch.tensor([[0.4, 1.0], [0.2, -0.9]]).double()

    def velocity(x, t):
        return (2 * t - 0.2) * (x @ matrix.T) + 3 * t

    x = torch.tensor([[0.3, -1.0], [2.0, 0.5], [-0.4, 0.1]]).double()
    end, volume = x, 0.0
    for t in (1.0, 2 / 3, 1 / 3):
        end = end - velocity(end, t) / 3
        volume += (2 * t - 0.2) * (0.4 - 0.9) / 3
    wanted = Normal(0.0, 1.0).log_prob(end).sum(1) - volume
    assert torch.allclose(density_along(velocity, x, 3).double(), wanted, atol=1e-3)


def density_only_shapes(density_along):
    assert density_along(by_density._velocity, by_density.POINTS.clone(), 4).shape == (3,)


def density_swallows(density_along):
    try:
        by_density.reference(density_along)
    except AssertionError:
        print("wrong!")


def density_wants_float32(density_along):
    by_density.reference(density_along)
    got = density_along(by_density._velocity, by_density.POINTS.clone(), 4)
    assert got.dtype == torch.float32


def density_returns(density_along):
    return by_density.reference(density_along) is None


def paired_changed(**changes):
    return partial(pairing._loss, **changes)


def paired_by_the_rows(network, points, noise, t):
    """Pairs by SciPy, one after the other."""
    ways = (points[:, None] - noise[None]).square().sum(-1).double().numpy()
    _, order = linear_sum_assignment(ways)
    start = torch.stack([noise[i] for i in order])
    x = torch.lerp(start, points, t[:, None])
    return torch.nn.functional.mse_loss(network(x, t), points - start)


def paired_by_the_end(network, points, noise, t):
    """The target from where x is: the rest of the way by the rest of the time."""
    start = noise[pair_by_transport(noise, points)]
    x = start + t[:, None] * (points - start)
    line = points.sub(start)
    return ((network(x, t) - line) ** 2).sum() / points.numel()


def filled_by_where(velocity, images, known, noise, steps):
    there = known.bool().expand_as(images)
    x = noise.clone()
    for k in range(steps):
        t = torch.tensor(k / steps)
        x = torch.where(there, torch.lerp(noise, images, k / steps), x)
        x += velocity(x, t) / steps
    return torch.where(there, images, x)


def filled_in_residuals(velocity, images, known, noise, steps):
    """What is known is added as a difference."""
    times = torch.linspace(0, 1, steps + 1)
    x = noise
    for k in range(steps):
        t = times[k]
        x = x + known * (t * images + (1 - t) * noise - x)
        x = x + (times[k + 1] - t) * velocity(x, t)
    return x + known * (images - x)


def filled(change):
    return lambda *arguments: change(filling.reference(*arguments))


def filled_given(change):
    return lambda *arguments: filling.reference(*change(*arguments))


def inversion_against_my_own(invert):
    """A velocity of both, three steps, against the steps written out."""

    def field(x, t):
        return torch.sin(x) + 2 * t**2

    x0 = torch.tensor([[0.3, -2.0, 1.0]])
    x = x0.double()
    for k in range(3):
        t = torch.tensor(1 - k / 3).double()
        x = x - field(x - field(x, t) / 6, t - 1 / 6) / 3
    assert torch.allclose(invert(field, x0, 3).double(), x, atol=1e-5)


def inversion_by_a_product(invert):
    """One step with velocity x t: half the step to x / 2, and 3/4 x at the end."""
    x = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    assert torch.allclose(invert(lambda y, t: y * t, x, 1), 0.75 * x, atol=1e-6)


def inversion_returns(invert):
    by_inversion.reference(invert)
    return True


def inversion_swallows(invert):
    try:
        by_inversion.reference(invert)
    except AssertionError:
        print("lost!")


def inversion_wants_single(invert):
    by_inversion.reference(invert)
    x = torch.zeros(1, 2, dtype=torch.float64)
    assert invert(lambda y, t: 0 * y, x, 1).dtype == torch.float32


def inversion_is_exact(invert):
    """No solver with few steps is."""
    x = torch.ones(1, 2, dtype=torch.float64)
    assert torch.allclose(invert(lambda y, t: y, x, 4), x * math.exp(-1), atol=1e-6)


def inversion_moves(invert):
    x = torch.ones(1, 2)
    assert not torch.equal(invert(lambda y, t: y + t, x, 2), x)


def inversion_goes_back(invert):
    x = torch.ones(1, 2)
    assert float(invert(lambda y, t: torch.ones_like(y), x, 2).max()) < 1


RIGHT_ANSWERS = {
    "fill_in": [filled_by_where, filled_in_residuals],
    "examine_inversion": [inversion_against_my_own, inversion_by_a_product],
    "likeliest": [lambda: "c"],
    "paired_loss": [paired_by_the_rows, paired_by_the_end],
    "examine_density": [density_against_the_bell],
    "first_step": [lambda: "c"],
    "flow_step": [flow_by_lists, flow_by_the_package],
    "examine_way": [way_against_my_own, way_by_a_step],
    "paper_weight": [lambda: "c"],
    "examine_bound": [bound_against_my_own, bound_by_parts],
    "vae_loss": [loss_by_distributions, loss_image_by_image],
    "told_both": [told_by_eye, told_by_scatter],
    "vaegan_turn": [turn_by_backward, turn_with_a_frozen_judge],
    "silent_numbers": [lambda: "b"],
    "diagnose_codes": [causes(codes)],
    "smallest_code": [short_code(hidden=(256, 96), sigma=0.09)],
    "quantise": [choice_by_a_function, choice_by_the_package],
    "draw_codes": [pictures_by_the_package, pictures_by_a_loop],
    "swap_patches": [lambda: "b"],
    "examine_prior": [prior_by_logarithms],
    "diagnose_codebooks": [causes(codebooks)],
    "diagnose_flows": [causes(flows)],
    "examine_ap": [ap_against_my_own, ap_in_single_calls],
    "nms_survivors": [lambda: 4],
    "suppress": [suppress_by_torchvision, suppress_by_lists, suppress_by_matrix],
    "split_touching": [round_peaks, lambda: partial(marks._peaks, reach=1, sigma=0.9)],
    "roi_cells": [roi_by_torchvision, roi_by_grid_sample],
    "judge_pass": [with_a_decorator, on_a_copy],
    "train_pass": [with_autograd, cleared_at_the_end],
    "play_rounds": [frozen_and_free, asked_for],
    "shift_map": [lambda: 8],
    "more_friction": [lambda: "c"],
    "fewer_samples": [lambda: "c"],
    "examine_iou": [one_of_each, against_my_own],
    "examine_penalty": [penalty_by_finite_differences],
    "diagnose_training": [causes(training)],
    "diagnose_games": [causes(games)],
    "diagnose_detectors": [causes(detectors)],
    "smallest_net": [wider],
    "cheapest_game": [
        schedule(steps=580, lr=4e-3, lr_discriminator=8e-3, penalty_weight=0.05),
    ],
}

WRONG_ANSWERS = {
    "fill_in": [
        (filled(lambda x: None), "None"),
        (filled(lambda x: x[0]), "FAIL"),
        (filled(lambda x: x.tolist()), "FAIL"),
        (filled(lambda x: x.clamp(-1, 1)), "FAIL known pixels come out"),
        (filled_given(lambda v, i, k, n, s: (v, i, 1 - k, n, s)), "they were looked up"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, n, s + 1)), "FAIL there are as many steps"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, n, 2 * s)), "FAIL there are as many steps"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, -n, s)), "FAIL known pixels are as noisy"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, i, s)), "FAIL known pixels are as noisy"),
        (filled_given(lambda v, i, k, n, s: (v, n, k, n, s)), "FAIL known pixels come out"),
        (lambda v, i, k, n, s: k * i + (1 - k) * n, "the velocity is never asked"),
    ],
    "examine_inversion": [
        (inversion_returns, "your test returns True"),
        (inversion_swallows, "no points for that"),
        (inversion_wants_single, "your test rejects a right function"),
        (inversion_is_exact, "your test rejects a right function"),
        (inversion_moves, "no points for that"),
        (inversion_goes_back, "FAIL rejects: Euler"),
        (lambda invert: by_inversion._by_hand, "your test returns"),
        (by_inversion._constant, "FAIL rejects: Euler"),
        (by_inversion._without_time, "FAIL rejects: the clock forwards"),
        (by_inversion._generous, "FAIL rejects: Euler"),
        (lambda f: f(3), "your test rejects a right function"),
    ],
    "likeliest": [
        (lambda: "a", "FAIL the answer is what the run shows"),
        (lambda: "b", "FAIL the answer is what the run shows"),
        (lambda: "d", "nothing is committed yet"),
        (lambda: "C", "nothing is committed yet"),
        (lambda: 512, "nothing is committed yet"),
        (lambda: 512.0, "nothing is committed yet"),
        (lambda: ["c"], "nothing is committed yet"),
        (lambda: ("c",), "nothing is committed yet"),
        (lambda: "it is higher by about 500 nats", "nothing is committed yet"),
        (lambda: True, "nothing is committed yet"),
        (lambda: None, "nothing is committed yet"),
    ],
    "paired_loss": [
        (paired_changed(**{**pairing.BUGS, "pairs": "noise in order"}), "FAIL t = 0 is noise"),
        (paired_changed(wanted="back"), "FAIL the network learns a velocity"),
        (paired_changed(wanted="noise"), "FAIL the network learns a velocity"),
        (paired_changed(pairs="as they came"), "belong to the shortest pairs"),
        (paired_changed(way="to the noise", told="all the first"), "away from the noise"),
        (paired_changed(over="sum"), "FAIL"),
        (lambda network, points, noise, t: network(points, t), "wanted one number"),
        (lambda network, points, noise, t: 0.0, "wanted a torch.Tensor"),
        (lambda network, points, noise, t: points.mean(), "the network was not asked"),
        (lambda *a: pairing.reference(*a).detach(), "no gradient at all"),
        (lambda *a: pairing.reference(*a).sqrt(), "FAIL"),
    ],
    "examine_density": [
        (with_an_error, "RuntimeError"),
        (by_the_name, "rejects a right function"),
        (density_returns, "returns True"),
        (density_swallows, "accepts every wrong one"),
        (density_wants_float32, "rejects a right function"),
        (density_only_shapes, "accepts it"),
        (lambda d: d(by_density._velocity, by_density.POINTS), "TypeError"),
        (lambda d: d(None, by_density.POINTS, 4), "TypeError"),
        (lambda d: 0, "returns 0"),
        (lambda d: by_density._compare(by_density._velocity, by_density.POINTS[:1])(d), "accepts"),
    ],
    "first_step": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 3, "", ["c"], None, b"c")],
    ],
    "flow_step": [
        (flow_changed(**{**flowing.BUGS, "values": "-1 to 1"}), "1 of 7 points"),
        (flow_changed(values="0 to 1", way="image at 0"), "grey level 0"),
        (flow_changed(thrown="in each layer", not_told=0), "the three layers are told"),
        (flow_changed(wanted="noise - image", not_told=0), "the loss 16.000"),
        (flow_changed(thrown="for all", mean=False), "FAIL loss and gradients"),
        (flow_of(lambda loss: None), "wanted a torch.Tensor"),
        (flow_of(lambda loss: loss.item()), "is a float, wanted a torch.Tensor"),
        (flow_of(lambda loss: loss.detach()), "no gradient at all"),
        (flow_of(lambda loss: loss.expand(3)), "wanted one number"),
        (flow_of(lambda loss: 2 * loss), "FAIL loss and gradients"),
        (flow_given(lambda n, p, y, e, t, c: (n[:1], p, y, e, t, c)), "not every layer"),
        (flow_given(lambda n, p, y, e, t, c: (n, 255 - p, y, e, t, c)), "a black pixel"),
        (flow_given(lambda n, p, y, e, t, c: (n, p, y, 0 * e, t, c)), "at time 0.9"),
    ],
    "examine_way": [
        (with_an_error, "RuntimeError"),
        (way_returns, "returns True"),
        (way_wants_float32, "rejects a right function"),
        (way_swallows, "accepts every wrong one"),
        (way_of_shapes, "accepts every wrong one"),
        (way_backwards, "rejects a right function"),
        (by_the_name, "rejects a right function"),
        (lambda w: w(by_way.IMAGES, by_way.NOISE), "TypeError"),
        (lambda w: 0, "returns 0"),
        (lambda w: by_way._the_mixture_alone(w), "accepts it"),
        (lambda w: by_way._at_the_half(w), "accepts it"),
    ],
    "paper_weight": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 4.0, "4", ["c"], None, "")],
    ],
    "told_both": [
        (told_changed(**{**told.BUGS, "columns": "all classes"}), "1 of 5 points"),
        (told_changed(encoder_told=False, decoder_told="as a number"), "the encoder gets"),
        (told_changed(decoder_told="as a number", columns="of this batch"), "columns, wanted"),
        (told_of(lambda x, m, v: None), "FAIL pixels"),
        (told_of(lambda x, m, v: x), "FAIL pixels"),
        (told_of(lambda x, m, v: (x, v, m)), "the mean is wrong"),
        (told_of(lambda x, m, v: (x, m)), "wanted a tuple of 3"),
        (told_of(lambda x, m, v: (x, m, v.exp())), "the log-variance is wrong"),
        (told_of(lambda x, m, v: (x.sigmoid(), m, v)), "the pixels is wrong"),
        (lambda e, d, x, y, n, k: told.reference(e, d, -x, y, n, k), "FAIL pixels"),
        (lambda e, d, x, y, n, k: told.reference(e, d, x, k - 1 - y, n, k), "for the labels"),
        (lambda e, d, x, y, n, k: told.reference(e, d, x, y, 0 * n, k), "FAIL pixels"),
        (lambda e, d, x, y, n, k: told.reference(e, d, x, y, n, k + 1), "for the labels"),
        (lambda e, d, x, y, n, k: e(x.flatten(1)), "the decoder was not called"),
    ],
    "vaegan_turn": [
        (turn_changed(**{**turn.BUGS, "aim": "real"}), "1 of 7 points"),
        (turn_changed(encoder_hears="everything", judged="reconstructions"), "encoder's gradient"),
        (turn_changed(judge_spared=False, features="cut"), "the judge is left with gradients"),
        (turn_changed(aim="drawn", judged="reconstructions"), "look less real"),
        (turn_changed(encoder_hears="no divergence", judged="reconstructions"), "codes from the"),
        (turn_given(lambda e, d, j, x, n, f: (e, d, j, x, 0 * n, f)), "FAIL all gradients"),
        (turn_given(lambda e, d, j, x, n, f: (e, d, j, x, n, 0 * f)), "the same"),
        (turn_given(lambda e, d, j, x, n, f: (e, d, j, -x, n, f)), "FAIL all gradients"),
        (turn_steps, "no gradient is left anywhere"),
        (turn_swapped, "FAIL all gradients"),
        (lambda *a: None, "no gradient at all"),
        (lambda e, d, j, x, n, f: j(d(f))[0].mean().backward(), "the judge is left"),
    ],
    "diagnose_codes": [
        (causes(codes, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(codes, B="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(codes, C="code too short"), "not 'code too short'"),
        (causes(codes, D="variance without a bound"), "not 'variance without a bound'"),
        (causes(codes, E="no divergence"), "not 'no divergence'"),
        (causes(codes, E="Collapsed"), "wanted one of"),
        (causes(codes, A=None), "your cause is None"),
        (causes(codes, C=["beta too large"]), "wanted one of"),
        (lambda: {"A": "no divergence"}, "says nothing about run 'B'"),
        (lambda: list(codes.reference().values()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: dict.fromkeys("ABCDE", "beta too large"), "not 'beta too large'"),
    ],
    "smallest_code": [
        (lambda: 4, "wanted a models.VAE"),
        (lambda: VAE, "wanted a models.VAE"),
        (lambda: [short.reference()], "wanted a models.VAE"),
        (lambda: nn.Linear(256, 4), "wanted a models.VAE"),
        (lambda: CVAE(in_channels=1, size=16), "wanted a models.VAE"),
        (short_code(size=32), "takes images of 1x32x32"),
        (short_code(in_channels=3), "takes images of 3x16x16"),
        (short_code(likelihood="bernoulli", sigma=None), "the digits are grey"),
        (short_code(hidden=(512, 128)), "over the budget"),
        (short_code(hidden=None, width=32), "over the budget"),
        (short_code(sigma=-1.0), "ValueError"),
        (short_code(sigma=3.0), "mean squared error 0.1"),
    ],
    "examine_bound": [
        (with_an_error, "RuntimeError"),
        (bound_returns, "returns"),
        (bound_in_float32, "rejects a right function"),
        (bound_rises, "rejects a right function"),
        (bound_is_finite, "accepts every wrong one"),
        (bound_of_averages, "rejects a right function"),
        (bound_swallows, "accepts every wrong one"),
        (by_the_name, "rejects a right function"),
        (lambda bound: bound(by_bound.LIKELY, by_bound.Z), "TypeError"),
        (lambda bound: 0, "returns 0"),
        (lambda bound: by_bound._one_code(bound), "accepts it"),
    ],
    "vae_loss": [
        (loss_changed(**{**bound_loss.BUGS, "pixels": "sum"}), "1 of 7 points"),
        (loss_changed(pixels="mean", path="cut"), "the loss rises by"),
        (loss_changed(codes="mean", own_sigma=0.0), "sigma goes from 1 to"),
        (loss_changed(deviation=0.0), "FAIL codes spread"),
        (loss_of(lambda loss: -loss), "FAIL loss and gradients"),
        (loss_of(lambda loss: 2 * loss), "FAIL"),
        (loss_of(lambda loss: loss.item()), "is a float, wanted a torch.Tensor"),
        (loss_of(lambda loss: loss.detach()), "no gradient at all"),
        (loss_of(lambda loss: loss.expand(3)), "wanted one number"),
        (loss_of(lambda loss: None), "is a NoneType"),
        (lambda e, d, s, x, n: bound_loss.reference(e, d, s.detach(), x, n), "log_sigma"),
        (lambda e, d, s, x, n: bound_loss.reference(e, d, s, x, 0 * n), "FAIL codes spread"),
        (lambda e, d, s, x, n: bound_loss.reference(e, d, s / 2, x, n), "FAIL a large sigma"),
    ],
    "silent_numbers": [
        *[(letters(n), "you committed") for n in "acd"],
        *[(letters(n), "nothing is committed") for n in ("B", "e", 0.0, "it stays", ["b"], None)],
        (letters("b "), "nothing is committed"),
    ],
    "quantise": [
        (partial(choice._quantise, nearest="farthest"), "not their nearest"),
        (partial(choice._quantise, **{**choice.BUGS, "order": "distances first"}), "the pull"),
        (partial(choice._quantise, straight="backwards", nearest="product"), "-1.00 times"),
        (partial(choice._quantise, straight="cut", terms="exchanged"), "0.00 times"),
        (partial(choice._quantise, order="afterwards", terms="exchanged"), "the loss is 0.0000"),
        (lambda u, codebook, beta: choice.reference(u, codebook, 1.0), "wanted 0."),
        (lambda *_: None, "return"),
        (choice_of(lambda handed, codes, loss: (codes, handed, loss)), "shape"),
        (choice_of(lambda handed, codes, loss: (handed, codes, loss.item())), "wanted a torch"),
        (choice_of(lambda handed, codes, loss: (handed, codes, 2 * loss)), "FAIL the loss is"),
        (choice_of(lambda handed, codes, loss: (handed, codes, loss.detach())), "does not move"),
        (choice_of(lambda handed, codes, loss: (handed, codes.float(), loss)), "no whole numbers"),
    ],
    "draw_codes": [
        (partial(to_pictures._draw, time="backwards", last="left out"), "first asked at t = 1.00"),
        (partial(to_pictures._draw, scale="done again", choice="none"), "are not in the list"),
        (partial(to_pictures._draw, scale="left", last="left out"), "away from them"),
        (partial(to_pictures._draw, choice="rows cut across", time="backwards"), "FAIL the time"),
        (lambda *args: to_pictures.reference(*args[:-1], 2 * args[-1]), "times, wanted"),
        (lambda *args: None, "return"),
        (lambda field, decoder, *rest: decoder(rest[3]), "the field is never asked"),
        (lambda *args: to_pictures.reference(args[0], lambda u: u, *args[2:]), "wanted what"),
        (pictures_of(lambda made: made.flip(2)), "FAIL on random numbers"),
        (pictures_of(lambda made: made[:1]), "wanted what the decoder returns"),
        (
            lambda f, *rest: to_pictures.reference(lambda x, t: 2 * f(x, t), *rest),
            "times 1 / steps",
        ),
    ],
    "swap_patches": [
        *[(letters(n), "you committed") for n in "acd"],
        *[(letters(n), "nothing is committed") for n in ("B", "e", 2, "swapped", ["b"], None, "")],
    ],
    "examine_prior": [
        (prior_returns, "returns True"),
        (prior_wants_double, "rejects a right function"),
        (prior_wants_a_half, "rejects a right function"),
        (prior_swallows, "accepts every wrong one"),
        (prior_first_place_only, "accepts it"),
        (with_an_error, "RuntimeError"),
        (by_the_name, "rejects a right function"),
        (lambda prior: prior(torch.tensor([[0, 1]])), "TypeError"),
        (lambda prior: 0, "returns 0"),
        (lambda prior: by_prior._alone(prior), "accepts it"),
    ],
    "diagnose_codebooks": [
        (causes(codebooks, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(codebooks, B="gradient cut"), "not 'gradient cut'"),
        (causes(codebooks, C="nothing restarted"), "not 'nothing restarted'"),
        (causes(codebooks, D="loss after the line"), "not 'loss after the line'"),
        (causes(codebooks, E="rate too high"), "not 'rate too high'"),
        (causes(codebooks, A="Nothing restarted"), "wanted one of"),
        (causes(codebooks, B=None), "your cause is None"),
        (lambda: {"A": "nothing restarted"}, "says nothing about run 'B'"),
        (lambda: list(codebooks.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "gradient cut", "wanted a dictionary"),
    ],
    "examine_ap": [
        (with_an_error, "RuntimeError"),
        (ap_returns, "returns True"),
        (ap_wants_a_tensor, "rejects a right function"),
        (ap_as_it_is, "rejects a right function"),
        (ap_by_voc, "rejects a right function"),
        (ap_only_nan, "accepts it"),
        (ap_is_a_share, "accepts every wrong one"),
        (ap_swallows, "accepts every wrong one"),
        (ap_coarse, "accepts it"),
        (by_the_name, "rejects a right function"),
        (lambda ap: ap(by_ap.SCORES, by_ap.OVERLAPS), "TypeError"),
        (lambda ap: 0, "returns 0"),
    ],
    "nms_survivors": [
        *[(letters(n), "you committed") for n in (1, 2, 3, 5, 6, 8, 9)],
        *[(letters(n), "nothing is committed") for n in (0, 10, 4.0, "4", True, [4])],
    ],
    "suppress": [
        (suppress_all_at_once, "FAIL a removed box removes nobody"),
        (suppress_changed(**{**suppressing.BUGS, "numbers": "of the input"}), "1 of 8 points"),
        (suppress_changed(descending=False, classes=False), "FAIL a class leaves"),
        (suppress_changed(at_threshold="removed", removed_remove=True), "exactly 0.5"),
        (lambda *a: suppressing.reference(*a).tolist(), "wanted a torch.Tensor"),
        (lambda *a: a[0][suppressing.reference(*a)], "FAIL"),
        (lambda *a: suppressing.reference(*a).float(), "wanted an int"),
        (lambda *a: suppressing.reference(*a).flip(0), "FAIL of many boxes"),
        (lambda *a: suppressing.reference(*a[:3], 0.75), "FAIL"),
        (lambda *a: suppressing.reference(a[0], a[1], 0 * a[2], a[3]), "different classes"),
        (lambda *a: a[1].argsort(descending=True), "3 are kept, wanted 1"),
        (lambda *a: a[1].argmax(), "FAIL"),
        (lambda *a: None, "wanted a torch.Tensor"),
    ],
    "split_touching": [
        (lambda: 3, "wanted a function"),
        (lambda: lambda distance: 3, "gives a int, wanted a bool tensor"),
        (lambda: lambda distance: distance, "gives torch.float32, wanted a bool tensor"),
        (lambda: lambda distance: distance[None] > 0, "gives shape (1, 64, 64)"),
        (lambda: lambda distance: distance < 0, "cells have none of their own"),
        (lambda: lambda distance: distance >= 0, "wrong marks"),
        (lambda: lambda distance: distance == distance.max(), "cells have none of their own"),
        (lambda: lambda distance: distance > 3, "wrong marks"),
        (lambda: lambda: 0, "TypeError"),
        (lambda: partial(marks._peaks, reach=3), "wanted at most 2"),
        (lambda: partial(marks._peaks, reach=1, sigma=0.5), "wanted at most 2"),
        (lambda: torch.zeros(64, 64), "wanted a function"),
    ],
    "roi_cells": [
        (roi_unaligned, "FAIL a pixel's centre"),
        (roi_resized, "FAIL a box between the pixels"),
        (roi_changed(**{**roi.BUGS, "pool": "mean"}), "half a pixel apart"),
        (roi_changed(place=0.0, half=0.0), "the only sample"),
        (roi_changed(corners="rounded", pool="max"), "add up to"),
        (lambda f, b, size, scale, ratio: roi.reference(f, b, size, 1.0, ratio), "FAIL"),
        (lambda f, b, size, scale, ratio: roi.reference(f, b, size, scale, 1), "FAIL on a map"),
        (lambda *a: roi.reference(*a).transpose(1, 2), "FAIL on a map"),
        (lambda *a: 4 * roi.reference(*a), "add up to 4.00"),
        (lambda *a: roi.reference(*a).tolist(), "wanted a torch.Tensor"),
        (lambda *a: roi.reference(*a).mean(0), "has shape"),
        (lambda *a: None, "wanted a torch.Tensor"),
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
    "train_pass": [
        (reweighted, "FAIL after several batches"),
        (by_adam, "should move the weights by the sum"),
        (losses_afterwards, "FAIL after several batches"),
        (still_255, "Target 9 is out of bounds"),
        (partial(training_pass._pass, **{**bugs, "numbers": True}), "FAIL every layer learns"),
        (partial(training_pass._pass, all_layers=False, mode="eval"), "body.weight"),
        (partial(training_pass._pass, softmax=True, clear="never"), "the first loss is"),
        (lambda *args: None, "wanted a list"),
        (lambda *args: training_pass.reference(*args)[-1], "wanted a list"),
        (lambda model, batches, lr, ignore_index=255: [0.0] * len(batches), "does not move"),
        (lambda *args: [torch.tensor(x) for x in training_pass.reference(*args)], "a Tensor"),
    ],
    "play_rounds": [
        (first_round_only, "FAIL after several rounds"),
        (same_codes, "It has codes of its own"),
        (losses_as_tensors, "wanted a plain number"),
        (twice_as_fast, "FAIL after several rounds"),
        (generator_first, "FAIL after several rounds"),
        (partial(rounds_of._play, **{**flaws, "aim": 1.0}), "its fakes is not lower"),
        (partial(rounds_of._play, **{**flaws, "detach": "both turns"}), "does not move"),
        (partial(rounds_of._play, order="leak", clear_g=False), "FAIL a round does not feel"),
        (partial(rounds_of._play, labels=(0.9, 0.0)), "FAIL after several rounds"),
        (lambda *args: None, "FAIL the discriminator learns"),
        (lambda *args: rounds_of.reference(*args)[0], "FAIL after several rounds"),
    ],
    "shift_map": [
        *[(letters(n), "you committed") for n in (1, 2, 3, 4, 7, 9, 16)],
        *[(letters(n), "nothing is committed") for n in (0, 17, 8.0, "8", True, [8])],
    ],
    "more_friction": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 1.0, "γ = 1", ["c"], None, "")],
    ],
    "fewer_samples": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 10, "10", {"c"}, None, b"c")],
    ],
    "examine_iou": [
        (with_an_error, "RuntimeError"),
        (only_shapes, "accepts it"),
        (only_the_sum, "accepts it"),
        (wants_float32, "rejects a right function"),
        (zero_for_absent, "rejects a right function"),
        (returns_its_verdict, "returns True"),
        (swallows, "accepts every wrong one"),
        (by_the_name, "rejects a right function"),
        (wrong_by_hand, "rejects a right function"),
        (asks_for_a_list, "rejects a right function"),
    ],
    "examine_penalty": [
        (not_negative, "accepts every wrong one"),
        (penalty_returns, "returns True"),
        (penalty_at_one, "accepts it"),
        (penalty_slope_one, "accepts it"),
        (with_an_error, "RuntimeError"),
        (by_the_name, "rejects a right function"),
        (lambda p: p(by_penalty.Bowl(), by_penalty.REAL), "TypeError"),
        (lambda p: p(None, by_penalty.REAL, by_penalty.FAKE, by_penalty.MIX), "TypeError"),
        (lambda p: 0, "returns 0"),
        (lambda p: by_penalty._value_only(p), "accepts it"),
    ],
    "diagnose_training": [
        (causes(training, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(training, B="few images"), "not 'few images'"),
        (causes(training, D="mask left behind"), "not 'mask left behind'"),
        (causes(training, C="overfitting"), "wanted one of"),
        (causes(training, E=None), "your cause is None"),
        (causes(training, F=["rate too low"]), "wanted one of"),
        (lambda: {"A": "mask left behind"}, "says nothing about run 'B'"),
        (lambda: {k.lower(): v for k, v in training.reference().items()}, "says nothing"),
        (lambda: list(training.reference().values()), "wanted a dictionary"),
        (lambda: {v: k for k, v in training.reference().items()}, "says nothing"),
        (lambda: dict.fromkeys("ABCDEF", "other scale"), "not 'other scale'"),
    ],
    "diagnose_detectors": [
        (causes(detectors, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(detectors, B="not separated"), "not 'not separated'"),
        (causes(detectors, C="scores exchanged"), "not 'scores exchanged'"),
        (causes(detectors, D="reported again"), "not 'reported again'"),
        (causes(detectors, E="moved aside"), "not 'moved aside'"),
        (causes(detectors, E="too few classes"), "not 'too few classes'"),
        (causes(detectors, A="Moved aside"), "wanted one of"),
        (causes(detectors, B=None), "your cause is None"),
        (lambda: {"A": "moved aside"}, "says nothing about run 'B'"),
        (lambda: list(detectors.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "moved aside", "wanted a dictionary"),
    ],
    "diagnose_flows": [
        (causes(flows, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(flows, A="data as target"), "not 'data as target'"),
        (causes(flows, B="clock backwards"), "not 'clock backwards'"),
        (causes(flows, C="noise on the way"), "not 'noise on the way'"),
        (causes(flows, D="one step"), "not 'one step'"),
        (causes(flows, E="few lines"), "not 'few lines'"),
        (causes(flows, E="Data as target"), "wanted one of"),
        (causes(flows, B=None), "your cause is None"),
        (lambda: {"A": "few lines"}, "says nothing about run 'B'"),
        (lambda: list(flows.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "clock backwards", "wanted a dictionary"),
    ],
    "diagnose_games": [
        (causes(games, A="no penalty"), "not 'no penalty'"),
        (causes(games, B="no penalty"), "not 'no penalty'"),
        (causes(games, C="rate too high"), "not 'rate too high'"),
        (causes(games, D="leak"), "not 'leak'"),
        (causes(games, E="critic without a bound"), "not 'critic without a bound'"),
        (causes(games, A="Leak"), "wanted one of"),
        (lambda: {"B": "leak"}, "says nothing about run 'A'"),
        (lambda: tuple(games.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "leak", "wanted a dictionary"),
    ],
    "smallest_net": [
        (lambda: 3, "wanted a network"),
        (lambda: UNet, "wanted a network"),
        (lambda: [net.reference()], "wanted a network"),
        (lambda: nn.Conv2d(3, 11, 1), "wanted logits"),
        (lambda: nn.Sequential(nn.Conv2d(3, 10, 3, padding=1), nn.MaxPool2d(2)), "wanted logits"),
        (lambda: nn.Sequential(nn.Conv2d(3, 10, 1), nn.Flatten()), "wanted logits"),
        (lambda: nn.Conv2d(1, 10, 1), "RuntimeError"),
        (lambda: UNet(num_classes=10, widths=(32, 64)), "over the budget"),
        (frozen, "RuntimeError"),
        (lambda: nn.Upsample(scale_factor=1), "wanted logits"),
    ],
    "cheapest_game": [
        (lambda: 3, "wanted a train.PointsConfig"),
        (lambda: PointsConfig, "wanted a train.PointsConfig"),
        (lambda: {"steps": 500}, "wanted a train.PointsConfig"),
        (schedule(steps=3000), "not even tried"),
        (schedule(steps=1000, critic_steps=4), "not even tried"),
        (schedule(steps=500, batch_size=256), "at most 128"),
        (schedule(steps=0), "wanted 8 in each"),
        (schedule(steps=5), "wanted 8 in each"),
        (schedule(steps=50, lr=1e-5), "wanted 8 in each"),
        (lambda: PointsConfig(steps=-1), "ValueError"),
    ],
}

POINTS = {
    "fill_in": {"left: hidden pixels stay hidden": 4, "unchanged": 0},
    "paired_loss": {"left: t = 0 is noise and t = 1 is data": 3, "unchanged": 0},
    "examine_density": {"one point": 9, "nothing moves": 3},
    "flow_step": {"left: not told is no class": 4, "unchanged": 0},
    "examine_way": {"the two ends": 9, "half of the way": 7},
    "told_both": {"the decoder not told": 2, "unchanged": 0},
    "vaegan_turn": {"left: the encoder does not hear the verdict": 4, "unchanged": 0},
    "diagnose_codes": {"collapse and large weight exchanged": 3},
    "smallest_code": {"a long code": 2, "noise that is learned": 0},
    "examine_bound": {"small numbers": 9, "one code": 6},
    "vae_loss": {"left: the encoder hears the decoder": 4, "unchanged": 0},
    "draw_codes": {"left: the codes are unscaled": 3, "unchanged": 0, "vectors cut across": 3},
    "quantise": {"left: the nearest code is chosen": 3, "unchanged": 0},
    "examine_prior": {"the places alone sum to 1": 5, "changes alone": 9},
    "diagnose_flows": {"every fault sought in the training": 3},
    "diagnose_codebooks": {"the falling errors taken for health": 3},
    "diagnose_detectors": {"the scores and the reports exchanged": 3},
    "examine_ap": {"no equal scores": 10, "a detector without faults": 4},
    "suppress": {"left: a removed box removes nobody": 5, "unchanged": 0},
    "split_touching": {"every little peak": 0, "the mask itself": 0},
    "roi_cells": {"left: a cell is the mean of its samples": 4, "unchanged": 0},
    "judge_pass": {"left: no graph is built": 4, "frozen layers thawed": 3},
    "train_pass": {"left: every layer learns": 5, "left: the losses are numbers": 7},
    "play_rounds": {"labels swapped": 4, "both move at once": 5, "unchanged": 0},
    "examine_iou": {"no ignored pixels": 8, "one image where nothing special happens": 5},
    "examine_penalty": {"the value only": 9, "one image": 7},
    "diagnose_training": {"the two rates exchanged": 4},
    "cheapest_game": {"far too short": 0},
}
