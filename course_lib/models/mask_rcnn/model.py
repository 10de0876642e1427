"""Mask R-CNN, joined from its parts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms, roi_align

from course_lib.models.backbones import backbone as make_backbone
from course_lib.models.mask_rcnn.heads import BoxHead, MaskHead, align_rois
from course_lib.models.mask_rcnn.proposals import ProposalHead, first_of_each, select_proposals
from course_lib.models.mask_rcnn.pyramid import FeaturePyramid
from course_lib.models.mask_rcnn.structures import Detections, Learned, Settings, Truth
from course_lib.ops import (
    anchor_grid,
    box_iou,
    clip_boxes,
    decode_boxes,
    encode_boxes,
    match,
    sample_balanced,
)
from course_lib.ops.matching import NEITHER

BOX_CELLS, MASK_CELLS = 7, 14  # of a proposal in each direction, for the two heads
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # the second stage's codes are small: these bring them to 1
SMALLEST_DETECTION = 1e-2  # pixels, as in torchvision


class MaskRCNN(nn.Module):
    """Finds objects: box, class and mask of each.

    Source: arXiv:1703.06870, with a feature pyramid. On the same weights, with ``aligned=False``,
    each stage equals torchvision's.

    Differs from the paper: a small backbone trained from scratch, narrow heads, anchors and
    pyramid for objects of a few pixels. Differs from torchvision: no resizing inside; half-open
    boxes, so that an object of one pixel has a size; features and mask targets are read with pixel
    centres at halves (``aligned=True``); the mask head's last biases begin at 0; an object that no
    anchor overlaps gets none, where torchvision gives it all of them.

    Args:
        num_classes: with the background, which is class 0. A set of which class 0 is something else
            (streets: the sky) has no objects of that class.
        in_channels: of the pictures.
        backbone: name of a `course_lib.models.backbone`.
        finest: stride of the pyramid's finest level, 2 or 4; each further level doubles it.
        anchor_sizes: of each level, fine to coarse: square roots of areas in pixels.
        anchor_ratios: height over width.
        width: channels of the pyramid.
        box_width: of the box head's two layers.
        mask_width: channels of the mask head.
        smallest: root of the area in pixels below which a proposal's features come from the finest
            level; each doubling goes one level up.
        before: proposals of each level and picture that enter suppression.
        after: proposals of each picture that are left.
        anchors: sampled for the first stage's loss of a picture.
        anchor_high: overlap from which an anchor is an object's.
        anchor_low: overlap below which it is background.
        rois: proposals of each picture sampled for the second stage.
        min_score: answers below it are not given.
        detection_iou: of two answers of a class that overlap more, the better is kept.
        detections: most answers for a picture.
        aligned: see `align_rois`.

    Raises:
        ValueError: for levels that the backbone does not have.
    """

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
        aligned: bool = True,
    ) -> None:
        super().__init__()
        self.backbone = make_backbone(backbone, in_channels=in_channels)
        strides = tuple(finest * 2**level for level in range(len(anchor_sizes)))
        known = self.backbone.strides
        if not strides or not {*strides} <= {*known}:
            raise ValueError(
                f"finest is {finest} and anchor_sizes has {len(anchor_sizes)} levels, of strides "
                f"{strides}; the backbone has {known}."
            )
        first = known.index(finest)
        last = first + len(strides)
        self.levels, self.strides = (first, last), strides
        self.anchor_sizes = tuple(float(size) for size in anchor_sizes)
        self.anchor_ratios = tuple(float(ratio) for ratio in anchor_ratios)
        self.num_classes, self.smallest, self.aligned = num_classes, float(smallest), aligned
        self._settings = Settings(
            before=before,
            after=after,
            anchors=anchors,
            anchor_high=anchor_high,
            anchor_low=anchor_low,
            rois=rois,
            min_score=min_score,
            detection_iou=detection_iou,
            detections=detections,
        )
        self.numbers = tuple(self._settings)  # plain, so that a run can store and compare them
        self.pyramid = FeaturePyramid(self.backbone.channels[first:last], width)
        self.proposals = ProposalHead(width, len(self.anchor_ratios))
        self.box_head = BoxHead(width, BOX_CELLS, box_width, num_classes)
        self.mask_head = MaskHead(width, mask_width, num_classes)
        self._grids: dict[Any, Tensor] = {}  # anchors of the sizes that were met

    def forward(self, images: Tensor, truth: Truth | None = None) -> Any:
        """Find the objects; or, while learning, answer at sampled places.

        Args:
            images: (B, in_channels, H, W) in [-1, 1].
            truth: what is in them; needed in training mode, and ignored otherwise.

        Returns:
            In training mode `Learned`, else a list with the `Detections` of each picture.

        Raises:
            ValueError: in training mode without truth.
        """
        if self.training and truth is None:
            raise ValueError(
                "MaskRCNN in training mode needs the objects: model(images, truth); call "
                "model.eval() to find them."
            )
        size = (images.shape[-2], images.shape[-1])
        pyramid = self.features(images)
        objectness, codes = (_wide(x) for x in self.proposals(pyramid))
        anchors = self.anchors([(f.shape[-2], f.shape[-1]) for f in pyramid], objectness)
        proposals, exists = self.propose(objectness, codes, anchors, pyramid, size)
        if self.training:
            assert truth is not None
            return self._learn(pyramid, truth, objectness, codes, anchors, proposals, exists)
        return self._detect(pyramid, proposals, exists, size)

    @property
    def settings(self) -> Settings:
        """Numbers of proposals and thresholds, by name."""
        return self._settings

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the pyramid's maps (B, width, H / stride, W / stride), fine to coarse."""
        first, last = self.levels
        return self.pyramid(self.backbone(images)[first:last])

    def anchors(self, map_sizes: Sequence[tuple[int, int]], like: Tensor) -> Tensor:
        """Return all anchors (N, 4) of maps of these sizes, fine to coarse."""
        key = (*map_sizes, like.device, like.dtype)
        if key not in self._grids:
            grids = [
                anchor_grid(map_size, stride, (anchor,), self.anchor_ratios)
                for map_size, stride, anchor in zip(
                    map_sizes, self.strides, self.anchor_sizes, strict=True
                )
            ]
            self._grids = {key: torch.cat(grids).to(like)}
        return self._grids[key]

    @torch.no_grad()
    def propose(
        self,
        objectness: Tensor,
        codes: Tensor,
        anchors: Tensor,
        pyramid: Sequence[Tensor],
        size: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Return proposals (B, after, 4) and which of them exist (B, after)."""
        places = [f.shape[-2] * f.shape[-1] * len(self.anchor_ratios) for f in pyramid]
        return select_proposals(
            objectness,
            decode_boxes(codes, anchors),
            places,
            size,
            before=self.settings.before,
            after=self.settings.after,
            iou_threshold=self.settings.proposal_iou,
        )

    def match_anchors(self, truth: Truth, anchors: Tensor) -> Tensor:
        """Return the object of each anchor (B, N), see `match`."""
        iou = _iou_of_existing(truth, anchors)
        high, low = self.settings.anchor_high, self.settings.anchor_low
        return match(iou, high=high, low=low, rescue=True)

    def match_proposals(self, truth: Truth, proposals: Tensor, exists: Tensor) -> Tensor:
        """Return the object of each proposal (B, P), see `match`; those that are none: neither."""
        iou, enough = _iou_of_existing(truth, proposals), self.settings.roi_iou
        return torch.where(exists, match(iou, high=enough, low=enough), NEITHER)

    def sample_anchors(self, matches: Tensor) -> tuple[Tensor, Tensor]:
        """Return which anchors with an object, and which without, a step learns from."""
        return sample_balanced(matches, number=self.settings.anchors, positive_share=0.5)

    def sample_proposals(self, matches: Tensor) -> tuple[Tensor, Tensor]:
        """Return which proposals with an object, and which without, a step learns from."""
        return sample_balanced(matches, number=self.settings.rois, positive_share=0.25)

    def roi_features(self, pyramid: Sequence[Tensor], rois: Tensor, cells: int) -> Tensor:
        """Return (R, width, cells, cells) of the proposals (R, 5)."""
        return align_rois(
            pyramid, self.strides, rois, cells, smallest=self.smallest, aligned=self.aligned
        )

    def mask_targets(self, truth: Truth, rois: Tensor, matches: Tensor) -> Tensor:
        """Return the share that the matched object has of each cell of a proposal: (P, M, M)."""
        picture = rois[:, 0].long()
        # One plane for each object that is asked for, not for each proposal.
        asked = picture * truth.labels.shape[1] + matches
        objects, plane = asked.unique(return_inverse=True)
        which = objects % truth.labels.shape[1] + 1
        planes = truth.ids[objects // truth.labels.shape[1]] == which[:, None, None]
        boxes = torch.cat([plane[:, None].to(rois), rois[:, 1:]], dim=1)
        cells = 2 * MASK_CELLS
        found = roi_align(planes[:, None].to(rois), boxes, cells, 1.0, aligned=self.aligned)
        return found[:, 0]

    def _learn(
        self,
        pyramid: Sequence[Tensor],
        truth: Truth,
        objectness: Tensor,
        codes: Tensor,
        anchors: Tensor,
        proposals: Tensor,
        exists: Tensor,
    ) -> Learned:
        with torch.no_grad():
            truth = Truth(truth.boxes.to(anchors), truth.labels, truth.ids)
            anchor_matches = self.match_anchors(truth, anchors)
            positive, negative = self.sample_anchors(anchor_matches)
            anchor_targets = _targets(truth, anchor_matches, anchors, positive)
            # The objects themselves are proposals, too: at first the network finds none of them.
            proposals = torch.cat([proposals, truth.boxes], dim=1)
            exists = torch.cat([exists, truth.exists], dim=1)
            matches = self.match_proposals(truth, proposals, exists)
            chosen, background = self.sample_proposals(matches)
            codes_of_boxes = _targets(truth, matches, proposals, chosen, BOX_WEIGHTS)
            labels = truth.labels.gather(1, matches.clamp(min=0)) * chosen
            picture, place = (chosen | background).nonzero(as_tuple=True)
            rois = torch.cat([picture[:, None].to(proposals), proposals[picture, place]], dim=1)
            matches, labels = matches[picture, place], labels[picture, place]
            box_targets = codes_of_boxes[picture, place]
            objects = (labels > 0).nonzero()[:, 0]
            mask_targets = self.mask_targets(truth, rois[objects], matches[objects])
        class_logits, box_codes = self.box_head(self.roi_features(pyramid, rois, BOX_CELLS))
        masks = self.mask_head(self.roi_features(pyramid, rois[objects], MASK_CELLS))
        return Learned(
            objectness=objectness,
            anchor_codes=codes,
            anchor_targets=anchor_targets,
            positive_anchors=positive,
            negative_anchors=negative,
            rois=rois,
            class_logits=class_logits,
            box_codes=box_codes,
            labels=labels,
            box_targets=box_targets,
            mask_logits=masks,
            mask_targets=mask_targets,
            matches=matches,
        )

    def _detect(
        self, pyramid: Sequence[Tensor], proposals: Tensor, exists: Tensor, size: tuple[int, int]
    ) -> list[Detections]:
        picture, place = exists.nonzero(as_tuple=True)
        boxes = proposals[picture, place]  # (R, 4)
        rois = torch.cat([picture[:, None].to(boxes), boxes], dim=1)
        logits, codes = self.box_head(self.roi_features(pyramid, rois, BOX_CELLS))
        boxes = clip_boxes(decode_boxes(_wide(codes), boxes[:, None], BOX_WEIGHTS), size)
        scores = _wide(logits).softmax(-1)[:, 1:]  # (R, C - 1), and boxes (R, C - 1, 4):
        boxes = boxes[:, 1:]
        good = scores > self.settings.min_score  # false for NaN
        good &= (boxes[..., 2:] - boxes[..., :2] >= SMALLEST_DETECTION).all(-1)
        row, label = good.nonzero(as_tuple=True)
        picture, boxes, scores = picture[row], boxes[row, label], scores[row, label]
        group = picture * self.num_classes + label
        kept = batched_nms(boxes, scores, group, self.settings.detection_iou)
        kept, _ = first_of_each(kept, picture, len(proposals), self.settings.detections)
        picture, boxes, scores, labels = picture[kept], boxes[kept], scores[kept], label[kept] + 1
        rois = torch.cat([picture[:, None].to(boxes), boxes], dim=1)
        masks = _wide(self.mask_head(self.roi_features(pyramid, rois, MASK_CELLS)))
        masks = masks[torch.arange(len(masks), device=masks.device), labels].sigmoid()
        counts = picture.bincount(minlength=len(proposals)).tolist()
        parts = (x.split(counts) for x in (boxes, labels, scores, masks))
        return [Detections(*found) for found in zip(*parts, strict=True)]


def _iou_of_existing(truth: Truth, boxes: Tensor) -> Tensor:
    """Overlap of each object with each box (B, K, m); -1 where there is no object."""
    return torch.where(truth.exists[..., None], box_iou(truth.boxes, boxes), -1.0)


def _targets(
    truth: Truth,
    matches: Tensor,
    boxes: Tensor,
    wanted: Tensor,
    weights: tuple[float, float, float, float] = (1, 1, 1, 1),
) -> Tensor:
    """Codes of the matched objects (B, m, 4), seen from the boxes; 0 where none is wanted."""
    picture, place = wanted.nonzero(as_tuple=True)
    objects = truth.boxes[picture, matches[picture, place]]
    seen_from = boxes[place] if boxes.ndim == 2 else boxes[picture, place]
    targets = boxes.new_zeros((*matches.shape, 4))
    targets[picture, place] = encode_boxes(objects, seen_from, weights)
    return targets


def _wide(x: Tensor) -> Tensor:
    """Half precision is for convolutions: boxes and scores are computed in float32 at least."""
    return x if x.dtype == torch.float64 else x.float()
