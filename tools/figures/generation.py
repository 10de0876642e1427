"""Draw the figures of the chapter that compares generators, from `results/` and the checkpoints.

    python -m tools.figures.generation              the charts, as SVG for light and dark pages
    python -m tools.figures.generation --sheets     the sheets of samples too, as PNG

To be run again after `course results run`; a test compares the charts with what this draws. A sheet
shows the first 64 samples of one seed, whatever they look like.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from course_lib import viz
from course_lib.recipes.generation import DATA
from course_lib.results import load
from course_lib.results.claims.generation import LONGER, TITLES, checkpoint_name
from tools.figures.comparison import BOTTOM, HEIGHT, LEFT, RIGHT, THEMES, TOP, WIDTH, Axis, Chart

FOLDER = Path(__file__).resolve().parents[2] / "book" / "images"
# Okabe and Ito's colours, each with a mark of its own as the second cue.
LOOKS = {
    "dcgan": ("DCGAN", {"light": "#B84A00", "dark": "#F0A030"}, "square"),
    "wgan-gp": ("WGAN-GP", {"light": "#0072B2", "dark": "#56B4E9"}, "triangle"),
    "stylegan": ("StyleGAN2", {"light": "#007A5A", "dark": "#2FC79B"}, "disc"),
}
COMPARED = tuple(LOOKS)
CHARTS = TITLES | {"mnist-long": f"MNIST, {LONGER} times as long"}
SHEET = 64
TICKS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)


def progress(task: str, theme: str, folder: Path | None = None) -> str:
    """CFD on validation images against computing time, mean over the seeds; both axes measured.

    The time of a run is its number of updates times the time of one update on a quiet core.
    """
    cost = load("generation-compute", folder)
    results = {name: load(f"{name}-{task}", folder) for name in COMPARED}
    shown = [n for n, r in results.items() if r.measured and cost.measured]
    lines = {}
    for name in shown:
        runs = results[name].runs
        images = np.array(runs[0]["curves"]["val_cfd_images"])
        scores = np.array([run["curves"]["val_cfd"] for run in runs])  # (seeds, readings)
        seconds = images / cost.mean(f"{name}_images_per_second")
        lines[name] = (seconds, scores.mean(0), scores.std(0, ddof=1) if len(runs) > 1 else None)
    highest = max((float(mean.max()) for _, mean, _ in lines.values()), default=100.0)
    lowest = min((float(mean.min()) for _, mean, _ in lines.values()), default=1.0)
    last = max((float(seconds.max()) for seconds, _, _ in lines.values()), default=300.0)
    y = Axis(lowest / 1.3, highest * 1.15, HEIGHT - BOTTOM, TOP, log=True)
    ticks = tuple(t for t in TICKS if y.low <= t <= y.high)
    x = Axis(0, last * 1.05, LEFT, WIDTH - RIGHT)
    chart = Chart(
        theme,
        f"CFD against computing time, {CHARTS[task]}",
        x,
        "seconds of one core",
        "CFD, validation",
        y=y,
        ticks=ticks,
        looks=LOOKS,
    )
    step = 60 if last < 500 else 120
    for tick in range(0, int(x.high) + 1, step):
        chart.xtick(tick, str(tick))
    for name, (seconds, mean, deviation) in lines.items():
        places = [(x(float(s)), y(float(m))) for s, m in zip(seconds, mean, strict=True)]
        chart.line(places, LOOKS[name][1][theme], 2)
        for i, (s, m) in enumerate(zip(seconds, mean, strict=True)):
            d = float(deviation[i]) if deviation is not None else float("nan")
            chart.mark(name, x(float(s)), float(m), min(d, float(m) * 0.9))
    chart.shown = shown
    chart.legend(shown)
    return chart.svg()


def sheet(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Lay 64 pictures (64, H, W, C) out as one, eight in a row, on white."""
    num, height, width, channels = images.shape
    rows = -(-num // 8)
    page = np.full((rows * (height + gap), 8 * (width + gap), channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // 8) * (height + gap), (i % 8) * (width + gap)
        page[top : top + height, left : left + width] = image
    return page[:-gap, :-gap]


def sheets(task: str, checkpoints: dict[str, str] | None = None) -> Figure:
    """Draw the first 64 samples of each generator, and the first 64 test images beside them.

    Args:
        task: the data set.
        checkpoints: title or family -> name or file; ``None``: the shipped ones.

    Raises:
        ValueError: if no generator of this data set is shipped.
    """
    from course_lib.train import draw_samples, load_checkpoint, shipped

    if checkpoints is None:
        names = {family: checkpoint_name(family, task) for family in COMPARED}
        if task == "mnist":  # the one generator of a longer training that is shipped
            names[f"StyleGAN2, {LONGER} times as long"] = "stylegan-mnist"
        checkpoints = {family: name for family, name in names.items() if name in shipped()}
    if not checkpoints:
        raise ValueError(f"no generator of {task} is shipped; measure its claims first.")

    def pages(images) -> np.ndarray:
        return sheet(images.movedim(1, -1).expand(-1, -1, -1, 3).numpy())

    test = DATA[task].load("test")
    pictures, titles = [], []
    for name, checkpoint in checkpoints.items():
        generator, _ = load_checkpoint(checkpoint)
        pictures.append(pages(draw_samples(generator, SHEET, seed=0)))
        titles.append(LOOKS[name][0] if name in LOOKS else name)
    pictures.append(pages(test.images[:SHEET]))
    titles.append("test images")
    return viz.image_grid(pictures, titles=titles, columns=2 if len(titles) < 5 else 3, scale=1)


def main() -> None:
    from course_lib.train import shipped

    parser = argparse.ArgumentParser(prog="python -m tools.figures.generation")
    parser.add_argument("--sheets", action="store_true", help="draw the samples too")
    given = parser.parse_args()
    for task in CHARTS:
        for theme in THEMES:
            path = FOLDER / f"generation-{task}-{theme}.svg"
            path.write_text(progress(task, theme), encoding="utf-8")
            print(path.name)
    for task in TITLES:
        if given.sheets and any(checkpoint_name(n, task) in shipped() for n in COMPARED):
            viz.use()
            path = FOLDER / f"generation-{task}-sheets.png"
            sheets(task).savefig(path, metadata={"Software": None})
            print(path.name)


if __name__ == "__main__":
    main()
