"""The loop that trains flows: by hand, resumed bit for bit, against the best that there can be."""

import copy
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from course_lib.data import ImageSet, to_float
from course_lib.data.augment import stream_seed
from course_lib.models import Flow, LatentFlow
from course_lib.ops import TARGETS, mix, optimal_velocity, pair_by_transport
from course_lib.ops.paths import PATHS, log_snr
from course_lib.train import FlowConfig, train_flow
from course_lib.train.flow import BINS, by_time, draw_times, drop, mean_by_time, snr_weight
from tests.train.small_sets import same
from tests.train.tiny_game import SIZE, pictures, players

QUIET = {"device": "cpu", "progress": False}
NETWORK = {"in_channels": 1, "size": SIZE, "widths": (8, 12), "blocks": 1, "heads": 2}


def make(classes: int = 2, **given) -> Flow:
    torch.manual_seed(0)
    return Flow(network={**NETWORK, "num_classes": classes}, **{"steps": 2, **given})


class PowerCut(Exception):
    """What no loop expects."""


def stopping(after: int, error: type[BaseException] | None) -> dict[str, object]:
    calls = []

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        calls.append(model)
        if len(calls) == after:
            if error is None:
                os.kill(os.getpid(), signal.SIGINT)
            else:
                raise error
        return {}

    return {"evaluate": evaluate, "evaluate_every": 2}


KINDS = {
    "flow": ({}, {"drop_labels": 0.3, "ema_images": 30.0, "schedule": "cosine", "warm_up": 3}),
    "transport": ({}, {"transport": True, "times": "uniform", "clip_norm": 1.0}),
    "ddpm": (
        {"path": "linear", "predicts": "noise", "solver": "ancestral"},
        {"times": "uniform", "weight": "min-snr"},
    ),
    "bf16": ({"path": "cosine", "predicts": "v"}, {"precision": "bf16", "channels_last": True}),
}


