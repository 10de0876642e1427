"""How predictions are judged: count first, then read scores from the counts.

Count once with :func:`confusion_matrix` (borders: :func:`boundary_counts`, confidence:
:func:`reliability`), add the counts of all batches, then read as many scores as you like. A score
of the data set is computed from the *summed* counts; the mean of the batches' scores is another
number. :func:`averages` shows the means that papers report, side by side.

A model that states how likely images are is judged by bounds on that, in nats for each image
(:func:`elbo`, :func:`importance_bound`) or in bits for each number (:func:`bits_per_dim`); its
codes by their use (:func:`perplexity`, :func:`active_units`).

Samples of a generator have no truth to be counted against; they are judged as clouds of features
(N, D): :func:`frechet_distance`, :func:`kernel_distance`, :func:`precision_recall`,
:func:`density_coverage`, and against the training set by :func:`nearest_distances`.

Objects are judged as lists, :class:`FoundObjects` against :class:`TrueObjects` of each image:
:func:`detection_scores` for a data set, :func:`average_precision` to see how, :func:`count_error`
for their number. Maps of segments are counted by :func:`panoptic_counts`.
"""

from course_lib.metrics.average_precision import (
    DetectionCurves,
    average_precision,
    average_recall,
    detection_curves,
    match_detections,
)
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
    auroc,
    f1_score,
    precision,
    recall,
    top_k_accuracy,
)
from course_lib.metrics.codes import active_units, code_counts, perplexity
from course_lib.metrics.confusion import confusion_matrix, confusion_per_image
from course_lib.metrics.counting import CountError, count_error
from course_lib.metrics.detection import detection_scores
from course_lib.metrics.disentanglement import factor_information, mutual_information_gap
from course_lib.metrics.frechet import frechet_distance, frechet_from_moments, moments
from course_lib.metrics.kernel import kernel_distance, kernel_distances
from course_lib.metrics.likelihood import (
    bits_per_dim,
    codes_log_likelihood,
    elbo,
    importance_bound,
)
from course_lib.metrics.manifold import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    neighbour_radii,
    precision_recall,
)
from course_lib.metrics.modes import ModeCoverage, mode_coverage
from course_lib.metrics.nearest import copied_share, nearest_distances
from course_lib.metrics.objects import FoundObjects, TrueObjects
from course_lib.metrics.panoptic import PanopticQuality, panoptic_counts, panoptic_quality
from course_lib.metrics.reconstruction import Reconstruction, reconstruction_scores
from course_lib.metrics.segmentation import (
    dice,
    frequency_weighted_iou,
    iou,
    mean_dice,
    mean_iou,
    pixel_accuracy,
)
from course_lib.metrics.velocity_gap import VelocityGap, velocity_gap
from course_lib.metrics.wasserstein import wasserstein_1d

__all__ = [
    "Averages",
    "CountError",
    "DensityCoverage",
    "DetectionCurves",
    "FoundObjects",
    "ModeCoverage",
    "PairedBootstrap",
    "PanopticQuality",
    "PrecisionRecall",
    "Reconstruction",
    "Reliability",
    "TrueObjects",
    "VelocityGap",
    "accuracy",
    "auroc",
    "average_precision",
    "average_recall",
    "active_units",
    "averages",
    "band_width",
    "best_temperature",
    "bits_per_dim",
    "boundary_counts",
    "boundary_iou",
    "code_counts",
    "codes_log_likelihood",
    "confusion_matrix",
    "confusion_per_image",
    "copied_share",
    "count_error",
    "density_coverage",
    "detection_curves",
    "detection_scores",
    "dice",
    "elbo",
    "expected_calibration_error",
    "f1_score",
    "factor_information",
    "frechet_distance",
    "frechet_from_moments",
    "frequency_weighted_iou",
    "importance_bound",
    "iou",
    "kernel_distance",
    "kernel_distances",
    "match_detections",
    "mean_dice",
    "mean_iou",
    "micro",
    "mode_coverage",
    "moments",
    "mutual_information_gap",
    "nearest_distances",
    "neighbour_radii",
    "paired_bootstrap",
    "panoptic_counts",
    "panoptic_quality",
    "perplexity",
    "pixel_accuracy",
    "precision",
    "precision_recall",
    "recall",
    "reconstruction_scores",
    "reliability",
    "top_k_accuracy",
    "velocity_gap",
    "wasserstein_1d",
]
