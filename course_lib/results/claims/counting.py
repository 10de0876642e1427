"""How long it takes to count a confusion matrix, beside the library that everyone uses."""

from course_lib.results.claim import Claim, Context, Measurement


def _measure(context: Context) -> Measurement:
    from course_lib.results.bench.confusion import bench

    shape = context.pick(smoke=(2, 64, 64), full=(8, 256, 256))
    milliseconds = bench(shape, repeats=context.pick(smoke=3, full=31))
    ours = milliseconds["course_lib"]
    return Measurement(
        metrics={
            "times_torchmetrics": milliseconds["torchmetrics"] / ours,
            "times_unchecked": milliseconds["torchmetrics unchecked"] / ours,
            "ms": ours,
        },
        data=f"random labels {shape}, 21 classes, 5 % ignored, on a CPU; medians of turns",
    )


CLAIMS = (
    Claim(
        name="confusion-speed",
        title="Times that torchmetrics takes for a confusion matrix, as it comes and unchecked",
        measure=_measure,
        main="times_torchmetrics",
        minutes=0.3,
    ),
)
