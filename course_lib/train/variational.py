"""Training by a likelihood: VAE, CVAE, VQ-VAE and a prior of codes, the loop in full view."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet, binarise
from course_lib.models import CVAE, VAE, VQVAE, CodeGenerator
from course_lib.models.conditioning import check_range
from course_lib.models.vae import Encoder
from course_lib.train.batches import endless_batches
from course_lib.train.beforehand import check_enough, check_model
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.flow_config import FlowConfig
from course_lib.train.game import Evaluate, judged
from course_lib.train.log import Log
from course_lib.train.objectives import terms_of
from course_lib.train.optimizers import make_adam
from course_lib.train.run import Run
from course_lib.train.sheet import write_pairs
from course_lib.train.steps import Steps
from course_lib.train.variational_config import VariationalConfig
from course_lib.train.variational_history import VariationalHistory


def train_variational(
    model: nn.Module,
    train_set: ImageSet,
    *,
    config: VariationalConfig,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    out_dir: str | Path | None = None,
    device: str | torch.device | None = "auto",
    progress: bool = True,
) -> VariationalHistory:
    """Train a model in place, by the likelihood of the images or a bound on it.

    Of a `CodeGenerator` the prior learns, on the codes that its VQ-VAE, trained before, gives the
    images. With ``ema_images`` the model ends with the averaged weights, otherwise with the last
    ones. With ``out_dir`` the run is saved there and goes on exactly where it stopped, bit for bit
    on a CPU, when it is started again with the same configuration.

    Args:
        model: a VAE, CVAE, VQVAE or CodeGenerator.
        train_set: images; their class ids are the labels, where the model knows classes.
        config: see `VariationalConfig`.
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
    learner = check_variational(model, train_set, config, evaluate_every)
    engine = Engine(device=device, precision=config.precision, clip_norm=config.clip_norm)
    check_enough(train_set, config.batch_size * engine.world_size)
    train_set = train_set.to(engine.device)
    engine.place(model, channels_last=config.channels_last)
    adam = make_adam(learner, config.lr, config.betas)
    at = Steps(
        engine,
        config,
        VariationalHistory(),
        total=config.steps,
        log_every=config.log_every,
        images_per_step=config.batch_size * engine.world_size,
    )
    ema = None
    if config.ema_images is not None:
        ema = EMA(model, 0.5 ** (at.images_per_step / config.ema_images))
    kept = ema.model if ema is not None else model
    parts = {"model": model, "ema": ema, "adam": adam, "scaler": engine.scaler}
    frozen = {"autoencoder": model.codes} if isinstance(model, CodeGenerator) else {}
    run = Run(out_dir, engine, config, train_set, at, parts, frozen=frozen)

    with run, engine.interruptible(), Log(run, bar=progress) as log:
        (optim,) = engine.prepare_optimizers(adam)
        model.eval()
        learner.train()
        batches = endless_batches(train_set, config, engine, start=at.step)
        while at.step < config.steps:
            engine.seed_step(config.seed, 0, at.step)
            images, labels = next(batches)
            images = binarise(images, config.binarise)
            for group in adam.param_groups:
                group["lr"] = learning_rate(config, at.step)
            with engine.autocast():
                terms = terms_of(
                    model, images, labels, beta=weight(config, at.step), floor=config.free_bits
                )
            engine.backward(terms["loss"])
            engine.average_gradients(learner)
            engine.clip(learner)
            optim.step()
            optim.zero_grad()
            if ema is not None:
                ema.update(model)

            at.note(terms)
            log.advance()
            judge = at.due(evaluate_every or config.steps)
            reading = judge or at.due(config.log_every)
            if reading:  # the only place that waits for the device
                run.check_finite()
                scores = judged(evaluate, kept, engine) if judge else {}
                record = at.write_down({}, scores)
                at.history.look_for_trouble(getattr(model, "num_codes", None))
                log.show(said(record), record, at.step)
            if config.sample_every and at.due(config.sample_every):
                write_pairs(kept, images, labels, run, at)
            due = at.due(config.checkpoint_every) if config.checkpoint_every else reading
            run.pause(save=due, meet=reading)

    model.load_state_dict(kept.state_dict())
    engine.broadcast(model)
    model.eval()
    return at.history


def learning_rate(config: VariationalConfig | FlowConfig, step: int) -> float:
    """Return the rate of a step, a pure function of its number."""
    rate = config.lr
    if config.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return rate * min(1.0, (step + 1) / config.warm_up) if config.warm_up else rate


