"""How predictions are judged: count first, then read scores from the counts.

Count once with :func:`confusion_matrix` (borders: :func:`boundary_counts`, confidence:
:func:`reliability`), add the counts of all batches, then read as many scores as you like. A score
of the data set is computed from the *summed* counts; the mean of the batches' scores is another
number. :func:`averages` shows the means that papers report, side by side.
"""

from course_lib.metrics.averages import Averages, averages, micro
from course_lib.metrics.bootstrap import PairedBootstrap, paired_bootstrap
from course_lib.metrics.boundary import band_width, boundary_counts, boundary_iou
from course_lib.metrics.calibration import (
    Reliability,
    best_temperature,
    expected_calibration_error,
    reliability,
)
from course_lib.metrics.classification import (
    accuracy,
    f1_score,
    precision,
    recall,
    top_k_accuracy,
)
from course_lib.metrics.confusion import confusion_matrix, confusion_per_image
from course_lib.metrics.modes import ModeCoverage, mode_coverage
from course_lib.metrics.segmentation import (
    dice,
    frequency_weighted_iou,
    iou,
    mean_dice,
    mean_iou,
    pixel_accuracy,
)

__all__ = [
    "Averages",
    "ModeCoverage",
    "PairedBootstrap",
    "Reliability",
    "accuracy",
    "averages",
    "band_width",
    "best_temperature",
    "boundary_counts",
    "boundary_iou",
    "confusion_matrix",
    "confusion_per_image",
    "dice",
    "expected_calibration_error",
    "f1_score",
    "frequency_weighted_iou",
    "iou",
    "mean_dice",
    "mean_iou",
    "micro",
    "mode_coverage",
    "paired_bootstrap",
    "pixel_accuracy",
    "precision",
    "recall",
    "reliability",
    "top_k_accuracy",
]
