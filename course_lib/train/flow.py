"""Training a flow or a diffusion: one regression at a random time, the loop in full view."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from course_lib.data import ImageSet
from course_lib.models import Flow, LatentFlow
from course_lib.models.conditioning import check_range
from course_lib.models.time_unet import NOT_TOLD
from course_lib.ops.paths import image_errors, log_snr, mix, pair_by_transport, target
from course_lib.train.batches import endless_batches
from course_lib.train.beforehand import check_enough, check_model
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.files import whole
from course_lib.train.flow_config import TIMES, FlowConfig
from course_lib.train.game import Evaluate, judged
from course_lib.train.log import Log
from course_lib.train.optimizers import make_adam
from course_lib.train.run import Run
from course_lib.train.samples import draw_samples
from course_lib.train.steps import Steps
from course_lib.train.variational import learning_rate

BINS = 5  # of the time, each with a loss of its own
BY_TIME = [f"loss_{i}" for i in range(BINS)]
SHEET = 64  # samples on a sheet
MOST_SNR = 5.0  # of the weight "min-snr"


@dataclass
class FlowHistory:
    """What was read while a flow learned.

    Attributes:
        steps: one dictionary per reading, each a mean over the steps since the last one: "step"
            and "images" (shown, all processes together), "loss", "seconds" (of the whole run so
            far), "loss_0" to "loss_4" (of times in fifths, from noise to data; without weights),
            and where the run was evaluated, the scores.
        warnings: what went wrong; none of these trainings has a sign of its own.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        """Return one quantity over the readings in which it was measured."""
        return [reading[name] for reading in self.steps if name in reading]


def train_flow(
    model: Flow,
    train_set: ImageSet,
    *,
    config: FlowConfig,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    out_dir: str | Path | None = None,
    device: str | torch.device | None = "auto",
    progress: bool = True,
) -> FlowHistory:
    """Train a flow in place, by regression on what its network should say.

    With ``ema_images`` the model ends with the averaged weights, otherwise with the last ones. With
    ``out_dir`` the run is saved there and goes on exactly where it stopped, bit for bit on a CPU,
    when it is started again with the same configuration.

    Args:
        model: its path and what it predicts say what is learned.
        train_set: images; their class ids are the labels, where the model knows classes.
        config: see `FlowConfig`.
        evaluate: scores of the model that would be kept, on data for choosing; called every
            ``evaluate_every`` steps and at the end, and noted in the history.
        evaluate_every: steps between two evaluations; ``None``: at the end only.
        out_dir: where the run is saved.
        device: "auto", "cpu", "cuda" or a `torch.device`.
        progress: whether to draw a progress bar (``COURSE_PROGRESS=0`` turns all of them off).

    Returns:
        The record of all readings, those before an interruption included.

    Raises:
        ValueError: for a model or data that do not fit, or an ``out_dir`` of another run.
        OSError: where the run cannot be saved; before it starts, as far as that can be known.
        FloatingPointError: when the loss stops being finite, naming the step.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    check_flow(model, train_set, config, evaluate_every)
    engine = Engine(device=device, precision=config.precision, clip_norm=config.clip_norm)
    check_enough(train_set, config.batch_size * engine.world_size)
    train_set = train_set.to(engine.device)
    engine.place(model, channels_last=config.channels_last)
    adam = make_adam(model, config.lr, config.betas)
    at = Steps(
        engine,
        config,
        FlowHistory(),
        total=config.steps,
        log_every=config.log_every,
        images_per_step=config.batch_size * engine.world_size,
    )
    ema = None
    if config.ema_images is not None:
        ema = EMA(model, 0.5 ** (at.images_per_step / config.ema_images))
    kept = ema.model if ema is not None else model
    parts = {"model": model, "ema": ema, "adam": adam, "scaler": engine.scaler}
    frozen = {"autoencoder": model.codes} if isinstance(model, LatentFlow) else {}
    run = Run(out_dir, engine, config, train_set, at, parts, frozen=frozen)

    with run, engine.interruptible(), Log(run, bar=progress) as log:
        (optim,) = engine.prepare_optimizers(adam)
        model.train()
        batches = endless_batches(train_set, config, engine, start=at.step)
        while at.step < config.steps:
            engine.seed_step(config.seed, 0, at.step)
            images, labels = next(batches)
            for group in adam.param_groups:
                group["lr"] = learning_rate(config, at.step)

            data = model.encode(images)  # the images themselves, or their codes
            noise = torch.randn_like(data)
            if config.transport:
                within = labels if model.num_classes else None
                noise = noise[pair_by_transport(noise, data, within)]
            t = draw_times(len(data), config.times, data.device)
            told = drop(labels, config.drop_labels) if model.num_classes else None
            x = mix(data, noise, t, model.path)
            wanted = target(data, noise, t, model.predicts, model.path)
            with engine.autocast():
                said = model.network(x, t, told)
            error = (said.float() - wanted).square().flatten(1).mean(1)  # (B,)
            loss = error.mean()
            if config.weight == "min-snr":
                loss = (snr_weight(t, model.predicts, model.path) * error).mean()
            engine.backward(loss)
            engine.average_gradients(model)
            engine.clip(model)
            optim.step()
            optim.zero_grad()
            if ema is not None:
                ema.update(model)

            at.note({"loss": loss.detach(), **by_time(error.detach(), t)})
            log.advance()
            judge = at.due(evaluate_every or config.steps)
            reading = judge or at.due(config.log_every)
            if reading:  # the only place that waits for the device
                run.check_finite()
                scores = judged(evaluate, kept, engine) if judge else {}
                record = at.write_down(dict.fromkeys(BY_TIME, math.nan), scores)
                mean_by_time(record)
                log.show(f"loss {record['loss']:.4f}", record, at.step)
            if config.sample_every and at.due(config.sample_every):
                write_samples(kept, run, at)
            due = at.due(config.checkpoint_every) if config.checkpoint_every else reading
            run.pause(save=due, meet=reading)

    model.load_state_dict(kept.state_dict())
    engine.broadcast(model)
    model.eval()
    return at.history


def draw_times(num: int, how: str, device: torch.device | str = "cpu") -> Tensor:
    """Return times (num,) from 0 to 1: "uniform", or "logit-normal", more of them in the middle."""
    if how not in TIMES:
        raise ValueError(f"times are {how!r}; choose one of {', '.join(TIMES)}.")
    if how == "uniform":
        return torch.rand(num, device=device)
    return torch.randn(num, device=device).sigmoid()


def drop(labels: Tensor, share: float) -> Tensor:
    """Return labels (B,) of which a share, each by itself, is replaced by -1: not told."""
    if not share:
        return labels
    away = torch.rand(len(labels), device=labels.device) < share
    return labels.masked_fill(away, NOT_TOLD)


def snr_weight(t: Tensor, predicts: str, path: str) -> Tensor:
    """Return weights (B,) that make of an error of what is said one of the image, times the SNR.

    Source: Hang et al., arXiv:2303.09556, section 3.3, with gamma = 5.
    """
    ratio = log_snr(path, t).exp().clamp(max=MOST_SNR)
    return ratio / image_errors(predicts, t, path).square().clamp(min=1e-30)


def by_time(error: Tensor, t: Tensor) -> dict[str, Tensor]:
    """Return sums and numbers of errors (B,) in each bin of their times, on the device."""
    place = (t * BINS).long().clamp(0, BINS - 1)
    sums = error.new_zeros(BINS).index_add(0, place, error)
    numbers = error.new_zeros(BINS).index_add(0, place, torch.ones_like(error))
    named = {f"sum_{i}": part for i, part in enumerate(sums.unbind())}
    return named | {f"number_{i}": part for i, part in enumerate(numbers.unbind())}


def mean_by_time(record: dict[str, Any]) -> None:
    """Put means in the place of a reading's sums and numbers; a bin without times has none."""
    for i, name in enumerate(BY_TIME):
        total, number = record.pop(f"sum_{i}"), record.pop(f"number_{i}")
        if number > 0:
            record[name] = total / number
        else:
            record.pop(name, None)


