"""How predictions are judged: everything is read from a confusion matrix.

Count once with :func:`confusion_matrix`, add the matrices of all batches, then read as many
scores as you like. A score of the data set is computed from the *summed* matrix; the mean of the
batches' scores is another number.
"""

from course_lib.metrics.bootstrap import PairedBootstrap, paired_bootstrap
from course_lib.metrics.classification import (
    accuracy,
    f1_score,
    precision,
    recall,
    top_k_accuracy,
)
from course_lib.metrics.confusion import confusion_matrix, confusion_per_image
from course_lib.metrics.segmentation import dice, iou, mean_dice, mean_iou, pixel_accuracy

__all__ = [
    "PairedBootstrap",
    "accuracy",
    "confusion_matrix",
    "confusion_per_image",
    "dice",
    "f1_score",
    "iou",
    "mean_dice",
    "mean_iou",
    "paired_bootstrap",
    "pixel_accuracy",
    "precision",
    "recall",
    "top_k_accuracy",
]
