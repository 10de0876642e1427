"""The primitives that are taught: written once, readably, and tested equal to the library."""

from course_lib.ops.anchors import anchor_grid, anchor_shapes
from course_lib.ops.boxes import (
    box_area,
    box_iou,
    boxes_of_ids,
    boxes_of_masks,
    clip_boxes,
    decode_boxes,
    encode_boxes,
)
from course_lib.ops.components import connected_components
from course_lib.ops.langevin import annealed_langevin
from course_lib.ops.matching import match, sample_balanced
from course_lib.ops.nms import class_wise_nms, nms, soft_nms
from course_lib.ops.paths import (
    PATHS,
    TARGETS,
    Coefficients,
    coefficients,
    convert,
    ddpm_betas,
    diffusion_time,
    kept_signal,
    log_snr,
    mix,
    optimal_denoiser,
    optimal_velocity,
    pair_by_transport,
    target,
)
from course_lib.ops.quantiser import VectorQuantizer
from course_lib.ops.roi_align import roi_align
from course_lib.ops.solvers import (
    SAMPLERS,
    SOLVERS,
    ancestral,
    ddim,
    divergence,
    guided,
    path_log_density,
    solve,
    solve_sde,
    time_steps,
)
from course_lib.ops.watershed import watershed

__all__ = [
    "PATHS",
    "SAMPLERS",
    "SOLVERS",
    "TARGETS",
    "Coefficients",
    "VectorQuantizer",
    "ancestral",
    "anchor_grid",
    "anchor_shapes",
    "annealed_langevin",
    "box_area",
    "box_iou",
    "boxes_of_ids",
    "boxes_of_masks",
    "class_wise_nms",
    "clip_boxes",
    "coefficients",
    "connected_components",
    "convert",
    "ddim",
    "ddpm_betas",
    "decode_boxes",
    "diffusion_time",
    "divergence",
    "encode_boxes",
    "guided",
    "kept_signal",
    "log_snr",
    "match",
    "mix",
    "nms",
    "optimal_denoiser",
    "optimal_velocity",
    "pair_by_transport",
    "path_log_density",
    "roi_align",
    "sample_balanced",
    "soft_nms",
    "solve",
    "solve_sde",
    "target",
    "time_steps",
    "watershed",
]
