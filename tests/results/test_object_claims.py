"""The claims of detectors: what they measure, and their intervals."""

import numpy as np
import pytest
import torch

from course_lib.metrics import FoundObjects, TrueObjects
from course_lib.metrics.average_precision import match_detections
from course_lib.models import MaskRCNN
from course_lib.models.mask_rcnn.twin import TorchvisionTwin
from course_lib.recipes.objects import RECIPES, TWIN_PENN_FUDAN
from course_lib.results import CLAIMS, load
from course_lib.results.claims.objects import COMPARED, resampled, scores_on_test


def squares(places: list[tuple[int, int]], size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    boxes = torch.tensor([[x, y, x + size, y + size] for x, y in places], dtype=torch.float32)
    masks = torch.zeros(len(places), 40, 50, dtype=torch.bool)
    for mask, (x, y) in zip(masks, places, strict=True):
        mask[y : y + size, x : x + size] = True
    return boxes.reshape(-1, 4), masks


def pair(
    true: list[tuple[int, int]], found: list[tuple[int, int]]
) -> tuple[FoundObjects, TrueObjects]:
    boxes, masks = squares(true)
    other, drawn = squares(found)
    scores = torch.linspace(0.9, 0.6, len(found))
    ones = torch.ones(len(found), dtype=torch.int64)
    return (
        FoundObjects(other, ones, scores, drawn),
        TrueObjects(boxes, torch.ones(len(true), dtype=torch.int64), masks),
    )


def test_scores_by_hand() -> None:
    found, truth = zip(
        pair([(2, 2), (20, 20)], [(2, 2), (20, 20)]),
        pair([(10, 10)], [(10, 10), (30, 30)]),
        strict=True,
    )
    scores = scores_on_test(list(found), list(truth), ("background", "round cell"))
    assert scores["box_ap"] == scores["mask_ap"] == scores["mask_ap_round_cell"]
    assert scores["mask_ap"] == pytest.approx(1)  # the false alarm is the least sure
    assert scores["count_error"] == scores["count_bias"] == 0.5


def test_an_interval_is_that_of_pictures_drawn_anew() -> None:
    """Of one picture found and one missed, a set drawn anew has 0, 1 or 2: AP 0, 0.5 or 1."""
    found, truth = zip(pair([(2, 2)], [(2, 2)]), pair([(10, 10)], []), strict=True)
    matches = match_detections(list(found), list(truth), kind="mask")
    scores = resampled(matches, 400)
    values, counts = scores.mul(2).round().unique(return_counts=True)
    assert values.tolist() == [0, 1, 2]
    assert counts.sub(torch.tensor([100, 200, 100])).abs().max() < 40
    assert torch.equal(scores, resampled(matches, 400))  # the same pictures for every run


def test_a_difference_is_that_of_photographs_drawn_for_both() -> None:
    """Against NumPy, from the stored resamples of both."""
    runs = [load(name).runs for name in COMPARED]
    assert [len(one) for one in runs] == [3, 3]
    found = load("mask-rcnn-pennfudan-difference").runs[0]["metrics"]
    for score in ("mask_ap", "box_ap"):
        means = [np.mean([run["metrics"][score] for run in one]) for one in runs]
        drawn = [np.mean([r["arrays"][f"{score}_resampled"] for r in one], axis=0) for one in runs]
        assert found[score] == pytest.approx(means[0] - means[1], abs=2e-6)
        wanted = np.percentile(drawn[0] - drawn[1], [2.5, 97.5])
        assert [found[f"{score}_low"], found[f"{score}_high"]] == pytest.approx(wanted, abs=2e-6)


def test_torchvisions_network_is_trained_by_the_recipe_of_ours() -> None:
    ours = RECIPES["mask-rcnn", "penn-fudan"]
    assert TWIN_PENN_FUDAN.data == ours.data and TWIN_PENN_FUDAN.config == ours.config
    assert TWIN_PENN_FUDAN.network.arguments == ours.network.arguments
    assert ours.network.model is MaskRCNN
    assert TWIN_PENN_FUDAN.network.model is TorchvisionTwin
    sizes = []
    for recipe in (ours, TWIN_PENN_FUDAN):
        torch.manual_seed(0)
        model = recipe.network.model(num_classes=2, **recipe.network.arguments)
        sizes.append(sum(p.numel() for p in model.parameters()))
    assert sizes[0] == sizes[1]


def test_each_recipe_has_its_claim() -> None:
    for recipe in (*RECIPES.values(), TWIN_PENN_FUDAN):
        claim = CLAIMS[recipe.name]
        assert claim.measure.keywords["recipe"] == recipe
        assert claim.main == "mask_ap" and claim.seeds == (0, 1, 2)
        assert claim.checkpoint == (None if recipe is TWIN_PENN_FUDAN else recipe.name)


def values(claim: str, metric: str) -> torch.Tensor:
    return torch.tensor(load(claim).values(metric))


def test_what_the_chapters_say_of_measured_scores_holds_for_every_run() -> None:
    """Sentences of the chapters Mask R-CNN and Judging objects; each run has to bear them."""
    cells, people = "mask-rcnn-cells", "mask-rcnn-pennfudan"
    # "and a pixel is much for a small object": pasting by another rule costs, on cells
    exact, rounded = (values(cells, f"mask_ap_{way}_paste") for way in ("exact", "rounded"))
    assert (exact > rounded + 0.05).all()
    assert (exact == values(cells, "mask_ap")).all()  # the same network, pasted as it does itself
    # "either can be the larger"
    assert (values(cells, "mask_ap") > values(cells, "box_ap") + 0.03).all()
    assert (values(people, "box_ap") > values(people, "mask_ap") + 0.03).all()
    # "a good list if a rough outline is enough, a poor one if it is not"
    assert (values(people, "mask_ap50") > 0.75).all()
    assert (values(people, "mask_ap75") < 0.4).all()
    # pedestrians are named after vehicles, as the lesser
    vehicles = values("mask-rcnn-streets", "mask_ap_vehicle")
    assert (vehicles > values("mask-rcnn-streets", "mask_ap_pedestrian") + 0.1).all()
    # "some twenty times as large", of the tutorial's 44.4 million weights
    assert (44.4e6 / values(people, "parameters")).round().sub(20).abs().max() <= 3
