"""Mask R-CNN: He, Gkioxari, Dollar and Girshick, arXiv:1703.06870, from its parts.

`pyramid` merges the backbone's maps, `proposals` says where something is, `heads` says what it is
and which pixels it has, `model` joins them. `twin` is torchvision's, on the same backbone.
"""

from course_lib.models.mask_rcnn.heads import BoxHead, MaskHead, align_rois, level_of
from course_lib.models.mask_rcnn.model import MaskRCNN
from course_lib.models.mask_rcnn.proposals import ProposalHead, select_proposals
from course_lib.models.mask_rcnn.pyramid import FeaturePyramid
from course_lib.models.mask_rcnn.structures import Detections, Learned, Settings, Truth, make_truth

__all__ = [
    "BoxHead",
    "Detections",
    "FeaturePyramid",
    "Learned",
    "MaskHead",
    "MaskRCNN",
    "ProposalHead",
    "Settings",
    "Truth",
    "align_rois",
    "level_of",
    "make_truth",
    "select_proposals",
]
