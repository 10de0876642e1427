"""Small players, small pictures, and the game written out once more, for the tests of `train_gan`.

`by_hand` plays it without the engine: plain Adam, every process's part in one process.
"""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.data.augment import stream_seed
from course_lib.losses import discriminator_loss, generator_loss
from course_lib.models import DCGANDiscriminator, DCGANGenerator
from course_lib.train import GANConfig

SIZE = 8


def pictures(num: int = 24, channels: int = 1, size: int = SIZE, seed: int = 0) -> ImageSet:
    """Two kinds: bright above and dark below, or the other way round, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.arange(num) % 2
    rows = torch.where(torch.arange(size) < size // 2, 200, 50)  # (H,)
    clean = torch.where(kind[:, None] == 0, rows, 250 - rows)[:, None, :, None]  # (N, 1, H, 1)
    noise = torch.randint(-20, 21, (num, channels, size, size), generator=generator)
    return ImageSet((clean + noise).to(torch.uint8), kind, ("up", "down"), name="bars")


def players(norm: str = "layer", classes: int = 0, seed: int = 0, size: int = SIZE) -> list[Any]:
    """A generator and a discriminator; below 16 pixels only the first has norms."""
    torch.manual_seed(seed)
    shape: dict[str, Any] = {"width": 4, "size": size, "num_classes": classes, "norm": norm}
    return [
        DCGANGenerator(latent_dim=6, out_channels=1, **shape),
        DCGANDiscriminator(in_channels=1, **shape),
    ]


def weights(*models: nn.Module) -> dict[str, Tensor]:
    """Copies of all weights and buffers."""
    return {
        f"{number}.{name}": value.clone()
        for number, model in enumerate(models)
        for name, value in model.state_dict().items()
    }


def penalty(judge: nn.Module, real: Tensor, fake: Tensor, config: GANConfig, told: Any) -> Tensor:
    """From the definitions, image by image where that is possible."""
    if config.penalty == "r1-r2":
        ends = (replace(config, penalty="r1"), fake), (replace(config, penalty="r1"), real)
        return sum(penalty(judge, at, at, one, told) for one, at in ends)
    if config.penalty == "r1":
        at = real.clone().requires_grad_()
    else:
        mix = torch.rand(len(real))[:, None, None, None]
        at = (mix * real + (1 - mix) * fake).requires_grad_()
    (slopes,) = torch.autograd.grad(judge(at, told).sum(), at, create_graph=True)
    squares = slopes.pow(2).sum(dim=(1, 2, 3))
    if config.penalty == "r1":
        return config.penalty_weight / 2 * squares.mean()
    return config.penalty_weight * (squares.sqrt() - 1).pow(2).mean()


def by_hand(
    models: list[nn.Module], train_set: ImageSet, config: GANConfig, *, world: int = 1
) -> nn.Module | None:
    """Play the game; return the averaged generator, if there is one."""
    generator, discriminator = models
    adam_g = torch.optim.Adam(generator.parameters(), lr=config.lr, betas=config.betas)
    rate = config.lr_discriminator or config.lr
    adam_d = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=config.betas)
    labelled = generator.num_classes > 0
    sizes = {"world_size": world, "drop_last": True, "seed": config.seed}
    batches = [
        [
            batch
            for epoch in range(20)
            for batch in train_set.batches(config.batch_size, epoch=epoch, rank=rank, **sizes)
        ]
        for rank in range(world)
    ]
    noise_after = [torch.empty(0)] * world  # each process's own random state
    average = copy.deepcopy(generator)
    number = 0
    for step in range(config.steps):
        for rank in range(world):
            torch.manual_seed(stream_seed(config.seed, 0, step, rank))
            noise_after[rank] = torch.get_rng_state()
        for _ in range(config.critic_steps):
            adam_d.zero_grad()
            for rank in range(world):
                torch.set_rng_state(noise_after[rank])
                real, told = batches[rank][number]
                told = told if labelled else None
                with torch.no_grad():
                    fake = generator(torch.randn(len(real), 6), told)
                scores = discriminator(real, told), discriminator(fake, told)
                loss = discriminator_loss(*scores, kind=config.loss)
                if config.penalty != "none" and number % config.penalty_every == 0:
                    extra = penalty(discriminator, real, fake, config, told)
                    loss = loss + config.penalty_every * extra
                (loss / world).backward()
                noise_after[rank] = torch.get_rng_state()
            adam_d.step()
            number += 1
        adam_g.zero_grad()
        for rank in range(world):
            torch.set_rng_state(noise_after[rank])
            real, told = batches[rank][number - 1]
            told = told if labelled else None
            score = discriminator(generator(torch.randn(len(real), 6), told), told)
            rival = discriminator(real, told)
            (generator_loss(score, kind=config.loss, real=rival) / world).backward()
        adam_g.step()
        if config.ema_images:
            seen = config.batch_size * world * config.critic_steps
            move_average(average, generator, step, 0.5 ** (seen / config.ema_images))
    return average if config.ema_images else None


def move_average(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move an average of weights by hand: the first steps count more."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for old, new in zip(average.parameters(), model.parameters(), strict=True):
            old.copy_(decay * old + (1 - decay) * new)
