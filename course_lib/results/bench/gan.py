"""What a step of the game costs, beside PyTorch's DCGAN example, measured in turns.

    python -m course_lib.results.bench.gan

prints the ratios; ``course results run --only gan-step-time`` stores them. The example's networks
and its step are put together here from PyTorch's layers as the example defines them: two backward
passes for the discriminator, `BCELoss` on probabilities, the generated batch made once and used
twice, Adam as it comes.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.models import DCGANDiscriminator, DCGANGenerator
from course_lib.train.adversarial import train_gan
from course_lib.train.engine import pick_device
from course_lib.train.gan_config import GANConfig

LATENT = 100


def example_networks(width: int = 64, channels: int = 3) -> tuple[nn.Module, nn.Module]:
    """Return the example's generator and discriminator for 64x64 pixels."""
    up: list[nn.Module] = [nn.ConvTranspose2d(LATENT, width * 8, 4, 1, 0, bias=False)]
    down: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False)]
    for factor in (8, 4, 2):
        up += [nn.BatchNorm2d(width * factor), nn.ReLU(True)]
        up.append(nn.ConvTranspose2d(width * factor, width * factor // 2, 4, 2, 1, bias=False))
    for factor in (1, 2, 4):
        down += [nn.LeakyReLU(0.2, inplace=True)]
        down.append(nn.Conv2d(width * factor, width * factor * 2, 4, 2, 1, bias=False))
        down.append(nn.BatchNorm2d(width * factor * 2))
    up += [nn.BatchNorm2d(width), nn.ReLU(True)]
    up += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
    down += [nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(width * 8, 1, 4, 1, 0, bias=False)]
    return nn.Sequential(*up), nn.Sequential(*down, nn.Sigmoid())


class ExampleStep:
    """One step of the example: two optimisers, three backward passes."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.generator, self.discriminator = (
            net.to(device).train() for net in example_networks(width)
        )
        self.criterion = nn.BCELoss()
        betas = (0.5, 0.999)
        self.optim_g = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=betas)
        self.optim_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=betas)

    def __call__(self, real: Tensor) -> None:
        """Update the discriminator, then the generator, on one real batch (B, C, 64, 64)."""
        label = torch.full((len(real),), 1.0, device=real.device)
        self.discriminator.zero_grad()
        self.criterion(self.discriminator(real).view(-1), label).backward()
        fake = self.generator(torch.randn(len(real), LATENT, 1, 1, device=real.device))
        label.fill_(0.0)
        self.criterion(self.discriminator(fake.detach()).view(-1), label).backward()
        self.optim_d.step()
        self.generator.zero_grad()
        label.fill_(1.0)
        self.criterion(self.discriminator(fake).view(-1), label).backward()
        self.optim_g.step()


def step_times(
    *,
    width: int = 64,
    batch_size: int = 16,
    steps: int = 4,
    rounds: int = 12,
    device: str | torch.device = "cpu",
) -> dict[str, float]:
    """Time a generator and discriminator step of the example, of ours, and of ours made quick.

    Ours is `train_gan` as it stands, its set-up, its batches and its record included, spread over
    the steps of a round. Whatever else the machine does only adds time, so the fastest round of
    each counts.

    Args:
        width: of all networks.
        batch_size: images of 64x64 in a batch.
        steps: in a round of each.
        rounds: how many, in turns; one more warms up.
        device: where to compute.

    Returns:
        "example_ms", "ours_ms" and "quick_ms" (bfloat16 and channels_last) of a step, "ratio" (ours
        by the example's) and "quick_share" (quick by ours).
    """
    where = pick_device(device)
    generator = torch.Generator().manual_seed(0)
    shape = (batch_size * steps, 3, 64, 64)
    data = ImageSet(
        torch.randint(256, shape, generator=generator, dtype=torch.uint8),
        torch.zeros(shape[0], dtype=torch.int64),
        ("noise",),
    ).to(where)
    example = ExampleStep(width, where)

    def run_example() -> None:
        for real, _ in data.batches(batch_size):
            example(real)

    def ours(quick: bool) -> Callable[[], None]:
        players = DCGANGenerator(width=width), DCGANDiscriminator(width=width)
        config = GANConfig(
            steps=steps,
            batch_size=batch_size,
            precision="bf16" if quick else "no",
            channels_last=quick,
            log_every=steps,
        )

        def run() -> None:
            train_gan(*players, data, config=config, device=where, progress=False)

        return run

    work = {"example": run_example, "ours": ours(False), "quick": ours(True)}
    times: dict[str, list[float]] = {name: [] for name in work}
    names = list(work)
    for turn in range(rounds + 1):
        for name in names[turn % 3 :] + names[: turn % 3]:
            started = time.perf_counter()
            work[name]()
            if where.type == "cuda":
                torch.cuda.synchronize(where)
            times[name].append(time.perf_counter() - started)
    best = {name: 1000 * min(values[1:]) / steps for name, values in times.items()}
    return {
        **{f"{name}_ms": value for name, value in best.items()},
        "ratio": best["ours"] / best["example"],
        "quick_share": best["quick"] / best["ours"],
    }


if __name__ == "__main__":
    for key, value in step_times().items():
        print(f"{key:>12}: {value:.3f}")
