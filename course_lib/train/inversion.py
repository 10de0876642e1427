"""Training of a network that finds a generator's code for a picture, from the generator itself.

The generator draws as many pictures with known codes as are wanted, so nothing has to be labelled.
Of a picture that no code draws the network knows nothing: its answer is a guess, and the picture
drawn from it shows by how much.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.data import ImageSet
from course_lib.models import InverseEncoder
from course_lib.models.inversion import check_gradient
from course_lib.models.modes import eval_mode
from course_lib.train.config import Config, Count, Positive, Precision, Seed, Weight
from course_lib.train.engine import Engine
from course_lib.train.log import Log
from course_lib.train.optimizers import make_adam
from course_lib.train.run import Run
from course_lib.train.steps import Steps
from course_lib.train.variational_history import VariationalHistory


@dataclass(frozen=True, kw_only=True)
class InversionConfig(Config):
    """How to train an inverse encoder.

    Args:
        steps: updates.
        batch_size: pictures per process and update, drawn by the generator.
        lr: learning rate of Adam.
        picture_weight: weight of the squared difference of the pictures, a mean over pixels,
            beside that of the codes, a mean over their numbers.
        precision: "no" (float32), "bf16" (where the hardware has bfloat16; elsewhere float32) or
            "fp16" (with loss scaling; GPU only).
        seed: of the codes; a pure function of (seed, step, rank).
        log_every: steps between two readings; each waits for the device.
        checkpoint_every: steps between two checkpoints; ``None``: at each reading.
    """

    harmless = frozenset({"log_every", "checkpoint_every"})

    steps: Count
    batch_size: Count = 64
    lr: Positive = 1e-3
    picture_weight: Weight = 1.0
    precision: Precision = "no"
    seed: Seed = 0
    log_every: Count = 50
    checkpoint_every: Count | None = None


def train_inverse(
    encoder: InverseEncoder,
    generator: nn.Module,
    *,
    config: InversionConfig,
    out_dir: str | Path | None = None,
    device: str | torch.device | None = "auto",
    progress: bool = True,
) -> VariationalHistory:
    """Train an inverse encoder in place; the generator stays as it is.

    With ``out_dir`` the run is saved there and goes on exactly where it stopped.

    Args:
        encoder: which names codes.
        generator: maps codes (B, latent_dim) to images in [-1, 1]; one without classes.
        config: see `InversionConfig`.
        out_dir: where the run is saved.
        device: "auto", "cpu", "cuda" or a `torch.device`.
        progress: whether to draw a progress bar.

    Returns:
        The record: "loss", "codes" and "pictures", the two squared differences.

    Raises:
        ValueError: for an encoder that does not fit the generator, a generator whose pictures have
            no gradient, or an ``out_dir`` of another run, of another generator too.
    """
    told = int(getattr(generator, "num_classes", 0))
    if told or int(generator.latent_dim) != encoder.latent_dim:  # type: ignore[arg-type]
        raise ValueError(
            f"The {type(generator).__name__} has codes of {int(generator.latent_dim)} numbers and "  # type: ignore[arg-type]
            f"{told} classes; the encoder names codes of {encoder.latent_dim}, of no class. Build "
            "it with the same latent_dim."
        )
    engine = Engine(device=device, precision=config.precision)
    for model in (encoder, generator):
        engine.place(model, channels_last=False)
    with eval_mode(generator), torch.enable_grad():
        z = torch.zeros(1, encoder.latent_dim, device=engine.device, requires_grad=True)
        check_gradient(generator, generator(z), z)
    adam = make_adam(encoder, config.lr, (0.9, 0.999))
    at = Steps(
        engine,
        config,
        VariationalHistory(),
        total=config.steps,
        log_every=config.log_every,
        images_per_step=config.batch_size * engine.world_size,
    )
    # The data are what the generator draws, so a run of another generator is another run.
    data = ImageSet(
        torch.zeros(1, 1, 1, 1, dtype=torch.uint8), torch.zeros(1).long(), ("drawn",), name="drawn"
    )
    parts = {"encoder": encoder, "adam": adam, "scaler": engine.scaler}
    run = Run(out_dir, engine, config, data, at, parts, frozen={"generator": generator})
    learning = list(encoder.parameters())

    with eval_mode(generator), run, engine.interruptible(), Log(run, bar=progress) as log:
        (optim,) = engine.prepare_optimizers(adam)
        encoder.train()
        while at.step < config.steps:
            engine.seed_step(config.seed, 0, at.step)
            z = torch.randn(config.batch_size, encoder.latent_dim, device=engine.device)
            with engine.autocast():
                with torch.no_grad():
                    images = generator(z)
                named = encoder(images.float())
                again = generator(named)
            codes = F.mse_loss(named.float(), z)
            pictures = F.mse_loss(again.float(), images.float())
            loss = codes + config.picture_weight * pictures
            engine.backward(loss, only=learning)  # through the generator, not into it
            engine.average_gradients(encoder)
            optim.step()
            optim.zero_grad()
            at.note({"loss": loss, "codes": codes, "pictures": pictures})
            log.advance()
            reading = at.due(config.log_every)
            if reading:
                run.check_finite()
                record = at.write_down({}, {})
                text = f"codes {record['codes']:.3f}, pictures {record['pictures']:.4f}"
                log.show(text, record, at.step)
            due = at.due(config.checkpoint_every) if config.checkpoint_every else reading
            run.pause(save=due, meet=reading)

    engine.broadcast(encoder)
    encoder.eval()
    return at.history
