"""The figures of the chapter that compares generators, from `results/` and the checkpoints.

A page of samples shows the first 64 of one seed, whatever they look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from course_lib import viz
from course_lib.recipes.flow import LONG, MEMORY, RECIPES, memory_recipe
from course_lib.recipes.generation import DATA
from course_lib.results import load
from course_lib.results.claims.generation import LONGER, checkpoint_name
from tools.common import ToolError
from tools.figures.comparison import finish
from tools.figures.drawing import BLUE, GREEN, INK, ORANGE, PURPLE, sheet, ticks

# Each family has a colour, and a mark as the second cue.
LOOKS = {
    "dcgan": {"label": "DCGAN", "color": ORANGE, "marker": "s"},
    "wgan-gp": {"label": "WGAN-GP", "color": BLUE, "marker": "^"},
    "stylegan": {"label": "StyleGAN2", "color": GREEN, "marker": "o"},
}
SHEET = 64  # samples on a page


def progress(task: str, folder: Path | None = None) -> Figure:
    """CFD on validation images against computing time, mean over the seeds; both axes measured.

    The time of a run is its number of images times the time of one image on a quiet core.
    """
    figure = sheet(320)
    axes = figure.subplots()
    cost = load("generation-compute", folder)
    times: list[float] = []
    reach: list[float] = []  # the ends of all bars
    for name, look in LOOKS.items():
        result = load(f"{name}-{task}", folder)
        if not (result.measured and cost.measured):
            continue
        rate = cost.mean(f"{name}_images_per_second")
        seconds = result.curves("val_cfd_images")[0] / rate
        scores = result.curves("val_cfd")  # (seeds, readings)
        mean = scores.mean(0)
        spread = scores.std(0, ddof=1) if len(scores) > 1 else mean * np.nan
        axes.errorbar(seconds, mean, spread, **look)
        times += [*seconds]
        reach += [*mean, *(mean + spread), *np.maximum(mean - spread, mean / 3)]
    low, high = (np.nanmin(reach) / 1.2, np.nanmax(reach) * 1.2) if reach else (1, 100)
    last = 1.05 * max(times, default=300)
    axes.set(yscale="log", xlim=(0, last), ylim=(low, high))
    axes.set(xlabel="seconds of one core", ylabel="CFD, validation")
    steps = range(0, int(last) + 1, 60 if last < 500 else 240)
    ticks(axes, steps, [t for t in (1, 2, 5, 10, 20, 50, 100, 200) if low <= t <= high])
    finish(figure, axes)
    return figure


READ_BY_IMAGES = {  # claim: name of the readings' images, look
    "dcgan-digits": ("val_cfd_images", LOOKS["dcgan"]),
    "wgan-gp-digits": ("val_cfd_images", LOOKS["wgan-gp"]),
    "stylegan-digits": ("val_cfd_images", LOOKS["stylegan"]),
    "flow-digits": ("val_images", {"label": "flow", "color": PURPLE, "marker": "D"}),
}


def by_images(folder: Path | None = None) -> Figure:
    """CFD on validation digits against images seen, mean over the seeds; both axes measured."""
    figure = sheet(320)
    axes = figure.subplots()
    for claim, (key, look) in READ_BY_IMAGES.items():
        result = load(claim, folder)
        if not result.measured:
            continue
        seen, scores = result.curves(key)[0] / 1000, result.curves("val_cfd")
        spread = scores.std(0, ddof=1) if len(scores) > 1 else np.full(len(seen), np.nan)
        axes.errorbar(seen, scores.mean(0), spread, **look)
    axes.set(xscale="log", yscale="log", xlim=(15, 700), ylim=(0.3, 200))
    axes.set(xlabel="thousand images seen", ylabel="CFD, validation")
    ticks(axes, [20, 50, 100, 200, 500], [0.5, 1, 2, 5, 10, 20, 50, 100])
    finish(figure, axes)
    return figure


BY_GUIDANCE = {  # curve: look
    "named": {"label": "sure of", "color": PURPLE, "marker": "D"},
    "asked_class": {"label": "as asked", "color": INK, "marker": "P"},
    "precision": {"label": "precision", "color": BLUE, "marker": "o"},
    "recall": {"label": "recall", "color": ORANGE, "marker": "s"},
    "coverage": {"label": "coverage", "color": GREEN, "marker": "^"},
}


def by_guidance(task: str = "shapes", folder: Path | None = None) -> Figure:
    """CFD and five shares on validation images against guidance, mean over the seeds."""
    figure = sheet(320)
    left, right = figure.subplots(1, 2)
    result = load(f"flow-guidance-{task}", folder)
    looks = {"cfd": {"label": "_CFD", "color": INK, "marker": "v"}, **BY_GUIDANCE}
    for curve, look in looks.items() if result.measured else ():
        guidance, scores = result.curves("guidance")[0], result.curves(curve)
        spread = scores.std(0, ddof=1) if len(scores) > 1 else np.full(len(guidance), np.nan)
        axes = left if curve == "cfd" else right
        axes.errorbar(guidance, scores.mean(0), spread, **look)
    for axes in (left, right):
        axes.set(xscale="log", xlim=(0.9, 9), xlabel="guidance $w$")
    top, step, low = (5, 1, 0.5) if task == "shapes" else (20, 5, 0.2)
    left.set(title="CFD, validation", ylim=(0, top))
    right.set(title="share, validation", ylim=(low, 1))
    ticks(left, [1, 1.5, 2, 3, 5, 8], range(0, top + 1, step))
    ticks(right, [1, 1.5, 2, 3, 5, 8], [s / 10 for s in range(round(10 * low), 11)])
    finish(figure, right, columns=3)
    return figure


BY_SOLVER = {
    "euler": {"label": "Euler", "color": INK, "marker": "P"},
    "midpoint": {"label": "midpoint", "color": BLUE, "marker": "^"},
    "heun": {"label": "Heun", "color": ORANGE, "marker": "s"},
    "ddim": {"label": "DDIM", "color": GREEN, "marker": "o", "linestyle": ":"},
    "ancestral": {"label": "ancestral", "color": PURPLE, "marker": "D"},
}


def by_solver(folder: Path | None = None) -> Figure:
    """CFD of one flow's digits against evaluations of its network, a line for each solver."""
    figure = sheet(320)
    axes = figure.subplots()
    result = load("flow-solvers-digits", folder)
    for solver, look in BY_SOLVER.items() if result.measured else ():
        scores = result.curves(f"{solver}_cfd")
        spread = scores.std(0, ddof=1) if len(scores) > 1 else np.full(scores.shape[1], np.nan)
        axes.errorbar(result.curves(f"{solver}_evaluations")[0], scores.mean(0), spread, **look)
    axes.set(xscale="log", yscale="log", xlim=(0.9, 75))
    axes.set(xlabel="evaluations for a picture, without guidance", ylabel="CFD")
    ticks(axes, [1, 2, 4, 8, 16, 32, 64], [0.5, 1, 2, 5, 10, 20, 50, 100])
    finish(figure, axes)
    return figure


