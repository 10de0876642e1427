"""Instances and a semantic map become one map: by hand, by the rule, and what is refused."""

import pytest
import torch
from torch import Tensor

from course_lib.data.scenes import streets
from course_lib.post import Segment, panoptic_merge, panoptic_of

THING = (1,)


def strip(*spans: tuple[int, int]) -> Tensor:
    """Masks of one row of ten pixels, from one column to another."""
    return torch.stack([(torch.arange(10) >= a) & (torch.arange(10) < b) for a, b in spans])[
        :, None
    ]


def test_by_hand() -> None:
    semantic = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 2, 2]])
    masks = strip((2, 6), (4, 8))
    labels, scores = torch.tensor([1, 1]), torch.tensor([0.6, 0.9])
    ids, segments = panoptic_merge(semantic, masks, labels, scores, things=THING)
    # The second is surer and takes its four; the first keeps two of four, which is just enough.
    assert ids.tolist() == [[3, 3, 2, 2, 1, 1, 1, 1, 4, 4]]
    assert segments == [
        Segment(1, 1, True),
        Segment(2, 1, True),
        Segment(3, 0, False),
        Segment(4, 2, False),
    ]
    # A larger share is wanted: it is dropped, and its thing pixel becomes void.
    ids, segments = panoptic_merge(semantic, masks, labels, scores, things=THING, min_share=0.6)
    assert ids.tolist() == [[2, 2, 2, 0, 1, 1, 1, 1, 3, 3]]
    # Too unsure to be used at all.
    ids, _ = panoptic_merge(semantic, masks, labels, scores, things=THING, min_score=0.95)
    assert ids.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0, 2, 2]]
    # Too little of the last stuff.
    ids, _ = panoptic_merge(semantic, masks, labels, scores, things=THING, min_stuff=3)
    assert ids.tolist() == [[0, 0, 2, 2, 1, 1, 1, 1, 0, 0]]


def test_a_second_mask_of_the_same_object_is_dropped() -> None:
    semantic = torch.zeros(1, 10, dtype=torch.long)
    masks = strip((1, 7), (1, 7), (2, 8))
    ids, segments = panoptic_merge(
        semantic, masks, torch.ones(3).long(), torch.tensor([0.7, 0.9, 0.8]), things=THING
    )
    assert [s.thing for s in segments] == [True, False]
    assert ids.tolist() == [[2, 1, 1, 1, 1, 1, 1, 2, 2, 2]]


def test_of_random_masks_the_rule_holds() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(1000):
        number = int(torch.randint(0, 6, (), generator=generator))
        size = tuple(torch.randint(1, 9, (2,), generator=generator).tolist())
        semantic = torch.randint(0, 4, size, generator=generator)
        masks = torch.rand(number, *size, generator=generator) < 0.4
        labels = torch.randint(2, 4, (number,), generator=generator)
        scores = (torch.rand(number, generator=generator) * 4).round() / 4
        ids, segments = panoptic_merge(semantic, masks, labels, scores, things=(2, 3))
        free, kept = torch.ones(size, dtype=torch.bool), 0
        for row in sorted(range(number), key=lambda k: (-float(scores[k]), k)):
            part = masks[row] & free
            if scores[row] < 0.5 or not part.any() or part.sum() / masks[row].sum() < 0.5:
                continue
            assert segments[kept] == Segment(kept + 1, int(labels[row]), True)
            assert torch.equal(ids == kept + 1, part)
            free &= ~part
            kept += 1
        for label in (0, 1):
            mine = [s for s in segments if s.label == label]
            expected = free & (semantic == label)
            assert len(mine) == bool(expected.any())
            assert not mine or (torch.equal(ids == mine[0].id, expected) and not mine[0].thing)
        assert torch.equal(ids == 0, free & (semantic >= 2))


def test_the_truth_of_a_street() -> None:
    scenes = streets.draw(6, size=(64, 80), seed=3)
    things = sorted({int(label) for labels in scenes.labels for label in labels})
    for semantic, instances, labels in zip(
        scenes.semantic, scenes.instances, scenes.labels, strict=True
    ):
        ids, segments = panoptic_of(semantic, instances, labels, things=things)
        assert ids.unique().tolist()[-len(segments) :] == [s.id for s in segments]
        for segment in segments:
            inside = ids == segment.id
            if segment.thing:
                assert len(instances[inside].unique()) == 1
            else:
                assert (semantic[inside] == segment.label).all() and (instances[inside] == 0).all()
        assert sum(s.thing for s in segments) == len(labels)
        # Merged from perfect parts it is the same map.
        masks = instances == torch.arange(1, len(labels) + 1)[:, None, None]
        again, listed = panoptic_merge(
            semantic, masks, labels, torch.ones(len(labels)), things=things
        )
        assert torch.equal(again, ids) and listed == segments


def test_unlabelled_pixels_are_void() -> None:
    semantic = torch.tensor([[0, 255, 1, 1, 255]])
    instances = torch.tensor([[0, 0, 1, 0, 2]])
    ids, segments = panoptic_of(semantic, instances, torch.tensor([1, 1]), things=THING, void=255)
    assert ids.tolist() == [[2, 0, 1, 0, 0]] or ids.tolist() == [[3, 0, 1, 0, 0]]
    assert [s.label for s in segments] == [1, 0]


def test_no_instances() -> None:
    semantic = torch.tensor([[0, 0, 1]])
    nothing = torch.zeros(0, 1, 3, dtype=torch.bool)
    ids, segments = panoptic_merge(
        semantic, nothing, torch.zeros(0).long(), torch.zeros(0), things=THING
    )
    assert ids.tolist() == [[1, 1, 0]] and segments == [Segment(1, 0, False)]


@pytest.mark.adversarial
def test_what_does_not_fit_is_refused() -> None:
    semantic, masks = torch.zeros(1, 10, dtype=torch.long), strip((0, 4))
    labels, scores = torch.tensor([1]), torch.tensor([0.9])
    for args, message in (
        ((semantic[0], masks, labels, scores), "semantic is torch.int64"),
        ((semantic.float(), masks, labels, scores), "argmax"),
        ((semantic, masks.float(), labels, scores), "paste_masks"),
        ((semantic, masks[:, :, :5], labels, scores), r"bool of shape \(n, 1, 10\)"),
        ((semantic, masks, labels.repeat(2), scores), "one of each"),
        ((semantic, masks, labels, scores.repeat(2)), "one of each"),
        ((semantic, masks, labels, scores * torch.nan), "NaN"),
        ((semantic, masks, labels + 1, scores), r"class 2, which is none of the things \[1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            panoptic_merge(*args, things=THING)
    with pytest.raises(ValueError, match="two maps"):
        panoptic_of(semantic, semantic[0], labels, things=THING)
    with pytest.raises(ValueError, match="has object 2, labels has 1"):
        panoptic_of(semantic, semantic + 2, labels, things=THING)
    with pytest.raises(ValueError, match="none of the things"):
        panoptic_of(semantic, semantic + 1, labels + 1, things=THING)
