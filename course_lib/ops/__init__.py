"""The primitives that are taught: written once, readably, and tested equal to the library."""

from course_lib.ops.components import connected_components
from course_lib.ops.nms import class_wise_nms, nms, soft_nms
from course_lib.ops.roi_align import roi_align

__all__ = ["class_wise_nms", "connected_components", "nms", "roi_align", "soft_nms"]
