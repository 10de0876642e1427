"""What a game between two networks needs besides its steps: penalties, scores, sheets, place."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from course_lib.losses import gradient_penalty, path_length_penalty, r1_penalty, r2_penalty
from course_lib.models.modes import eval_mode
from course_lib.ops.discriminator_augment import DiscriminatorAugment
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.files import whole
from course_lib.train.gan_config import GANConfig
from course_lib.train.gan_history import GANHistory
from course_lib.train.run import Run
from course_lib.train.samples import draw_samples
from course_lib.train.steps import Steps

Evaluate = Callable[[nn.Module], dict[str, float]]
SHEET = 64  # samples on a sheet


class Game(Steps):
    """The progress of an adversarial run.

    Attributes:
        path_length: the moving average of the path length penalty.
    """

    saved: tuple[str, ...] = (*Steps.saved, "path_length")

    def __init__(self, engine: Engine, config: GANConfig) -> None:
        super().__init__(
            engine,
            config,
            GANHistory(),
            total=config.steps,
            log_every=config.log_every,
            images_per_step=config.batch_size * engine.world_size * config.critic_steps,
        )
        self.path_length = torch.zeros((), device=engine.device)
        self.loss, self.seed, self.ema_images = config.loss, config.seed, config.ema_images

    def average(self, generator: nn.Module) -> EMA | None:
        """Return the generator's moving average with the half-life that is asked for, if one is."""
        if self.ema_images is None:
            return None
        return EMA(generator, 0.5 ** (self.images_per_step / self.ema_images))

    def read(
        self, scores: dict[str, float], augment: DiscriminatorAugment | None
    ) -> tuple[str, dict[str, float], int]:
        """Write down a reading, watch for trouble, return what a log shows."""
        extra = {"augmentation": float(augment.p)} if augment is not None else {}
        record = self.write_down(extra, scores)
        self.history.look_for_trouble(self.loss)
        text = (
            f"D {record['discriminator_loss']:.3f}, G {record['generator_loss']:.3f}, "
            f"told apart {record['told_apart']:.0%}, diversity {record['diversity']:.2f}"
        )
        return text, record, self.step


def draw_latent(generator: nn.Module, like: Tensor) -> Tensor:
    """Return as many random codes (B, latent_dim) as there are images, on their device."""
    return torch.randn(len(like), int(generator.latent_dim), device=like.device)  # type: ignore[arg-type]


def weighted_penalty(
    discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None, config: GANConfig
) -> Tensor:
    """Return the weighted penalty, in float32: a second derivative is delicate."""

    def critic(images: Tensor) -> Tensor:
        return discriminator(images, labels)

    if config.penalty == "gradient":
        return config.penalty_weight * gradient_penalty(critic, real, fake)
    penalty = r1_penalty(critic, real)
    if config.penalty == "r1-r2":
        penalty = penalty + r2_penalty(critic, fake)
    return config.penalty_weight / 2 * penalty


def path_length(generator: nn.Module, like: Tensor, labels: Tensor | None, game: Game) -> Tensor:
    """Return the path length penalty on half a batch, which is enough; move its average."""
    half = max(1, len(like) // 2)
    told = labels[:half] if labels is not None else None
    styles = generator.mapping(draw_latent(generator, like[:half]), told)  # type: ignore[operator]
    penalty, mean = path_length_penalty(
        generator.synthesis(styles),  # type: ignore[operator]
        styles,
        game.path_length,
    )
    # One average for all processes.
    game.path_length = game.engine.sum(mean) / game.engine.world_size
    return penalty


@torch.no_grad()
def judged(evaluate: Evaluate | None, generator: nn.Module, engine: Engine) -> dict[str, float]:
    """Return the scores, in eval mode, of the generator that would be kept; main process alone."""
    scores: dict[str, float] = {}
    if evaluate is not None and engine.is_main:
        with eval_mode(generator):  # without an average it is the generator in training
            # Plain numbers, whatever they come as: a checkpoint and JSON hold no others.
            scores = {name: float(score) for name, score in evaluate(generator).items()}
    engine.wait()
    return scores


def write_sheet(generator: nn.Module, run: Run, game: Game) -> None:
    """Write the first samples of a fixed seed into the run's folder, eight in a row."""
    if run.out_dir is not None and run.engine.is_main:
        samples = draw_samples(generator, SHEET, seed=game.seed)
        with whole(run.out_dir / "samples" / f"step-{game.step:07d}.png") as file:
            save_image(samples.float() / 255, file, format="png", nrow=8)
