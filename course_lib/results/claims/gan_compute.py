"""What a step of the game costs: the compared families, and DCGAN beside PyTorch's example."""

import time
from dataclasses import replace

import torch

from course_lib.data import ImageSet
from course_lib.recipes.generation import RECIPES
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import pick_device, train_gan


def _costs(context: Context) -> Measurement:
    """Time updates of each compared family by its own recipe, in turns, on one thread."""
    rounds = context.pick(smoke=1, full=5)
    generator = torch.Generator().manual_seed(context.seed)
    images = torch.randint(256, (640, 3, 32, 32), generator=generator, dtype=torch.uint8)
    data = ImageSet(images, torch.zeros(len(images), dtype=torch.int64), ("noise",))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    recipes = {family: r for (family, task), r in RECIPES.items() if task == "cifar10"}
    seconds: dict[str, list[float]] = {name: [] for name in recipes}
    metrics: dict[str, float] = {}
    try:
        for _ in range(rounds + 1):  # the first one warms up
            for name, recipe in recipes.items():
                # 16 updates hold one lazy penalty; five critic steps each make a long update.
                config = replace(
                    recipe.config_for(context.seed, smoke=context.smoke),
                    steps=2 if context.smoke or name == "wgan-gp" else 16,
                    log_every=16,
                )
                players = recipe.build(data, context.seed)
                started = time.perf_counter()
                train_gan(*players, data, config=config, device="cpu", progress=False)
                seconds[name].append((time.perf_counter() - started) / config.steps)
                each = config.batch_size * config.critic_steps
                metrics[f"{name}_step_ms"] = 1000 * min(seconds[name][-rounds:])
                metrics[f"{name}_images_per_second"] = each / min(seconds[name][-rounds:])
    finally:
        torch.set_num_threads(threads)
    return Measurement(
        metrics=metrics,
        data="random images at 32x32 in colour, each family by its own recipe; one thread "
        f"on a CPU; the fastest of {rounds} rounds in turns",
    )


def _measure(context: Context) -> Measurement:
    from course_lib.results.bench.gan import step_times

    size = {"width": 8, "batch_size": 2, "steps": 1, "rounds": 1} if context.smoke else {}
    torch.manual_seed(context.seed)
    return Measurement(
        metrics=step_times(**size, device=context.device),
        data="random batches of 16 images at 64x64, widths of 64; float32, and quick = bfloat16 "
        "and channels_last; the fastest of 12 rounds of 4 steps in turns, "
        f"{torch.get_num_threads()} thread(s), on {pick_device(context.device).type}",
    )


CLAIMS = (
    Claim(
        name="generation-compute",
        title="Time of an update of the compared generators, on one core",
        measure=_costs,
        main="dcgan_images_per_second",
        seeds=(0,),
        minutes=2,
    ),
    Claim(
        name="gan-step-time",
        title="Time of a DCGAN step, ours by that of PyTorch's example at the same widths",
        measure=_measure,
        main="ratio",
        minutes=2,
    ),
)
