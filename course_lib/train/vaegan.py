"""Training of a VAE-GAN: three networks, three losses, and which of them moves what.

| loss | encoder | decoder | discriminator |
| --- | --- | --- | --- |
| divergence of the codes | yes | | |
| distance in the discriminator's features | yes | yes, times `feature_weight` | |
| be taken for real | | yes | |
| tell real from drawn | | | yes |

Source: Larsen et al., arXiv:1512.09300, algorithm 1. There the decoder descends on feature_weight
times the feature loss *minus* the game's value; the text and the algorithm give that value opposite
signs. Here the decoder wants to be taken for real (the non-saturating loss).
"""

from pathlib import Path

import torch
from torch import nn

from course_lib.data import ImageSet
from course_lib.losses import discriminator_loss, gaussian_kl, generator_loss, r1_penalty
from course_lib.models import VAEGAN
from course_lib.train.batches import endless_batches
from course_lib.train.beforehand import check_enough, check_model
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.game import Evaluate, judged
from course_lib.train.gan_history import GANHistory, diversity, told_apart
from course_lib.train.log import Log
from course_lib.train.optimizers import make_adam
from course_lib.train.run import Run
from course_lib.train.sheet import write_pairs
from course_lib.train.steps import Steps
from course_lib.train.vaegan_config import VAEGANConfig


