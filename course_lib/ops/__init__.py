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
from course_lib.ops.matching import match, sample_balanced
from course_lib.ops.nms import class_wise_nms, nms, soft_nms
from course_lib.ops.quantiser import VectorQuantizer
from course_lib.ops.roi_align import roi_align
from course_lib.ops.watershed import watershed

__all__ = [
    "VectorQuantizer",
    "anchor_grid",
    "anchor_shapes",
    "box_area",
    "box_iou",
    "boxes_of_ids",
    "boxes_of_masks",
    "class_wise_nms",
    "clip_boxes",
    "connected_components",
    "decode_boxes",
    "encode_boxes",
    "match",
    "nms",
    "roi_align",
    "sample_balanced",
    "soft_nms",
    "watershed",
]
