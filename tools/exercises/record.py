"""Record the runs that went wrong, for the exercises in which a learner finds out why.

`python -m tools.exercises record` trains them all again, in about four minutes, and writes
`course_lib/checks/LAB/NAME.json`. Every number in there was measured here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.flow_2d.diagnose_flows import diagnose_flows
from course_lib.checks.four_steps.diagnose_training import diagnose_training
from course_lib.checks.gan_2d.diagnose_games import diagnose_games
from course_lib.checks.judging_objects.diagnose_detectors import diagnose_detectors
from course_lib.checks.vae.diagnose_codes import diagnose_codes
from course_lib.checks.vqvae.diagnose_codebooks import diagnose_codebooks
from course_lib.data import load, ring, to_float
from course_lib.losses import (
    discriminator_loss,
    gaussian_kl,
    generator_loss,
    log_likelihood,
    r1_penalty,
)
from course_lib.metrics import (
    FoundObjects,
    TrueObjects,
    code_counts,
    match_detections,
    perplexity,
)
from course_lib.models import VAE, VQVAE, PointDiscriminator, PointGenerator, UNet
from course_lib.ops import VectorQuantizer, boxes_of_masks
from course_lib.ops.quantiser import Quantised
from course_lib.post import split_touching
from tools.common import ROOT, say, write_if_changed
from tools.exercises.points import lead

SIZE, NUM, NUM_VAL = (48, 64), 96, 24
PASSES, STEPS, BATCH = 16, 12, 8
UPDATES = 1500  # of a game
CELLS, NUM_CELLS, CELL_STEPS = (64, 64), 60, 250  # of the detectors
DIGITS, NUM_DIGITS, CODE_STEPS, READ_EVERY = 16, 1000, 600, 20  # of the codes
LIST_STEPS, LIST_READINGS = 400, 20  # of a VQ-VAE


def segment(
    *,
    lr: float = 1e-2,
    num: int = NUM,
    mask_follows: bool = True,
    scaled: bool = True,
    renumbered: bool = False,
) -> dict[str, Any]:
    """Train a small U-Net on streets, with one thing at a time that can be wrong.

    Args:
        lr: learning rate of Adam.
        num: images to train on.
        mask_follows: whether a mask is mirrored with its image.
        scaled: whether validation images are brought to [-1, 1], as those of the training are.
        renumbered: whether the validation labels are counted from 1.
    """
    torch.manual_seed(0)
    train_set = load("streets", "train", size=SIZE, num=num, seed=0)
    val_set = load("streets", "val", size=SIZE, num=NUM_VAL, seed=0)
    classes = len(train_set.classes)
    images, masks = to_float(train_set.images), train_set.targets.long()
    val_images = to_float(val_set.images) if scaled else val_set.images.float()
    val_masks = (val_set.targets.long() + renumbered) % classes
    net = UNet(num_classes=classes, widths=(8, 16, 32, 64))
    adam = torch.optim.Adam(net.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(0)
    curves: dict[str, list[float]] = {"train": [], "val": []}
    for _ in range(PASSES):
        net.train()
        losses = []
        for _ in range(STEPS):
            chosen = torch.randint(num, (BATCH,), generator=generator)
            x, y = images[chosen], masks[chosen]
            coin = torch.rand(BATCH, generator=generator) < 0.5
            x = torch.where(coin[:, None, None, None], x.flip(-1), x)
            y = torch.where(coin[:, None, None], y.flip(-1), y) if mask_follows else y
            loss = F.cross_entropy(net(x), y)
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            logits = net(val_images)
        curves["train"].append(round(sum(losses) / STEPS, 3))
        curves["val"].append(round(F.cross_entropy(logits, val_masks).item(), 3))
    return {**curves, "truth": _rows(val_masks[0]), "answer": _rows(logits[0].argmax(0))}


def _rows(labels: Tensor) -> list[str]:
    """A label map as one digit for each pixel, which a person can read."""
    return ["".join(map(str, row)) for row in labels.tolist()]


def play(
    *,
    loss: str = "non-saturating",
    lr: float = 2e-3,
    lr_discriminator: float | None = None,
    penalty: float = 0.0,
    order: str = "in turns",
    fake_label: float = 0.0,
) -> dict[str, Any]:
    """Play the game on a ring of eight modes, with one thing at a time that can be wrong.

    Args:
        loss: a name of `course_lib.losses.ADVERSARIAL_LOSSES`.
        lr: learning rate of Adam.
        lr_discriminator: the discriminator's own.
        penalty: weight of R1.
        order: "in turns", or "together": both `backward` before both `step`.
        fake_label: what the discriminator is told about generated points.
    """
    torch.manual_seed(0)
    points, latent = ring(50_000, std=0.05, seed=0), 256
    maker, judge = PointGenerator(latent_dim=latent, width=64), PointDiscriminator()
    rate = lr if lr_discriminator is None else lr_discriminator
    step_g = torch.optim.Adam(maker.parameters(), lr=lr, betas=(0.5, 0.999))
    step_d = torch.optim.Adam(judge.parameters(), lr=rate, betas=(0.5, 0.999))
    generator = torch.Generator().manual_seed(0)
    fixed = torch.randn(200, latent, generator=generator)
    logits: dict[str, list[float]] = {"real": [], "generated": []}
    for step in range(UPDATES):
        real = points[torch.randint(len(points), (128,), generator=generator)]
        fake = maker(torch.randn(128, latent, generator=generator))
        on_real, on_fake = judge(real), judge(fake.detach())
        value = discriminator_loss(on_real, on_fake, kind=loss)
        if fake_label:
            value = F.softplus(-on_real).mean() + F.softplus(-on_fake).mean()
        if penalty:
            value = value + penalty / 2 * r1_penalty(judge, real)
        step_d.zero_grad()
        value.backward()
        if order == "in turns":
            step_d.step()
        step_g.zero_grad()
        generator_loss(judge(fake), kind=loss).backward()
        if order == "together":
            step_d.step()
        step_g.step()
        if step % 30 == 0:
            logits["real"].append(round(on_real.mean().item(), 2))
            logits["generated"].append(round(on_fake.mean().item(), 2))
    with torch.no_grad():
        drawn = maker(fixed)
    return {**logits, "points": [[round(x, 2) for x in point] for point in drawn.tolist()]}


@cache
def _cell_probabilities() -> tuple[Tensor, Tensor]:
    """Train a small U-Net on cells; the probabilities of "cell", and the cells, in validation."""
    torch.manual_seed(0)
    train_set = load("cells", "train", size=CELLS, num=NUM, seed=0)
    images, masks = to_float(train_set.images), train_set.targets.long()
    net = UNet(num_classes=2, widths=(8, 16, 32))
    adam = torch.optim.Adam(net.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(CELL_STEPS):
        chosen = torch.randint(NUM, (BATCH,), generator=generator)
        loss = F.cross_entropy(net(images[chosen]), masks[chosen])
        adam.zero_grad()
        loss.backward()
        adam.step()
    val_set = load("cells", "val", size=CELLS, num=NUM_CELLS, seed=0, task="instance")
    net.eval()
    with torch.no_grad():
        probabilities = net(to_float(val_set.images)).softmax(dim=1)[:, 1]
    return probabilities, val_set.targets.long()


def detect(
    *,
    split: bool = True,
    reports: int = 1,
    aside: float = 0.0,
    sure: float = 0.0,
    score: str = "probability",
) -> dict[str, Any]:
    """Detect cells bottom-up, with one thing at a time that can be wrong, and measure the curves.

    Args:
        split: whether cells that touch are taken apart.
        reports: how often each cell is reported; the second and third lie a little aside,
            and are less sure.
        aside: pixels by which everything is moved to the right and down.
        sure: scores below are thrown away.
        score: "probability", the mean over the cell; or "exchanged", one minus that.
    """
    probabilities, cells = _cell_probabilities()
    found, truths = [], []
    for probability, truth in zip(probabilities, cells, strict=True):
        mask = probability > 0.5
        labels = split_touching(mask, depth=0.5 if split else 100.0)
        masks = labels == torch.arange(1, int(labels.max()) + 1)[:, None, None]  # (n, H, W)
        scores = (masks * probability).sum((1, 2)) / masks.sum((1, 2)).clamp(min=1)
        # A cell that is cut by the border or small is less sure.
        scores = scores * (masks.sum((1, 2)) / 60).clamp(max=1).sqrt()
        boxes = boxes_of_masks(masks) + aside
        boxes = torch.cat([boxes + 0.6 * k for k in range(reports)])
        scores = torch.cat([scores * 0.95**k for k in range(reports)])
        scores = 1 - scores if score == "exchanged" else scores
        boxes, scores = boxes[scores >= sure], scores[scores >= sure]
        ones = torch.ones(len(boxes), dtype=torch.long)
        found.append(FoundObjects(boxes=boxes, labels=ones, scores=scores))
        true = truth == torch.arange(1, int(truth.max()) + 1)[:, None, None]
        truths.append(TrueObjects(boxes=boxes_of_masks(true), labels=torch.ones(len(true)).long()))
    matches = [image[1] for image in match_detections(found, truths, iou_thresholds=(0.5, 0.75))]
    order = torch.cat([image.scores for image in matches]).argsort(descending=True, stable=True)
    hits = torch.cat([image.hit for image in matches], dim=1)[:, order].cumsum(1)  # (2, n)
    number = sum(image.num_true for image in matches)
    precision = hits / torch.arange(1, len(order) + 1)
    every = torch.linspace(0, len(order) - 1, 120).round().long().unique()
    curves = {
        name: [[round(x, 3) for x in row[every].tolist()] for row in (k / number, p)]
        for name, k, p in zip(("0.5", "0.75"), hits, precision, strict=True)
    }
    boxes = {"truth": truths[0].boxes.tolist(), "boxes": found[0].boxes.tolist()}
    return {**curves, **boxes}


def encode(
    *,
    beta: float = 1.0,
    pixels: str = "sum",
    numbers: int = 8,
    bounded: bool = True,
    unscaled: int = 0,
) -> dict[str, Any]:
    """Train a small VAE with a decoder of fixed noise, with one thing at a time that can be wrong.

    Args:
        beta: weight of the divergence.
        pixels: whether the squared error of a picture is a "sum" or a "mean".
        numbers: of a code.
        bounded: whether the logarithm of the variance is bounded.
        unscaled: how many training images still have grey levels from 0 to 255.
    """
    torch.manual_seed(0)
    levels = load("digits", "train", size=DIGITS, num=NUM_DIGITS, seed=0, task="classification")
    judged = load("digits", "val", size=DIGITS, num=200, seed=0, task="classification")
    images, others = to_float(levels.images), to_float(judged.images)
    images[:unscaled] = levels.images[:unscaled].float()
    sigma = 0.35
    net = VAE(in_channels=1, size=DIGITS, latent_dim=numbers, hidden=(128, 64), sigma=sigma)
    encoder, decoder = net.encoder, net.decoder

    def posterior(x: Tensor) -> tuple[Tensor, Tensor]:
        if bounded:
            return tuple(encoder(x))
        mean, logvar = encoder.code(encoder.join(encoder.layers(x))).chunk(2, dim=1)
        return mean, logvar

    adam = torch.optim.Adam(net.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    curves: dict[str, list[float]] = {"error": [], "divergence": []}
    sums = {"error": 0.0, "divergence": 0.0}
    for step in range(CODE_STEPS):
        x = images[torch.randint(len(images), (64,), generator=generator)]
        mean, logvar = posterior(x)
        z = mean + (0.5 * logvar).exp() * torch.randn(mean.shape, generator=generator)
        squares = (decoder(z) - x).square().flatten(1)  # (B, N)
        divergence = gaussian_kl(mean, logvar).sum(1).mean()
        error = squares.sum(1).mean() / (2 * sigma**2) if pixels == "sum" else squares.mean()
        loss = error + beta * divergence
        if not loss.isfinite():
            break
        adam.zero_grad()
        loss.backward()
        adam.step()
        sums["error"] += squares.sum(1).mean().item() / READ_EVERY
        sums["divergence"] += divergence.item() / READ_EVERY
        if step % READ_EVERY == READ_EVERY - 1:
            for name, value in sums.items():
                curves[name].append(float(f"{value:.4g}"))
            sums = dict.fromkeys(sums, 0.0)
    with torch.no_grad():
        nats = gaussian_kl(*posterior(others)).mean(0)
        drawn = decoder(torch.randn(4, numbers, generator=generator))[:, 0]
    greys = ((drawn.nan_to_num(0.0).clamp(-1, 1) + 1) * 4.5).round().long()  # ten of them
    return {
        **curves,
        "nats": [float(f"{value:.3g}") for value in sorted(nats.nan_to_num(0.0).tolist())[::-1]],
        "drawn": [_rows(picture) for picture in greys],
    }


class _AfterTheLine(VectorQuantizer):
    """The distances are computed where the vectors have their codes' values."""

    def forward(self, z: Tensor) -> Quantised:
        codes = self.codes(z)
        e = self.lookup(codes)
        u = e.detach() + (z - z.detach())
        loss = F.mse_loss(e, u.detach()) + self.commitment * F.mse_loss(u, e.detach())
        return Quantised(u, codes, loss)