@torch.no_grad()
def write_samples(model: nn.Module, run: Run, at: Steps) -> None:
    """Write the first samples of seed 0, all classes in turn."""
    if run.out_dir is None or not run.engine.is_main:
        return
    sheet = draw_samples(model, SHEET).float() / 255
    with whole(run.out_dir / "samples" / f"step-{at.step:07d}.png") as file:
        save_image(sheet, file, format="png", nrow=8)


def check_flow(
    model: nn.Module, train_set: ImageSet, config: FlowConfig, evaluate_every: int | None
) -> None:
    """Raise ValueError unless model, images and settings fit."""
    if evaluate_every is not None and evaluate_every < 1:
        raise ValueError(f"evaluate_every is {evaluate_every}; it must be at least 1, or None.")
    if not isinstance(model, Flow):
        raise ValueError(f"train_flow trains a Flow and got a {type(model).__name__}.")
    check_model(model)
    if len(train_set) == 0:
        raise ValueError(f"The set {train_set.name}/{train_set.split} is empty.")
    wanted, got = (model.out_channels, *model.size), tuple(train_set.images.shape[1:])
    if wanted != got:
        raise ValueError(
            f"The Flow takes images of {wanted[0]}x{wanted[1]}x{wanted[2]} (channels, height, "
            f"width) and {train_set.name} has {got[0]}x{got[1]}x{got[2]}. Build the model with "
            f"{got[0]} channel(s) and size={got[1:]}, or load the set otherwise."
        )
    if model.num_classes:
        if train_set.task != "classification":
            raise ValueError(
                f"The model knows {model.num_classes} classes; {train_set.name} was loaded for the "
                f'task "{train_set.task}". Load it with task="classification".'
            )
        check_range(train_set.targets, model.num_classes, "the set's class ids")
    if config.drop_labels and not model.num_classes:
        raise ValueError(
            f"drop_labels is {config.drop_labels} and the model knows no classes; build it with "
            "num_classes, or set drop_labels=0."
        )
    if model.guidance != 1 and not config.drop_labels:
        raise ValueError(
            f"The model's guidance is {model.guidance}, which asks it without the class too: set "
            "drop_labels=0.1, so that it learns that, or guidance=1."
        )