def page(images: np.ndarray, gap: int = 2, *, columns: int = 8) -> np.ndarray:
    """Lay pictures (N, H, W, C) out as one, so many in a row, on white."""
    num, height, width, channels = images.shape
    rows = -(-num // columns)
    laid = np.full((rows * (height + gap), columns * (width + gap), channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        laid[top : top + height, left : left + width] = image
    return laid[:-gap, :-gap]


CODES = {  # generators by a code, of drawn digits
    "VAE": "vae-digits",
    "CVAE": "cvae-digits",
    "VQ-VAE with a prior": "vqvae-digits",
    "VAE-GAN": "vaegan-digits",
    "DCGAN": "dcgan-digits",
}


FLOWS = {"Flow": "flow-shapes", "dcgan": "dcgan-shapes", "wgan-gp": "wgan-gp-shapes"}


def coded(checkpoint: str = "vqvae-cifar10") -> Figure:
    """Draw the first 64 test photographs, what their codes keep of them, and 64 samples.

    Args:
        checkpoint: name or file of a VQ-VAE with its prior, of photographs.
    """
    import torch

    from course_lib.data import to_float, to_uint8
    from course_lib.train import draw_samples, load_checkpoint

    model, _ = load_checkpoint(checkpoint)
    test = DATA["cifar10"].load("test").images[:SHEET]
    with torch.no_grad():
        again = to_uint8(model.codes.reconstruct(to_float(test)).clamp(-1, 1))
    drawn = draw_samples(model, SHEET, seed=0)
    pictures = [page(images.movedim(1, -1).numpy()) for images in (test, again, drawn)]
    titles = ["test photographs", "the same, from their codes", "samples"]
    return viz.image_grid(pictures, titles=titles, columns=3, scale=1)


SHOWN = (1.0, 3.0, 8.0)  # guidances


def asked_for(
    flows: Sequence[tuple[str, str, float | None]], columns: int, *, task: str = "shapes"
) -> Figure:
    """Draw the first 64 of each generator, from the same noise, and 64 test images beside them.

    Args:
        flows: of each its title, the name or file of a generator in colour, and the guidance with
            which it is asked, for a flow.
        columns: of sheets.
        task: the data set.
    """
    from course_lib.train import draw_samples, load_checkpoint

    pictures = []
    for _, checkpoint, guidance in flows:
        model, _ = load_checkpoint(checkpoint)
        if guidance is not None:
            model.guidance = guidance
        pictures.append(page(draw_samples(model, SHEET, seed=0).movedim(1, -1).numpy()))
    pictures.append(page(DATA[task].load("test").images[:SHEET].movedim(1, -1).numpy()))
    titles = [*(title for title, *_ in flows), "test images"]
    return viz.image_grid(pictures, titles=titles, columns=columns, scale=1)


def guided(checkpoint: str = "flow-shapes") -> Figure:
    """Draw one flow's shapes with less and more guidance."""
    return asked_for([(f"$w = {w:g}$", checkpoint, w) for w in SHOWN], columns=2)


def longer(short: str = "flow-shapes", long: str = "flow-long-shapes") -> Figure:
    """Draw the shapes of two flows, one trained twice as long, with one guidance."""
    flows = [
        (f"{recipe.config.steps:,} updates", checkpoint, float(LONG.asked["guidance"]))
        for recipe, checkpoint in ((RECIPES["flow", "shapes"], short), (LONG, long))
    ]
    return asked_for(flows, columns=2)


def photographed(flow: str = "flow-cifar10") -> Figure:
    """Draw the photographs of a flow with three guidances, of DCGAN and of the VQ-VAE."""
    flows: list[tuple[str, str, float | None]] = [
        *((f"Flow, $w = {w:g}$", flow, w) for w in (1.5, 3.0, 5.0)),
        ("DCGAN", "dcgan-cifar10", None),
        ("VQ-VAE with a prior", "vqvae-cifar10", None),
    ]
    return asked_for(flows, columns=3, task="cifar10")


COPIES = 10  # samples of each training set


def copied(folder: str | Path = "runs/flow-memory/seed-0") -> Figure:
    """Draw samples of flows that learned from few and many digits, each above its nearest.

    Args:
        folder: of one seed's trainings of the claim "flow-memory", which are not shipped.

    Raises:
        ToolError: where there are none.
    """
    import torch

    from course_lib.metrics.nearest import nearest_distances
    from course_lib.train import draw_samples

    pictures = []
    for num, name in MEMORY.items():
        recipe = memory_recipe(num)
        train = recipe.data.load("train")
        model = recipe.build(train, 0)
        path = Path(folder) / name / "checkpoint.pt"
        if not path.is_file():
            raise ToolError(f"no {path}; train it: course results run --only flow-memory")
        stored = torch.load(path, weights_only=True)
        model.load_state_dict(stored["parts"]["ema"]["model"])
        samples = draw_samples(model.eval(), COPIES, seed=0)
        _, which = nearest_distances(samples.float(), train.images.float())
        pair = torch.cat([samples, train.images[which]]).movedim(1, -1).numpy()
        pictures.append(page(pair, columns=COPIES)[..., 0])
    titles = [f"from {num:,} digits: samples, and the nearest of them" for num in MEMORY]
    return viz.image_grid(pictures, titles=titles, columns=1, scale=3)


def sheets(task: str, checkpoints: dict[str, str] | None = None) -> Figure:
    """Draw the first 64 samples of each generator, and the first 64 test images beside them.

    Args:
        task: the data set.
        checkpoints: title or family -> name or file; ``None``: the shipped ones.

    Raises:
        ValueError: if no generator of this data set is shipped.
    """
    from course_lib.models import generator_of
    from course_lib.train import draw_samples, load_checkpoint, shipped

    if checkpoints is None:
        names = {family: checkpoint_name(family, task) for family in LOOKS}
        if task == "mnist":  # the one generator of a longer training that is shipped
            names[f"StyleGAN2, {LONGER} times as long"] = "stylegan-mnist"
        checkpoints = {family: name for family, name in names.items() if name in shipped()}
    if not checkpoints:
        raise ValueError(f"no generator of {task} is shipped; measure its claims first.")

    def pages(images) -> np.ndarray:
        return page(images.movedim(1, -1).expand(-1, -1, -1, 3).numpy())

    test = DATA[task].load("test")
    pictures, titles = [], []
    for name, checkpoint in checkpoints.items():
        generator, _ = load_checkpoint(checkpoint)
        pictures.append(pages(draw_samples(generator_of(generator), SHEET, seed=0)))
        titles.append(LOOKS[name]["label"] if name in LOOKS else name)
    pictures.append(pages(test.images[:SHEET]))
    titles.append("test images")
    return viz.image_grid(pictures, titles=titles, columns=2 if len(titles) < 5 else 3, scale=1)