@pytest.mark.parametrize("error", [PowerCut, None], ids=["power cut", "ctrl-c"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, kind: str, error) -> None:
    asked, options = KINDS[kind]
    config = FlowConfig(steps=13, batch_size=6, log_every=2, sample_every=6, lr=3e-3, **options)
    whole = make(**asked)
    expected = train_flow(whole, pictures(), config=config, out_dir=tmp_path / "whole", **QUIET)
    with pytest.raises((PowerCut, KeyboardInterrupt)):
        train_flow(
            make(**asked),
            pictures(),
            config=config,
            out_dir=tmp_path / "cut",
            **stopping(4, error),
            **QUIET,
        )
    again = make(**asked)
    history = train_flow(again, pictures(), config=config, out_dir=tmp_path / "cut", **QUIET)
    assert same(whole, again) and not same(whole, make(**asked)) and not again.training
    for name in ("loss", "loss_0", "loss_4"):
        assert [r.get(name) for r in history.steps if r["step"] % 2 == 0] == [
            r.get(name) for r in expected.steps if r["step"] % 2 == 0
        ]
    assert (tmp_path / "cut" / "samples" / "step-0000012.png").exists()


@pytest.mark.parametrize("more", [False, True], ids=["plain", "weights, rates, averages"])
def test_the_steps_by_hand(more: bool) -> None:
    """A plain loop with plain Adam gives the same weights."""
    config = FlowConfig(steps=6, batch_size=6, drop_labels=0.5, transport=True)
    if more:
        config = replace(config, schedule="cosine", warm_up=3, weight="min-snr", ema_images=3.0)
    model = make()
    for part in model.parameters():  # Adam makes much of the rounding of gradients near 0
        torch.nn.init.normal_(part, 0.0, 0.1)
    twin = copy.deepcopy(model)
    before = [value.clone() for value in twin.state_dict().values()]
    train_flow(model, pictures(), config=config, **QUIET)
    adam = torch.optim.Adam(twin.parameters(), lr=1e-3)
    batches = [b for e in range(2) for b in pictures().batches(6, seed=0, epoch=e)]
    twin.train()
    average = [part.detach().clone() for part in twin.parameters()]
    for step in range(6):
        torch.manual_seed(stream_seed(0, 0, step, 0))
        images, labels = batches[step]
        noise = torch.randn(images.shape)
        for name in labels.unique():  # each label by itself
            own = (labels == name).nonzero()[:, 0]
            noise[own] = noise[own][pair_by_transport(noise[own], images[own])]
        t = torch.sigmoid(torch.randn(6))
        away = torch.rand(6) < 0.5
        told = torch.where(away, -1, labels)
        beside = t[:, None, None, None]
        said = twin.network(beside * images + (1 - beside) * noise, t, told)
        loss = (said - (images - noise)) ** 2
        if more:  # an error of the velocity is one of the image divided by 1 - t
            loss = loss * ((beside / (1 - beside)) ** 2).clamp(max=5) * (1 - beside) ** 2
            rate = 1e-3 * (1 + math.cos(math.pi * step / 6)) / 2 * min(1, (step + 1) / 3)
            adam.param_groups[0]["lr"] = rate
        adam.zero_grad()
        loss.mean().backward()
        adam.step()
        for mean, part in zip(average, twin.parameters(), strict=True):
            # Half of it is left after 3 images, of which a step has 6; at first less.
            mean.lerp_(part.detach(), 1 - min(0.25, (1 + step) / (10 + step)))
    if more:
        for mean, part in zip(average, twin.parameters(), strict=True):
            part.data.copy_(mean)
    for (name, ours), theirs, was in zip(
        model.state_dict().items(), twin.state_dict().values(), before, strict=True
    ):
        # What a norm takes away again has no gradient but rounding, which Adam makes a step of.
        if not name.endswith(("conv1.bias", "conv2.bias", "around.bias")):
            apart, way = (ours - theirs).abs().mean(), (theirs - was).abs().mean()
            assert apart < 0.02 * way, name


@pytest.mark.parametrize("predicts", TARGETS)
def test_it_learns(predicts: str) -> None:
    config = FlowConfig(steps=120, batch_size=24, lr=5e-3, log_every=20)
    history = train_flow(
        make(path="cosine", predicts=predicts), pictures(96), config=config, **QUIET
    )
    loss = history.column("loss")
    assert loss[-1] < 0.9 * loss[0]


def test_no_network_beats_the_best_answer_at_any_time() -> None:
    """The closed form on the training set is below the network's loss in every bin."""
    data = pictures(16)
    model = make(classes=0)
    config = FlowConfig(steps=300, batch_size=16, lr=5e-3, times="uniform")
    train_flow(model, data, config=config, **QUIET)
    images = to_float(data.images)
    torch.manual_seed(3)
    x1 = images[torch.randint(16, (4000,))]
    noise, t = torch.randn_like(x1), torch.rand(4000) * 0.96 + 0.02
    x = mix(x1, noise, t)
    with torch.no_grad():
        ours = (model.network(x, t) - (x1 - noise)).square().flatten(1).mean(1)
    best = (optimal_velocity(x, t, images) - (x1 - noise)).square().flatten(1).mean(1)
    for bin in range(BINS):
        here = (t * BINS).long() == bin
        assert best[here].mean() < ours[here].mean() < 3


def test_labels_are_dropped_by_the_image_and_not_by_the_batch() -> None:
    """The trap: one draw for all."""
    torch.manual_seed(0)
    labels = torch.arange(10).repeat(1000)
    dropped = drop(labels, 0.2)
    away = dropped == -1
    assert away.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert torch.equal(dropped[~away], labels[~away]) and drop(labels, 0.0) is labels


def test_times() -> None:
    torch.manual_seed(0)
    flat, middle = (draw_times(50_000, how) for how in ("uniform", "logit-normal"))
    assert flat.min() >= 0 and flat.max() <= 1 and middle.min() > 0 and middle.max() < 1
    assert flat.std().item() == pytest.approx(math.sqrt(1 / 12), abs=0.01)
    assert middle.logit().std().item() == pytest.approx(1, abs=0.02)
    assert middle.mean().item() == pytest.approx(0.5, abs=0.01)


def test_means_by_time() -> None:
    t, error = torch.tensor([0.0, 0.1, 0.5, 1.0]), torch.tensor([1.0, 3.0, 5.0, 7.0])
    record = {k: float(v) for k, v in by_time(error, t).items()}
    mean_by_time(record)
    assert record == {"loss_0": 2.0, "loss_2": 5.0, "loss_4": 7.0}


def test_scores_may_not_have_the_names_of_losses() -> None:
    config = FlowConfig(steps=1, batch_size=6)
    with pytest.raises(ValueError, match="scores called loss_1, which the record holds"):
        train_flow(make(), pictures(), config=config, evaluate=lambda _: {"loss_1": 0.0}, **QUIET)


@pytest.mark.parametrize("predicts", TARGETS)
def test_the_weight_makes_all_targets_one(predicts: str) -> None:
    """Weighted so, an error of the image costs the same whatever the network says."""
    from course_lib.ops import convert

    t = torch.tensor([0.1, 0.4, 0.9], dtype=torch.float64)
    x, image = torch.randn(2, 3, 4, dtype=torch.float64)
    there, here = (
        convert(i, x, t, given="image", wanted=predicts, path="cosine")
        for i in (image + 0.1, image)
    )
    cost = snr_weight(t, predicts, "cosine") * (there - here).square().mean(1)
    ratio = (torch.tan(math.pi / 2 * t) ** 2).clamp(max=5)
    assert torch.allclose(cost, 0.01 * ratio, rtol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_noise_is_weighed_plainly_up_to_the_most(path: str) -> None:
    """Of an error of the noise, min(SNR, 5) / SNR: 1 near noise, where the SNR is small."""
    t = torch.tensor([1e-4, 1e-3, 5e-3, 0.02, 0.1, 0.9])
    ratio = log_snr(path, t.double()).exp()
    wanted = (ratio.clamp(max=5) / ratio).float()
    assert torch.allclose(snr_weight(t, "noise", path), wanted, rtol=1e-3)


def test_other_times_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of uniform, logit-normal"):
        draw_times(3, "unifrom")


def test_constant_images_do_no_harm() -> None:
    grey = torch.full((12, 1, SIZE, SIZE), 130, dtype=torch.uint8)
    data = ImageSet(grey, torch.zeros(12).long(), ("a",))
    config = FlowConfig(steps=200, batch_size=12, lr=5e-3)
    model = make(classes=0, steps=10)
    train_flow(model, data, config=config, **QUIET)
    with torch.no_grad():
        drawn = model(torch.randn(8, SIZE * SIZE))
    assert (drawn - to_float(grey[:1])).abs().mean() < 0.3


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("model", "data", "options", "word"),
    [
        (make, pictures(4), {}, "one batch needs 6"),
        (make, pictures(size=12), {}, "Build the model with 1 channel"),
        (lambda: make(guidance=2.0), pictures(), {}, "set drop_labels=0.1"),
        (lambda: make(classes=0), pictures(), {"drop_labels": 0.1}, "knows no classes"),
        (make, pictures(), {"times": "never"}, "choose one of uniform, logit-normal"),
        (make, pictures(), {"drop_labels": 1.0}, "below 1"),
        (lambda: players()[0], pictures(), {}, "got a DCGANGenerator"),
    ],
)
def test_what_does_not_fit_is_refused(model, data, options, word) -> None:
    with pytest.raises(ValueError, match=word):
        train_flow(
            model(), data, config=FlowConfig(**{"steps": 2, "batch_size": 6, **options}), **QUIET
        )


def test_classes_that_the_model_does_not_know_are_refused() -> None:
    data = pictures()
    data.targets = data.targets + 1
    with pytest.raises(ValueError, match="class ids go from 1 to 2"):
        train_flow(make(), data, config=FlowConfig(steps=1, batch_size=6), **QUIET)


@pytest.mark.adversarial
def test_a_loss_that_is_not_finite_names_its_step() -> None:
    model = make()
    with torch.no_grad():
        model.network.last.bias.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="At step 1 of 3"):
        train_flow(model, pictures(), config=FlowConfig(steps=3, batch_size=6), **QUIET)


