"""How long a confusion matrix takes beside torchmetrics, measured in turns.

``python -m course_lib.results.bench.confusion`` prints the ratios.
"""

import time
from collections.abc import Callable

import torch

from course_lib.metrics.confusion import confusion_matrix


def bench(
    shape: tuple[int, ...] = (8, 256, 256), num_classes: int = 21, repeats: int = 15
) -> dict[str, float]:
    """Median milliseconds, all candidates in turn so that a noisy machine hits them alike.

    Args:
        shape: of the label maps.
        num_classes: number of classes; 5 % of the pixels are ignored.
        repeats: rounds; the median counts.

    Returns:
        Milliseconds of "course_lib", "torchmetrics" and "torchmetrics unchecked"
        (``validate_args=False``).
    """
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    generator = torch.Generator().manual_seed(0)
    target = torch.randint(num_classes, shape, generator=generator)
    prediction = torch.randint(num_classes, shape, generator=generator)
    target[torch.rand(shape, generator=generator) < 0.05] = 255

    def torchmetrics(validate_args: bool) -> torch.Tensor:
        return multiclass_confusion_matrix(
            prediction, target, num_classes, ignore_index=255, validate_args=validate_args
        )

    candidates: dict[str, Callable[[], torch.Tensor]] = {
        "course_lib": lambda: confusion_matrix(prediction, target, num_classes, 255),
        "torchmetrics": lambda: torchmetrics(True),
        "torchmetrics unchecked": lambda: torchmetrics(False),
    }
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, count in candidates.items():
            start = time.perf_counter()
            count()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: sorted(values)[len(values) // 2] for name, values in times.items()}


if __name__ == "__main__":
    measured = bench()
    for name, milliseconds in measured.items():
        print(
            f"{name:24} {milliseconds:8.2f} ms  {milliseconds / measured['course_lib']:6.1f} times"
        )
