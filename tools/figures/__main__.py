"""Write the figures that code draws.

    python -m tools.figures             all: book/figures/NAME-light.svg and NAME-dark.svg, and the
                                        frames that sliders move, book/frames/NAME-NUMBER-...
    python -m tools.figures NAME ...    these only
    python -m tools.figures PICTURE     book/images/PICTURE.png: checkpoints and data at work

Run it after `course results run`: a test compares every drawn figure with what it should show. A
picture is written only when it is named, after its checkpoints have changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from course_lib import viz
from tools.common import ROOT, fail_with, run_main, say
from tools.figures import (
    code_frames,
    comparison,
    convolution,
    deeplab,
    failures,
    fcn,
    flows,
    frames,
    gan,
    gan_dynamics,
    generation,
    judging,
    label_map,
    normalisation,
    object_frames,
    objects,
    photographs,
    sample_metrics,
    stylegan,
    tasks,
    two_ways,
    unet,
    variational,
    wasserstein,
)
from tools.figures.drawing import FRAMES_FOLDER, page_style, write

FIGURES: dict[str, Callable[[], Figure]] = {
    "convolution-window": convolution.window,
    "convolution-network": convolution.network,
    "convolution-field": convolution.field,
    "normalisation-axes": normalisation.axes,
    "label-map": label_map.label_map,
    "unet": unet.architecture,
    "fcn-phases": fcn.phases,
    "fcn-fusion": fcn.fusion,
    "deeplab-network": deeplab.network,
    "deeplab-holes": deeplab.holes,
    "metrics-border": judging.border,
    "losses-gradient": judging.gradient,
    "anchors-scene": objects.anchors_scene,
    "anchors-matching": objects.matching,
    "roi-align-cell": objects.roi_cell,
    "mask-rcnn": objects.network,
    "nms-crowd": objects.suppression,
    "watershed-profile": objects.watershed_profile,
    "ap-curve": objects.average_precision_curve,
    "pq-void": objects.void,
    "comparison-compute": comparison.compute,
    "comparison-classes": comparison.classes,
    "comparison-night": comparison.night,
    "comparison-data": comparison.data,
    "two-ways-factors": two_ways.factors,
    "two-ways-crowding": two_ways.crowding,
    "gan-players": gan.players,
    "gan-distance": gan.distance,
    "gan-slopes": gan.slopes,
    "gan-ring-samples": gan.ring_samples,
    "gan-dynamics-paths": gan_dynamics.paths,
    "gan-dynamics-gamma": gan_dynamics.gamma,
    "wasserstein-lines": wasserstein.lines,
    "wasserstein-bins": wasserstein.bins,
    "stylegan-network": stylegan.network,
    "stylegan-size": stylegan.size,
    "sample-metrics-balls": sample_metrics.balls,
    "vae-codes": variational.codes,
    "vae-importance": variational.importance,
    "vae-collapse": variational.collapse,
    "vq-network": variational.quantiser,
    "vq-cells": variational.cells,
    "vaegan-shift": variational.shift,
    "noise-denoiser": flows.denoiser,
    "diffusion-chain": flows.chain,
    "diffusion-weights": flows.weights,
    "flow-paths": flows.paths,
    "flow-field": flows.field,
    "flow-pairing": flows.pairing,
    "solver-order": flows.order,
    "guidance-line": flows.guidance,
    "perfect-field": flows.perfect,
    "perfect-decided": flows.decided,
    "generation-mnist": partial(generation.progress, "mnist"),
    "generation-cifar10": partial(generation.progress, "cifar10"),
    "generation-shapes": partial(generation.progress, "shapes"),
    "generation-mnist-long": partial(generation.progress, "mnist-long"),
    "flow-digits-curve": generation.by_images,
    "flow-guidance-shapes": generation.by_guidance,
    "flow-guidance-cifar10": partial(generation.by_guidance, "cifar10"),
    "flow-solvers-digits": generation.by_solver,
}
FRAMES: dict[str, Callable[[], dict[str, Figure]]] = {  # label on the slider -> frame
    "anchors-threshold": object_frames.anchors,
    "nms-threshold": object_frames.suppression,
    "watershed-depth": object_frames.watershed,
    "vae-weight": code_frames.weights,
    "vq-codebook": code_frames.codebook,
    "gan-ring": frames.film,
    "stylegan-mixing": frames.styles,
}
PICTURES: dict[str, Callable[[], Figure]] = {
    "classifier-photographs": photographs.named,
    "unet-photographs": photographs.outlined,
    "comparison-failures": failures.failures,
    "tasks": tasks.tasks,
    "generation-mnist-sheets": partial(generation.sheets, "mnist"),
    "generation-cifar10-sheets": partial(generation.sheets, "cifar10"),
    "generation-shapes-sheets": partial(generation.sheets, "shapes"),
    "codes-digits-sheets": partial(generation.sheets, "digits", generation.CODES),
    "codes-cifar10-sheets": generation.coded,
    "flow-shapes-sheets": partial(generation.sheets, "shapes", generation.FLOWS),
    "flow-guidance-sheets": generation.guided,
    "flow-long-sheets": generation.longer,
    "flow-cifar10-sheets": generation.photographed,
    "flow-memory-copies": generation.copied,
}


def draw(name: str) -> Figure:
    """One figure, in the style of a page."""
    with page_style():
        return FIGURES[name]()


def draw_frames(name: str) -> dict[str, Figure]:
    """The frames that a slider moves, in the style of a page."""
    with page_style():
        return FRAMES[name]()


def main() -> None:
    known = [*FIGURES, *FRAMES, *PICTURES]
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    names = parser.parse_args().names
    unknown = [name for name in names if name not in known]
    fail_with([f"{name}; there are {', '.join(known)}" for name in unknown], "no such figure:")
    for name in names or [*FIGURES, *FRAMES]:
        if name in FIGURES:
            write(name, draw(name))
        elif name in FRAMES:
            for number, frame in enumerate(draw_frames(name).values()):
                write(f"{name}-{number:02d}", frame, FRAMES_FOLDER)
        else:
            viz.use()
            path = ROOT / "book" / "images" / f"{name}.png"
            PICTURES[name]().savefig(path, metadata={"Software": None})
        say(f"wrote {name}")


if __name__ == "__main__":
    run_main(main)