def train_vaegan(
    model: VAEGAN,
    train_set: ImageSet,
    *,
    config: VAEGANConfig,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    out_dir: str | Path | None = None,
    device: str | torch.device | None = "auto",
    progress: bool = True,
) -> GANHistory:
    """Train encoder, decoder and discriminator in place.

    With ``out_dir`` the run is saved there and goes on exactly where it stopped, bit for bit on a
    CPU, when it is started again with the same configuration.

    Args:
        model: the three networks.
        train_set: images.
        config: see `VAEGANConfig`.
        evaluate: scores of the model that would be kept, on data for choosing; called every
            ``evaluate_every`` steps and at the end, and noted in the history.
        evaluate_every: steps between two evaluations; ``None``: at the end only.
        out_dir: where the run is saved.
        device: "auto", "cpu", "cuda" or a `torch.device`.
        progress: whether to draw a progress bar (``COURSE_PROGRESS=0`` turns all of them off).

    Returns:
        The record: what a game notes, and "divergence" (nats in a code), "features" (distance of
        reconstructions) and "pixels" (their mean squared error).

    Raises:
        ValueError: for a model or data that do not fit, or an ``out_dir`` of another run.
        OSError: where the run cannot be saved; before it starts, as far as that can be known.
        FloatingPointError: when a loss stops being finite, naming the step.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    check_vaegan(model, train_set, evaluate_every)
    engine = Engine(device=device, precision=config.precision)
    check_enough(train_set, config.batch_size * engine.world_size)
    train_set = train_set.to(engine.device)
    engine.place(model, channels_last=config.channels_last)
    encoder, decoder, discriminator = model.encoder, model.decoder, model.discriminator
    # One for both: under fp16 their gradients have one scale, and are stepped together or not.
    adam = make_adam(nn.ModuleList([encoder, decoder]), config.lr, config.betas)
    adam_j = make_adam(discriminator, config.lr_discriminator or config.lr, config.betas)
    at = Steps(
        engine,
        config,
        GANHistory(),
        total=config.steps,
        log_every=config.log_every,
        images_per_step=config.batch_size * engine.world_size,
    )
    ema = None
    if config.ema_images is not None:
        ema = EMA(model, 0.5 ** (at.images_per_step / config.ema_images))
    kept = ema.model if ema is not None else model
    adams = {"adam": adam, "adam_discriminator": adam_j}
    parts = {"model": model, "ema": ema, "scaler": engine.scaler, **adams}
    run = Run(out_dir, engine, config, train_set, at, parts)

    with run, engine.interruptible(), Log(run, bar=progress) as log:
        optim, optim_j = engine.prepare_optimizers(adam, adam_j)
        model.train()
        batches = endless_batches(train_set, config, engine, start=at.step)
        while at.step < config.steps:
            engine.seed_step(config.seed, 0, at.step)
            real, labels = next(batches)

            # What all three look at: images again, and images from new codes.
            with engine.autocast():
                posterior = encoder(real)
                z = posterior.sample()
                again = decoder(z)
                fresh = decoder(torch.randn_like(z))

            # The discriminator: tell real from drawn, of both kinds. Nothing reaches the others.
            with engine.autocast():
                score_real = discriminator(real).float()  # (B,)
                score_again = discriminator(again.detach()).float()
                score_fresh = discriminator(fresh.detach()).float()
                loss_j = 0.5 * (
                    discriminator_loss(score_real, score_again, kind=config.loss)
                    + discriminator_loss(score_real, score_fresh, kind=config.loss)
                )
            engine.backward(loss_j)
            if config.r1 and at.step % config.r1_every == 0:
                slope = r1_penalty(discriminator, real)
                engine.backward(config.r1_every * config.r1 / 2 * slope)
            engine.average_gradients(discriminator)
            optim_j.step()
            optim_j.zero_grad()

            # Encoder and decoder: like the image, in the features of the new discriminator.
            with engine.autocast():
                with torch.no_grad():
                    wanted = discriminator.judge(real)[1]
                score_again, features = discriminator.judge(again)
                score_fresh = discriminator(fresh)
            distance = features.float() - wanted.float()  # (B, C', H', W')
            # A unit variance around each feature: half the squared distance, summed.
            like = 0.5 * distance.square().flatten(1).sum(1).mean()
            divergence = gaussian_kl(*posterior).sum(1).mean()
            taken = 0.5 * (
                generator_loss(score_again.float(), kind=config.loss)
                + generator_loss(score_fresh.float(), kind=config.loss)
            )
            loss_e = like + config.beta * divergence
            loss_d = config.feature_weight * like / features[0].numel() + taken
            engine.backward(loss_e, only=list(encoder.parameters()), again=True)
            engine.backward(loss_d, only=list(decoder.parameters()))
            engine.average_gradients(encoder)
            engine.average_gradients(decoder)
            optim.step()
            optim.zero_grad()
            if ema is not None:
                ema.update(model)

            with torch.no_grad():
                pixels = (again.float() - real).square().mean()
            at.note(
                {
                    "discriminator_loss": loss_j,
                    "generator_loss": taken,
                    "real_score": score_real.mean(),
                    "fake_score": score_fresh.mean(),
                    "told_apart": told_apart(score_real, score_fresh.float()),
                    "diversity": diversity(real, fresh.detach()),
                    "divergence": divergence,
                    "features": like,
                    "pixels": pixels,
                }
            )
            log.advance()
            judge = at.due(evaluate_every or config.steps)
            reading = judge or at.due(config.log_every)
            if reading:  # the only place that waits for the device
                run.check_finite()
                scores = judged(evaluate, kept, engine) if judge else {}
                record = at.write_down({}, scores)
                at.history.look_for_trouble(config.loss)
                log.show(
                    f"told apart {record['told_apart']:.0%}, diversity {record['diversity']:.2f}, "
                    f"divergence {record['divergence']:.1f}, pixels {record['pixels']:.3f}",
                    record,
                    at.step,
                )
            if config.sample_every and at.due(config.sample_every):
                write_pairs(kept, real, labels, run, at)
            due = at.due(config.checkpoint_every) if config.checkpoint_every else reading
            run.pause(save=due, meet=reading)

    model.load_state_dict(kept.state_dict())
    engine.broadcast(model)
    model.eval()
    return at.history


def check_vaegan(model: nn.Module, train_set: ImageSet, evaluate_every: int | None) -> None:
    """Raise ValueError unless model and images fit."""
    if evaluate_every is not None and evaluate_every < 1:
        raise ValueError(f"evaluate_every is {evaluate_every}; it must be at least 1, or None.")
    if not isinstance(model, VAEGAN):
        raise ValueError(
            f"train_vaegan trains a VAEGAN and got a {type(model).__name__}; likelihoods are "
            "trained by train_variational, two players by train_gan."
        )
    check_model(model)
    if len(train_set) == 0:
        raise ValueError(f"The set {train_set.name}/{train_set.split} is empty.")
    encoder = model.encoder
    wanted, got = (encoder.in_channels, *encoder.size), tuple(train_set.images.shape[1:])
    if wanted != got:
        raise ValueError(
            f"The VAEGAN takes images of {wanted[0]}x{wanted[1]}x{wanted[2]} (channels, height, "
            f"width) and {train_set.name} has {got[0]}x{got[1]}x{got[2]}. Build the model with "
            f"{got[0]} channel(s) and size={got[1:]}, or load the set otherwise."
        )
