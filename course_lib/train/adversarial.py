"""Adversarial training: two players, two optimisers, and every step of the game in view."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.data import ImageSet
from course_lib.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    path_length_penalty,
    r1_penalty,
)
from course_lib.train.engine import Engine
from course_lib.train.gan_config import GANConfig
from course_lib.train.gan_history import GANHistory, diversity, told_apart
from course_lib.train.gan_state import GANRun
from course_lib.train.players import check_players
from course_lib.train.resume import where_saved

Evaluate = Callable[[nn.Module], dict[str, float]]


def train_gan(
    generator: nn.Module,
    discriminator: nn.Module,
    train_set: ImageSet,
    *,
    config: GANConfig,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    out_dir: str | Path | None = None,
    device: str | torch.device | None = "auto",
    progress: bool = True,
) -> GANHistory:
    """Let a generator and a discriminator play; both are trained in place.

    With ``ema_images`` the generator ends with the averaged weights, otherwise with the last ones.
    With ``out_dir`` the run is saved there (``checkpoint.pt``, ``history.json``, sample sheets) and
    goes on exactly where it stopped, bit for bit on a CPU, when it is started again with the same
    configuration: after Ctrl-C, a crash or a power cut.

    Args:
        generator: maps codes (B, latent_dim) and labels to images in [-1, 1].
        discriminator: maps images and labels to logits (B,).
        train_set: real images; their class ids are the labels, where the players have classes.
        config: see `GANConfig`.
        evaluate: scores of the generator that would be kept, on data for choosing; called every
            ``evaluate_every`` steps and at the end, and noted in the history.
        evaluate_every: steps between two evaluations; ``None``: at the end only.
        out_dir: where the run is saved.
        device: "auto", "cpu", "cuda" or a `torch.device`.
        progress: whether to draw a progress bar (``COURSE_PROGRESS=0`` turns all of them off).

    Returns:
        The record of all readings, those before an interruption included.

    Raises:
        ValueError: for players or data that do not fit, an ``evaluate_every`` below 1, or an
            ``out_dir`` of another run.
        FloatingPointError: when a loss stops being finite, naming the step.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    check_players(generator, discriminator, train_set, config)
    if evaluate_every is not None and evaluate_every < 1:
        raise ValueError(f"evaluate_every is {evaluate_every}; it must be at least 1, or None.")
    engine = Engine(device=device, precision=config.precision)
    needed = config.batch_size * engine.world_size
    if len(train_set) < needed:
        raise ValueError(
            f"The set {train_set.name}/{train_set.split} has {len(train_set)} images, and one "
            f"batch needs {needed}; lower batch_size, or load more images."
        )
    train_set = train_set.to(engine.device)
    for player in (generator, discriminator):
        player.to(engine.device)
        engine.broadcast(player)
        if config.channels_last:
            player.to(memory_format=torch.channels_last)
        player.train()
    optimizers = {
        "generator": make_adam(generator, config.lr, config),
        "discriminator": make_adam(discriminator, config.lr_discriminator or config.lr, config),
    }
    run = GANRun(engine, generator, discriminator, optimizers, config, train_set, out_dir)
    run.resume()
    optim_g, optim_d = engine.prepare_optimizers(*optimizers.values())
    batches = _real_batches(train_set, config, engine, start=run.step * config.critic_steps)
    labelled = bool(getattr(generator, "num_classes", 0))
    augment = run.augment if run.augment is not None else nn.Identity()
    bar = _bar(config, run, progress and engine.is_main)
    started = time.perf_counter() - run.seconds

    with engine.interruptible(), bar:
        while run.step < config.steps:
            engine.seed_step(config.seed, 0, run.step)

            # The discriminator's turn: tell real from generated, both augmented alike.
            for turn in range(config.critic_steps):
                real, classes = next(batches)
                labels = classes if labelled else None
                with engine.autocast():
                    with torch.no_grad():  # the generator is not asked to change here
                        fake = generator(_codes(generator, real), labels).to(real.dtype)
                    seen_real, seen_fake = augment(real), augment(fake)
                    score_real = discriminator(seen_real, labels).float()  # (B,)
                    score_fake = discriminator(seen_fake, labels).float()  # (B,)
                    loss_d = discriminator_loss(score_real, score_fake, kind=config.loss)
                engine.backward(loss_d)
                number = run.step * config.critic_steps + turn
                if config.penalty != "none" and number % config.penalty_every == 0:
                    penalty = _penalty(discriminator, seen_real, seen_fake, labels, config)
                    engine.backward(config.penalty_every * penalty)
                engine.average_gradients(discriminator)
                optim_d.step()
                optim_d.zero_grad()
                if run.augment is not None:
                    run.augment.adjust(score_real.detach(), needed)
                    engine.broadcast_buffers(run.augment)

            # The generator's turn: be taken for real. The discriminator only passes gradients on.
            with engine.autocast(), _passing(discriminator):
                made = generator(_codes(generator, real), labels).to(real.dtype)
                score = discriminator(augment(made), labels).float()
                loss_g = generator_loss(score, kind=config.loss)
            engine.backward(loss_g)
            if config.path_length_weight and run.step % config.path_length_every == 0:
                weight = config.path_length_weight * config.path_length_every
                engine.backward(weight * _path_length(generator, real, labels, run))
            engine.average_gradients(generator)
            optim_g.step()
            optim_g.zero_grad()
            if run.ema is not None:
                run.ema.update(generator)

            apart, variety = told_apart(score_real, score_fake), diversity(real, fake)
            run.note(loss_d, loss_g, score_real.mean(), score_fake.mean(), apart, variety)
            run.step += 1
            run.seconds = time.perf_counter() - started
            bar.update()
            last = run.step == config.steps
            judge = last or (evaluate_every is not None and run.step % evaluate_every == 0)
            reading = run.step % config.log_every == 0 or judge
            if reading:  # the only place that waits for the device
                record = run.read(partial(_scores, evaluate, run) if judge else None)
                bar.set_postfix_str(_text(record), refresh=False)
            if config.sample_every and (run.step % config.sample_every == 0 or last):
                run.write_sheet()
            stop = engine.stop_requested(meet=reading)
            if config.checkpoint_every:
                save = run.step % config.checkpoint_every == 0 or last
            else:
                save = reading
            if save or stop:
                run.save()
            if stop:
                raise KeyboardInterrupt(where_saved(run.out_dir))

    run.finish()
    return run.history


