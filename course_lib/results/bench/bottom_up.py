"""What an update costs bottom-up and top-down on cells, measured in turns.

    python -m course_lib.results.bench.bottom_up

prints the times; ``course results run --only cells-step-time`` stores them.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.data import to_float
from course_lib.losses import make_loss
from course_lib.losses.detection import detection_losses
from course_lib.models.mask_rcnn import make_truth
from course_lib.recipes import Recipe
from course_lib.recipes.bottom_up import BOTTOM_UP, TOP_DOWN, BottomUpRecipe
from course_lib.train.ema import EMA
from course_lib.train.optimizers import make_optimizer
from course_lib.train.precision import autocast


def update_of(recipe: Recipe, smoke: bool) -> tuple[Callable[[], None], int]:
    """Return a function that updates the recipe's network once, on one and the same batch.

    As in the training: in bfloat16 and channels_last, with the gradient clipped and the weights
    averaged; without augmentation, which is the same for both ways. Also return how many of the
    network's weights get a gradient: a backbone may have stages that nothing reads.
    """
    train, _, _ = recipe.sets(None, smoke=smoke)
    config = recipe.config
    train = train.subset(slice(config.batch_size))
    images = to_float(train.images)
    if isinstance(recipe, BottomUpRecipe):
        pixels = recipe.pixels_of(train)
        model, classes = recipe.build(pixels, 0), pixels.targets.long()
        cross_entropy = make_loss(config.loss)

        def loss() -> Tensor:
            with autocast(torch.device("cpu"), config.precision):
                return cross_entropy(model(images), classes)

    else:
        assert train.labels is not None
        model, truth = recipe.build(train, 0), make_truth(train.targets.long(), train.labels)

        def loss() -> Tensor:
            with autocast(torch.device("cpu"), config.precision):
                seen = model(images, truth)
            return torch.stack(list(detection_losses(seen).values())).sum()

    if config.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
        model.to(memory_format=torch.channels_last)
    model.train()
    optimizer = make_optimizer(model, config)
    average = EMA(model, config.ema) if config.ema is not None else None

    def update() -> None:
        loss().backward()
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        if average is not None:
            average.update(model)

    loss().backward()
    learning = sum(p.numel() for p in model.parameters() if p.grad is not None)
    optimizer.zero_grad()
    return update, learning


def update_times(*, rounds: int = 10, smoke: bool = False) -> dict[str, float]:
    """Time an update of both ways on the CPU, in turns; of each the fastest round counts.

    What is timed is the processor's own time, of all threads together: what other programs do
    meanwhile hardly changes it.

    Args:
        rounds: how many; one more warms up.
        smoke: with small pictures, to see that all of it runs.

    Returns:
        "bottom_up_ms", "top_down_ms" and "ratio", the first by the second; and of both ways
        "_learning", the number of weights that an update changes.
    """
    ways = {"bottom_up": BOTTOM_UP["border"], "top_down": TOP_DOWN}
    updates = {name: update_of(recipe, smoke) for name, recipe in ways.items()}
    fastest = dict.fromkeys(updates, float("inf"))
    for number in range(rounds + 1):
        for name, (update, _) in updates.items():
            started = time.process_time()
            update()
            if number:
                fastest[name] = min(fastest[name], 1000 * (time.process_time() - started))
    found = {f"{name}_ms": value for name, value in fastest.items()}
    found |= {f"{name}_learning": learning for name, (_, learning) in updates.items()}
    return found | {"ratio": fastest["bottom_up"] / fastest["top_down"]}


def main() -> None:
    """Print both times and their ratio."""
    print("  ".join(f"{name} {value:.3f}" for name, value in update_times().items()))


if __name__ == "__main__":
    main()
