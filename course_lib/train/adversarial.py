"""Adversarial training: two players, two optimisers, and every step of the game in view."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from course_lib.data import ImageSet
from course_lib.losses import discriminator_loss, generator_loss
from course_lib.ops.discriminator_augment import DiscriminatorAugment
from course_lib.train.batches import endless_batches
from course_lib.train.beforehand import check_enough, check_game
from course_lib.train.engine import Engine
from course_lib.train.game import (
    Evaluate,
    Game,
    draw_latent,
    judged,
    path_length,
    weighted_penalty,
    write_sheet,
)
from course_lib.train.gan_config import GANConfig
from course_lib.train.gan_history import GANHistory, diversity, told_apart
from course_lib.train.log import Log
from course_lib.train.optimizers import make_adam
from course_lib.train.run import Run


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
        OSError: where the run cannot be saved; before it starts, as far as that can be known.
        FloatingPointError: when a loss stops being finite, naming the step.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    check_game(generator, discriminator, train_set, config, evaluate_every)
    engine = Engine(device=device, precision=config.precision)
    together = config.batch_size * engine.world_size  # images in one turn of the discriminator
    check_enough(train_set, together)
    train_set = train_set.to(engine.device)
    for player in (generator, discriminator):
        engine.place(player, channels_last=config.channels_last)
        player.train()
    adam_g = make_adam(generator, config.lr, config.betas)
    adam_d = make_adam(discriminator, config.lr_discriminator or config.lr, config.betas)
    game = Game(engine, config)
    ema = game.average(generator)
    kept = ema.model if ema is not None else generator
    adaptive = None
    if config.ada_target is not None:
        adaptive = DiscriminatorAugment(target=config.ada_target).to(engine.device)
    augment = adaptive if adaptive is not None else nn.Identity()
    labelled = bool(getattr(generator, "num_classes", 0))
    players = {"generator": generator, "discriminator": discriminator, "ema": ema}
    others = {"augment": adaptive, "adam_g": adam_g, "adam_d": adam_d, "scaler": engine.scaler}
    run = Run(out_dir, engine, config, train_set, game, players | others)

    with run, engine.interruptible(), Log(run, bar=progress) as log:
        optim_g, optim_d = engine.prepare_optimizers(adam_g, adam_d)
        start = game.step * config.critic_steps
        batches = endless_batches(train_set, config, engine, start=start)
        while game.step < config.steps:
            engine.seed_step(config.seed, 0, game.step)

            # The discriminator's turn: tell real from generated, both augmented alike.
            for turn in range(config.critic_steps):
                real, classes = next(batches)
                labels = classes if labelled else None
                with engine.autocast():
                    with torch.no_grad():  # the generator is not asked to change here
                        fake = generator(draw_latent(generator, real), labels).to(real.dtype)
                    seen_real, seen_fake = augment(real), augment(fake)
                    score_real = discriminator(seen_real, labels).float()  # (B,)
                    score_fake = discriminator(seen_fake, labels).float()  # (B,)
                    loss_d = discriminator_loss(score_real, score_fake, kind=config.loss)
                engine.backward(loss_d)
                number = game.step * config.critic_steps + turn
                if config.penalty != "none" and number % config.penalty_every == 0:
                    penalty = weighted_penalty(discriminator, seen_real, seen_fake, labels, config)
                    engine.backward(config.penalty_every * penalty)
                engine.average_gradients(discriminator)
                optim_d.step()
                optim_d.zero_grad()
                if adaptive is not None:
                    adaptive.adjust(score_real.detach(), together)
                    engine.broadcast_buffers(adaptive)

            # The generator's turn: be taken for real. The discriminator only passes gradients on.
            with engine.autocast(), _passing(discriminator):
                made = generator(draw_latent(generator, real), labels).to(real.dtype)
                score = discriminator(augment(made), labels).float()
                rival = None
                if config.loss == "relativistic":  # it compares with the last batch of real images
                    rival = discriminator(augment(real), labels).float()
                loss_g = generator_loss(score, kind=config.loss, real=rival)
            engine.backward(loss_g)
            if config.path_length_weight and game.step % config.path_length_every == 0:
                weight = config.path_length_weight * config.path_length_every
                engine.backward(weight * path_length(generator, real, labels, game))
            engine.average_gradients(generator)
            optim_g.step()
            optim_g.zero_grad()
            if ema is not None:
                ema.update(generator)

            game.note(
                {
                    "discriminator_loss": loss_d,
                    "generator_loss": loss_g,
                    "real_score": score_real.mean(),
                    "fake_score": score_fake.mean(),
                    "told_apart": told_apart(score_real, score_fake),
                    "diversity": diversity(real, fake),
                }
            )
            log.advance()
            judge = game.due(evaluate_every or config.steps)
            reading = judge or game.due(config.log_every)
            if reading:  # the only place that waits for the device
                run.check_finite()
                scores = judged(evaluate, kept, engine) if judge else {}
                log.show(*game.read(scores, adaptive))
            if config.sample_every and game.due(config.sample_every):
                write_sheet(kept, run, game)
            due = game.due(config.checkpoint_every) if config.checkpoint_every else reading
            run.pause(save=due, meet=reading)

    generator.load_state_dict(kept.state_dict())
    for player in (generator, discriminator):
        engine.broadcast(player)
        player.eval()
    return game.history


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