def on_codes() -> LatentFlow:
    torch.manual_seed(0)
    codes = {"in_channels": 1, "size": SIZE, "width": 8, "dim": 4, "num_codes": 8}
    network = {"widths": (8, 12), "patch": 1, "heads": 2, "num_classes": 2}
    return LatentFlow(codes=codes, network=network, steps=2)


def test_on_codes_the_flow_learns_and_the_autoencoder_does_not(tmp_path: Path) -> None:
    """One step, by hand: codes are made from the images, and the flow regresses on them."""
    train_set = pictures()
    config = FlowConfig(steps=1, batch_size=4, times="uniform", ema_images=10.0)
    model = on_codes()
    model.measure(to_float(train_set.images))
    by_hand = copy.deepcopy(model).train()
    history = train_flow(model, train_set, config=config, **QUIET)
    images, labels = next(train_set.batches(4, drop_last=True))
    torch.manual_seed(stream_seed(0, 0, 0, 0))
    codes = (by_hand.codes.encoder(images) - by_hand.mean) / by_hand.std
    noise = torch.randn_like(codes)
    t = torch.rand(4)
    x = (1 - t)[:, None, None, None] * noise + t[:, None, None, None] * codes
    loss = (by_hand.network(x, t, labels) - (codes - noise)).square().mean()
    assert history.steps[-1]["loss"] == pytest.approx(loss.item(), rel=1e-4)
    for name, weight in model.state_dict().items():
        same_as_before = torch.equal(weight, by_hand.state_dict()[name])
        assert same_as_before or name.startswith("network."), name
    assert not torch.equal(model.network.last.bias, by_hand.network.last.bias)


def test_on_codes_a_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    train_set = pictures()
    config = FlowConfig(steps=6, batch_size=4, drop_labels=0.2, ema_images=30.0, log_every=1)
    whole, parts = on_codes(), on_codes()
    for model in (whole, parts):
        model.measure(to_float(train_set.images))
    train_flow(whole, train_set, config=config, **QUIET)
    with pytest.raises(PowerCut):
        train_flow(
            parts, train_set, config=config, out_dir=tmp_path, **stopping(2, PowerCut()), **QUIET
        )
    again = on_codes()
    again.measure(to_float(train_set.images))
    train_flow(again, train_set, config=config, out_dir=tmp_path, **QUIET)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