def make_adam(model: nn.Module, lr: float, config: GANConfig) -> torch.optim.Optimizer:
    """Return Adam, fused into one kernel for all weights where that exists."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    fused = bool(parameters) and all(p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.Adam(parameters, lr=lr, betas=config.betas, fused=fused)


def _real_batches(
    train_set: ImageSet, config: GANConfig, engine: Engine, *, start: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield real batches from number `start` on, epoch after epoch; whole batches only."""
    steps = train_set.num_batches(config.batch_size, world_size=engine.world_size, drop_last=True)
    epoch, step = divmod(start, steps)
    while True:
        for images, labels in train_set.batches(
            config.batch_size,
            seed=config.seed,
            epoch=epoch,
            augment=config.augment,
            rank=engine.rank,
            world_size=engine.world_size,
            start=step,
            drop_last=True,
        ):
            if config.channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            yield images, labels
        epoch, step = epoch + 1, 0


def _codes(generator: nn.Module, like: Tensor) -> Tensor:
    return torch.randn(len(like), int(generator.latent_dim), device=like.device)  # type: ignore[arg-type]


@contextlib.contextmanager
def _passing(model: nn.Module) -> Iterator[None]:
    """Let gradients through to a model's input while its weights get none, come what may."""
    learning = [p for p in model.parameters() if p.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)


def _penalty(
    discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None, config: GANConfig
) -> Tensor:
    """Return the weighted penalty, in float32: a second derivative is delicate."""

    def critic(images: Tensor) -> Tensor:
        return discriminator(images, labels)

    if config.penalty == "gradient":
        return config.penalty_weight * gradient_penalty(critic, real, fake)
    return config.penalty_weight / 2 * r1_penalty(critic, real)


def _path_length(generator: nn.Module, like: Tensor, labels: Tensor | None, run: GANRun) -> Tensor:
    """Return the path length penalty on half a batch, which is enough; move its average."""
    half = max(1, len(like) // 2)
    told = labels[:half] if labels is not None else None
    styles = generator.mapping(_codes(generator, like[:half]), told)  # type: ignore[operator]
    penalty, mean = path_length_penalty(
        generator.synthesis(styles),  # type: ignore[operator]
        styles,
        run.path_length,
    )
    run.path_length = run.engine.sum(mean) / run.engine.world_size  # one average for all processes
    return penalty


@torch.no_grad()
def _scores(evaluate: Evaluate | None, run: GANRun) -> dict[str, float]:
    """Judge the generator that would be kept, in the main process."""
    scores: dict[str, float] = {}
    if evaluate is not None and run.engine.is_main:
        candidate = run.candidate()
        modes = {module: module.training for module in candidate.modules()}
        try:
            # Plain numbers, whatever they come as: a checkpoint and JSON hold no others.
            scores = {name: float(score) for name, score in evaluate(candidate).items()}
        finally:  # without an average it is the generator in training
            for module, training in modes.items():
                module.training = training
    run.engine.wait()
    return scores


def _bar(config: GANConfig, run: GANRun, shown: bool) -> tqdm:
    hidden = not shown or os.environ.get("COURSE_PROGRESS") == "0"
    return tqdm(total=config.steps, initial=run.step, disable=hidden, unit="step", leave=False)


def _text(record: dict[str, float]) -> str:
    return (
        f"D {record['discriminator_loss']:.3f}, G {record['generator_loss']:.3f}, "
        f"told apart {record['told_apart']:.0%}, diversity {record['diversity']:.2f}"
    )
