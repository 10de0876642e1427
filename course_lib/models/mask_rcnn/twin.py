"""torchvision's own Mask R-CNN on the course's backbone, to hold ours against.

The same anchors, numbers of proposals, thresholds and widths, and the same arguments; what is in
between is torchvision's code. The tests give both the same weights (`twin_weights`).
"""

import math
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN as TorchvisionMaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from course_lib.models.backbones import backbone as make_backbone
from course_lib.models.mask_rcnn.structures import Detections, Truth

LOSSES = {  # torchvision's names, and ours
    "loss_objectness": "objectness",
    "loss_rpn_box_reg": "anchor_box",
    "loss_classifier": "class",
    "loss_box_reg": "box",
    "loss_mask": "mask",
}


class _BackboneWithPyramid(nn.Module):
    """What torchvision calls a backbone: maps by name, each of `out_channels` channels."""

    def __init__(self, name: str, in_channels: int, first: int, last: int, width: int) -> None:
        super().__init__()
        self.body = make_backbone(name, in_channels=in_channels)
        self.levels = (first, last)
        self.fpn = FeaturePyramidNetwork(list(self.body.channels[first:last]), width)
        self.out_channels = width

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        first, last = self.levels
        maps = self.body(images)[first:last]
        return self.fpn(OrderedDict((str(k), x) for k, x in enumerate(maps)))


class TorchvisionTwin(nn.Module):
    """torchvision's Mask R-CNN, called as ours is.

    Args:
        num_classes: as for `MaskRCNN`, and so all others.
        in_channels: see there.
        backbone: see there.
        finest: see there.
        anchor_sizes: see there.
        anchor_ratios: see there.
        width: see there.
        box_width: see there.
        mask_width: see there.
        smallest: see there.
        before: see there.
        after: see there.
        anchors: see there.
        anchor_high: see there.
        anchor_low: see there.
        rois: see there.
        min_score: see there.
        detection_iou: see there.
        detections: see there.

    Attributes:
        rounded: how torchvision pastes masks, see `course_lib.post.paste_masks`.
    """

    rounded = True

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        backbone: str = "small",
        finest: int = 4,
        anchor_sizes: Sequence[float] = (8, 16, 32, 64),
        anchor_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        width: int = 64,
        box_width: int = 256,
        mask_width: int = 64,
        smallest: float = 16.0,
        before: int = 200,
        after: int = 100,
        anchors: int = 128,
        anchor_high: float = 0.7,
        anchor_low: float = 0.3,
        rois: int = 64,
        min_score: float = 0.05,
        detection_iou: float = 0.5,
        detections: int = 100,
    ) -> None:
        super().__init__()
        levels = len(anchor_sizes)
        names = [str(level) for level in range(levels)]
        # A proposal of `smallest` pixels is read from one level above the finest.
        first = int(math.log2(finest)) - 1  # stage of the backbone: 0 has stride 2
        canonical = {"canonical_scale": smallest, "canonical_level": first + 2}
        self.net = TorchvisionMaskRCNN(
            _BackboneWithPyramid(backbone, in_channels, first, first + levels, width),
            min_size=1,
            max_size=1,
            image_mean=[0.0] * in_channels,
            image_std=[1.0] * in_channels,
            rpn_anchor_generator=AnchorGenerator(
                tuple((float(size),) for size in anchor_sizes),
                (tuple(float(ratio) for ratio in anchor_ratios),) * levels,
            ),
            rpn_pre_nms_top_n_train=before,
            rpn_pre_nms_top_n_test=before,
            rpn_post_nms_top_n_train=after,
            rpn_post_nms_top_n_test=after,
            rpn_fg_iou_thresh=anchor_high,
            rpn_bg_iou_thresh=anchor_low,
            rpn_batch_size_per_image=anchors,
            box_roi_pool=MultiScaleRoIAlign(names, 7, 2, **canonical),
            box_head=TwoMLPHead(width * 49, box_width),
            box_predictor=FastRCNNPredictor(box_width, num_classes),
            box_score_thresh=min_score,
            box_nms_thresh=detection_iou,
            box_detections_per_img=detections,
            box_batch_size_per_image=rois,
            mask_roi_pool=MultiScaleRoIAlign(names, 14, 2, **canonical),
            mask_head=MaskRCNNHeads(width, (mask_width,) * 4, 1),
            mask_predictor=MaskRCNNPredictor(mask_width, mask_width, num_classes),
        )
        # Pictures come in one size; masks stay inside the boxes, as ours, until they are pasted.
        self.net.transform.resize = _as_it_is
        self.net.transform.postprocess = _results_as_they_are
        self.net.transform.size_divisible = 1

    def forward(self, images: Tensor, truth: Truth | None = None) -> Any:
        """Return the five losses by our names in training mode, else `Detections`."""
        pictures = list(images.unbind())
        if self.training:
            assert truth is not None
            found = self.net(pictures, twin_targets(truth))
            return {name: found[theirs] for theirs, name in LOSSES.items()}
        return [
            Detections(d["boxes"], d["labels"], d["scores"], d["masks"][:, 0])
            for d in self.net(pictures)
        ]


def twin_targets(truth: Truth) -> list[dict[str, Tensor]]:
    """Return the objects of each picture as torchvision wants them."""
    targets = []
    for boxes, labels, ids in zip(*truth, strict=True):
        objects = (labels > 0).nonzero()[:, 0]
        planes = ids == (objects + 1)[:, None, None]
        masks = planes.to(torch.uint8)
        targets.append({"boxes": boxes[objects], "labels": labels[objects], "masks": masks})
    return targets


def twin_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of our `MaskRCNN` for `TorchvisionTwin.net`."""
    renamed = {}
    for name, value in weights.items():
        for ours, theirs in _NAMES:
            name = re.sub(ours, theirs, name)
        renamed[name] = value
    return renamed


_NAMES = (
    (r"^backbone\.", "backbone.body."),
    (r"^pyramid\.lateral\.(\d)", r"backbone.fpn.inner_blocks.\1.0"),
    (r"^pyramid\.smooth\.(\d)", r"backbone.fpn.layer_blocks.\1.0"),
    (r"^proposals\.conv", "rpn.head.conv.0.0"),
    (r"^proposals\.objectness", "rpn.head.cls_logits"),
    (r"^proposals\.codes", "rpn.head.bbox_pred"),
    (r"^box_head\.first", "roi_heads.box_head.fc6"),
    (r"^box_head\.second", "roi_heads.box_head.fc7"),
    (r"^box_head\.classes", "roi_heads.box_predictor.cls_score"),
    (r"^box_head\.codes", "roi_heads.box_predictor.bbox_pred"),
    (r"^mask_head\.convs\.(\d)", r"roi_heads.mask_head.\1.0"),
    (r"^mask_head\.enlarge", "roi_heads.mask_predictor.conv5_mask"),
    (r"^mask_head\.classes", "roi_heads.mask_predictor.mask_fcn_logits"),
)


def _as_it_is(image: Tensor, target: Any = None) -> tuple[Tensor, Any]:
    return image, target


def _results_as_they_are(result: Any, image_shapes: Any, original_image_sizes: Any) -> Any:
    return result