class _Cut(VectorQuantizer):
    """The decoder's gradient does not reach the encoder."""

    def forward(self, z: Tensor) -> Quantised:
        right = super().forward(z)
        return Quantised(right.quantised.detach(), right.codes, right.loss)


def learn_codes(
    *,
    quantiser: type[VectorQuantizer] = VectorQuantizer,
    num_codes: int = 32,
    decay: float | None = 0.9,
    restart: float = 0.1,
    decoder_learns: bool = True,
) -> dict[str, Any]:
    """Train a small VQ-VAE on digits, with one thing at a time that can be wrong.

    Args:
        quantiser: its class.
        num_codes: length of the list.
        decay: of the codebook's averages; None: it learns by gradient.
        restart: share of an equal use below which a code is restarted.
        decoder_learns: whether the decoder's weights move.
    """
    torch.manual_seed(0)
    images = to_float(load("digits", "train", size=16, num=1000, task="classification").images)
    judged = to_float(load("digits", "val", size=16, num=200, task="classification").images)
    shape: dict[str, Any] = {"num_codes": num_codes, "decay": decay, "restart": restart}
    model = VQVAE(in_channels=1, size=16, width=24, dim=8, halvings=1, **shape)
    whole: VectorQuantizer = quantiser(dim=8, **shape)
    whole.load_state_dict(model.quantiser.state_dict())
    model.quantiser = whole
    start = whole.codebook.detach().clone()
    model.decoder.requires_grad_(decoder_learns)
    adam = torch.optim.Adam(model.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    names = ("step", "error", "perplexity", "codes moved")
    curves: dict[str, list[float]] = {name: [] for name in names}
    for step in range(LIST_STEPS + 1):
        if step % (LIST_STEPS // LIST_READINGS) == 0:
            model.eval()
            with torch.no_grad():
                codes = model.encode(judged)
                error = (model.decode(codes) - judged).square().mean().item()
                moved = (whole.codebook - start).square().mean().sqrt().item()
            used = perplexity(code_counts(codes, num_codes)).item()
            for name, value in zip(names, (step, error, used, moved), strict=True):
                curves[name].append(round(value, 4))
            model.train()
        x = images[torch.randint(len(images), (32,), generator=generator)]
        out = model(x)
        loss = -log_likelihood(out.pixels, x, check=False).mean() / x[0].numel() + out.loss
        adam.zero_grad()
        loss.backward()
        adam.step()
    blank = (judged - judged.mean(0)).square().mean().item()
    return {**curves, "mean image": round(blank, 4)}


RECIPES: dict[str, tuple[Callable[..., dict[str, Any]], dict[str, dict[str, Any]]]] = {
    diagnose_training.name: (
        segment,
        {
            "sound": {},
            "mask left behind": {"mask_follows": False},
            "other scale": {"scaled": False},
            "few images": {"num": 4},
            "rate too high": {"lr": 1.0},
            "other numbers": {"renumbered": True},
            "rate too low": {"lr": 5e-5},
        },
    ),
    diagnose_games.name: (
        play,
        {
            "sound": {"penalty": 0.1},
            "leak": {"order": "together"},
            "judge too fast": {"loss": "minimax", "lr": 2e-4, "lr_discriminator": 2e-2},
            "no penalty": {},
            "critic without a bound": {"loss": "wasserstein"},
            "fakes labelled real": {"fake_label": 1.0},
        },
    ),
    diagnose_detectors.name: (
        detect,
        {
            "sound": {},
            "reported again": {"reports": 3},
            "scores exchanged": {"score": "exchanged"},
            "moved aside": {"aside": 1.5},
            "not separated": {"split": False},
            "only the sure ones": {"sure": 0.97},
        },
    ),
    diagnose_codes.name: (
        encode,
        {
            "sound": {},
            "collapsed": {"pixels": "mean"},
            "beta too large": {"beta": 6.0},
            "no divergence": {"beta": 0.0},
            "divergence rewarded": {"beta": -1.0},
            "variance without a bound": {"bounded": False, "unscaled": 2},
        },
    ),
    diagnose_codebooks.name: (
        learn_codes,
        {
            "sound": {},
            "loss after the line": {"quantiser": _AfterTheLine, "decay": None},
            "nothing restarted": {"restart": 0.0},
            "gradient cut": {"quantiser": _Cut},
            "list too short": {"num_codes": 4},
            "decoder frozen": {"decoder_learns": False},
        },
    ),
    diagnose_flows.name: (
        lead,
        {
            "sound": {},
            "few lines": {"num_lines": 256},
            "noise on the way": {"stirred": 1.0},
            "time not told": {"tells_time": False},
            "clock backwards": {"clock": "backward"},
            "data as target": {"wanted": "data"},
        },
    ),
}


def record(check: Any) -> dict[str, Any]:
    """Do all runs of an exercise: the sound one, and one for each letter."""
    runner, recipes = RECIPES[check.name]
    causes = {"sound": "sound", **{letter: run.cause for letter, run in check.runs.items()}}
    torch.set_num_threads(1)
    return {letter: runner(**recipes[cause]) for letter, cause in causes.items()}


def main() -> None:
    """Record the runs of all these exercises."""
    exercises = (
        diagnose_training,
        diagnose_games,
        diagnose_detectors,
        diagnose_codes,
        diagnose_codebooks,
        diagnose_flows,
    )
    for check in exercises:
        path: Path = ROOT / "course_lib" / "checks" / check.lab / f"{check.name}.json"
        text = json.dumps(record(check)).replace('], "', '],\n"').replace('}, "', '},\n\n"')
        write_if_changed(path, text + "\n")
        say(f"wrote {path.relative_to(ROOT)}")
