"""The course's pictures: one style, one colour for each class, a second cue besides colour.

Functions that draw return a matplotlib ``Figure``; end the cell with ``plt.show()``.
"""

from course_lib.viz.colours import ClassStyle, class_colours, class_styles
from course_lib.viz.explorer import explorer
from course_lib.viz.images import image_grid, overlay, segmentation_rows
from course_lib.viz.objects import Layer, object_grid, paint_instances
from course_lib.viz.pixels import blend, paint
from course_lib.viz.plots import confusion, curves
from course_lib.viz.predict import Guess, predict
from course_lib.viz.samples import gan_curves, nearest_rows, sample_sheet
from course_lib.viz.source import show_source
from course_lib.viz.style import use

__all__ = [
    "ClassStyle",
    "Guess",
    "Layer",
    "blend",
    "class_colours",
    "class_styles",
    "confusion",
    "curves",
    "explorer",
    "gan_curves",
    "image_grid",
    "nearest_rows",
    "object_grid",
    "overlay",
    "paint",
    "paint_instances",
    "predict",
    "sample_sheet",
    "segmentation_rows",
    "show_source",
    "use",
]
