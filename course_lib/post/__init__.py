"""From raw predictions to results: masks in pictures, regions repaired, one label for each pixel.

What is taught stands in :mod:`course_lib.ops`; here SciPy and scikit-image do the same in compiled
code, and tests hold the two together.
"""

from course_lib.post.panoptic import Segment, panoptic_merge, panoptic_of
from course_lib.post.paste import paste_masks
from course_lib.post.regions import fill_holes, grow, remove_small, split_touching

__all__ = [
    "Segment",
    "fill_holes",
    "grow",
    "panoptic_merge",
    "panoptic_of",
    "paste_masks",
    "remove_small",
    "split_touching",
]