def weight(config: VariationalConfig, step: int) -> float:
    """Return the weight of the divergence in a step."""
    return config.beta * min(1.0, step / config.anneal) if config.anneal else config.beta


def said(record: dict[str, float]) -> str:
    """Return what a progress bar says of a reading."""
    shown = ("elbo", "log_likelihood", "divergence", "perplexity", "nats")
    return ", ".join(f"{n.replace('_', ' ')} {record[n]:.1f}" for n in shown if n in record)


def check_variational(
    model: nn.Module, train_set: ImageSet, config: VariationalConfig, evaluate_every: int | None
) -> nn.Module:
    """Return the part that learns, or raise ValueError unless model, images and settings fit."""
    if evaluate_every is not None and evaluate_every < 1:
        raise ValueError(f"evaluate_every is {evaluate_every}; it must be at least 1, or None.")
    if not isinstance(model, VAE | CVAE | VQVAE | CodeGenerator):
        raise ValueError(
            "train_variational trains a VAE, CVAE, VQVAE or CodeGenerator and got a "
            f"{type(model).__name__}; a VAEGAN is trained by train_vaegan."
        )
    check_model(model)
    if len(train_set) == 0:
        raise ValueError(f"The set {train_set.name}/{train_set.split} is empty.")
    looks: Encoder | VQVAE  # the part that is shown images
    if isinstance(model, VAE | CVAE):
        looks, classes = model.encoder, model.encoder.num_classes
    elif isinstance(model, CodeGenerator):
        looks, classes = model.codes, model.num_classes
    else:
        looks, classes = model, 0
    wanted, got = (looks.in_channels, *looks.size), tuple(train_set.images.shape[1:])
    if wanted != got:
        raise ValueError(
            f"The {type(model).__name__} takes images of {wanted[0]}x{wanted[1]}x{wanted[2]} "
            f"(channels, height, width) and {train_set.name} has {got[0]}x{got[1]}x{got[2]}. Build "
            f"the model with {got[0]} channel(s) and size={got[1:]}, or load the set otherwise."
        )
    check_black_and_white(likelihood_of(model), train_set.images, config.binarise)
    blends = config.augment is not None and (config.augment.affine or config.augment.colour)
    if likelihood_of(model) == "bernoulli" and config.binarise == "none" and blends:
        raise ValueError(
            "The augmentation rotates, zooms, shifts or recolours, which makes grey pixels, and a "
            'Bernoulli distribution has no probability of them: set binarise="sample" or '
            '"threshold", or leave only flip and crop.'
        )
    if classes:
        if train_set.task != "classification":
            raise ValueError(
                f"The model knows {classes} classes; {train_set.name} was loaded for the task "
                f'"{train_set.task}". Load it with task="classification".'
            )
        check_range(train_set.targets, classes, "the set's class ids")
    idle = [
        f"{name} is {value}"
        for name, value, off in (
            ("beta", config.beta, 1.0),
            ("anneal", config.anneal, 0),
            ("free_bits", config.free_bits, 0.0),
        )
        if value != off and not isinstance(model, VAE | CVAE)
    ]
    if idle:
        raise ValueError(
            f"{', '.join(idle)}, and a {type(model).__name__} has no divergence to weigh: leave "
            "beta=1, anneal=0 and free_bits=0."
        )
    if config.ema_images is not None and isinstance(model, VQVAE):
        raise ValueError(
            f"ema_images is {config.ema_images}, and a VQVAE's codebook is an average already, "
            "which an average of it would lag behind. Set ema_images=None."
        )
    return model.prior if isinstance(model, CodeGenerator) else model


def likelihood_of(model: nn.Module) -> str:
    """Return the likelihood of a model's pixels."""
    part = model.decoder if isinstance(model, VAE | CVAE) else model
    part = model.codes if isinstance(model, CodeGenerator) else part
    return str(part.outputs.likelihood)  # type: ignore[union-attr]


def check_black_and_white(likelihood: str, images: Tensor, how: str) -> None:
    """Raise ValueError for grey images under a likelihood of black and white, or the reverse."""
    if likelihood == "bernoulli" and how == "none":
        grey = ((images > 0) & (images < 255)).any()
        if grey:
            raise ValueError(
                "The images hold grey pixels, of which a Bernoulli distribution has no "
                'probability: set binarise="sample" or "threshold", or build the model with the '
                'likelihood "gaussian" or "logistic".'
            )
    if likelihood == "gaussian" and how != "none":
        raise ValueError(
            f'binarise is {how!r} and the likelihood "gaussian": a density of black and white '
            'images has no bound. Use "bernoulli", or binarise="none".'
        )
