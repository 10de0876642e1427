"""The confusion matrix against two independent implementations, and with input that is wrong."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as sklearn_matrix
from torchmetrics.functional.classification import multiclass_confusion_matrix

from course_lib.metrics import confusion, confusion_matrix, confusion_per_image, iou

IGNORED = (None, 255, -100, -1, 1, 3000)


@st.composite
def labels(draw):
    num_classes = draw(st.integers(1, 9))
    shape = tuple(draw(st.lists(st.integers(0, 7), min_size=1, max_size=4)))
    seed = draw(st.integers(0, 2**31))
    ignore_index = draw(st.sampled_from(IGNORED))
    present = draw(st.integers(1, num_classes))  # the others are absent
    generator = np.random.default_rng(seed)
    target = torch.from_numpy(generator.integers(0, present, shape))
    prediction = torch.from_numpy(generator.integers(0, draw(st.integers(1, num_classes)), shape))
    if ignore_index is not None:
        share = draw(st.sampled_from((0.0, 0.3, 1.0)))
        target[torch.from_numpy(generator.random(shape) < share)] = ignore_index
    return prediction, target, num_classes, ignore_index


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=150, deadline=None)
@given(labels())
def test_equals_torchmetrics_and_sklearn(case):
    prediction, target, num_classes, ignore_index = case
    got = confusion_matrix(prediction, target, num_classes, ignore_index)
    assert got.shape == (num_classes, num_classes) and got.dtype == torch.int64
    kept = torch.ones_like(target, dtype=torch.bool)
    if ignore_index is not None:
        kept = target != ignore_index
    if num_classes > 1:  # torchmetrics wants two classes
        theirs = multiclass_confusion_matrix(
            prediction, target, num_classes, ignore_index=ignore_index
        )
        assert torch.equal(got, theirs)
    if kept.any():  # scikit-learn wants an item
        theirs = sklearn_matrix(target[kept], prediction[kept], labels=range(num_classes))
        assert np.array_equal(got.numpy(), theirs)
    else:
        assert not got.any()


@settings(max_examples=60, deadline=None)
@given(labels())
def test_the_way_of_accelerators_counts_the_same(case):
    prediction, target, num_classes, ignore_index = case
    flat = confusion._plain(prediction), confusion._plain(target)
    got = confusion._count_and_mark(*flat, num_classes, ignore_index)
    assert torch.equal(got, confusion_matrix(prediction, target, num_classes, ignore_index))


def test_known_answer():
    target = torch.tensor([[0, 0, 1], [1, 2, 255]])
    prediction = torch.tensor([[0, 1, 1], [1, 0, 2]])
    got = confusion_matrix(prediction, target, 3, ignore_index=255)
    assert got.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


@pytest.mark.parametrize("p_type", (torch.uint8, torch.int16, torch.int32, torch.int64))
@pytest.mark.parametrize("t_type", (torch.uint8, torch.int16, torch.int32, torch.int64))
def test_every_integer_type_and_many_classes(p_type, t_type):
    generator = torch.Generator().manual_seed(0)
    num_classes = 200  # t * num_classes + p does not fit into a byte
    prediction = torch.randint(num_classes, (3, 40, 50), generator=generator)
    target = torch.randint(num_classes, (3, 40, 50), generator=generator)
    target[0, :5] = 255 if t_type == torch.uint8 else 1000
    ignore_index = int(target[0, 0, 0])
    if p_type in (torch.int16,) or t_type in (torch.int16,):
        prediction, target = prediction % 100, torch.where(target < 200, target % 100, target)
    expected = multiclass_confusion_matrix(
        prediction, target, num_classes, ignore_index=ignore_index
    )
    got = confusion_matrix(prediction.to(p_type), target.to(t_type), num_classes, ignore_index)
    assert torch.equal(got, expected)


def test_binary_masks_may_be_bool():
    target = torch.tensor([True, True, False])
    prediction = torch.tensor([True, False, False])
    assert confusion_matrix(prediction, target, 2).tolist() == [[1, 0], [1, 1]]


def test_views_are_counted_as_they_look():
    base = torch.arange(48).reshape(6, 8) % 3
    prediction, target = base.t()[::2, 1:], (base + 1).remainder(3).t()[::2, 1:]
    expected = multiclass_confusion_matrix(prediction.contiguous(), target.contiguous(), 3)
    assert torch.equal(confusion_matrix(prediction, target, 3), expected)


def test_inputs_stay_as_they_are():
    prediction, target = torch.tensor([0, 1, 9]), torch.tensor([1, 1, 255])
    confusion_matrix(prediction, target, 2, 255)
    assert prediction.tolist() == [0, 1, 9] and target.tolist() == [1, 1, 255]


def test_prediction_below_an_ignored_pixel_may_be_anything():
    target = torch.tensor([0, 255, 255])
    for odd in (-7, 99, 10**12):
        got = confusion_matrix(torch.tensor([1, odd, odd]), target, 2, ignore_index=255)
        assert got.tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("prediction", "target", "said"),
    (
        ([0, 1], [0, 2], "target holds 2 (1 of 2 labels)"),
        ([0, 1], [0, 255], "target holds 255"),
        ([0, 1], [0, -1], "target holds -1"),
        ([0, 2], [0, 1], "prediction holds 2"),
        ([0, -1], [1, 1], "prediction holds -1"),  # would add up to a valid cell
        ([2, 0], [0, 1], "prediction holds 2"),
        ([0, 10**12], [0, 1], "prediction holds 1000000000000"),
        ([0, 1], [0, 2**62], "target holds 4611686018427387904"),
        ([0, 1, 1, 1, 1, 1, 1], [0, 2, 3, 4, 5, 6, 7], "2, 3, 4, 5, 6 and 1 more"),
    ),
)
def test_labels_out_of_range_are_named(prediction, target, said):
    with pytest.raises(ValueError, match="num_classes=2 allows 0 to 1") as error:
        confusion_matrix(torch.tensor(prediction), torch.tensor(target), 2)
    assert said in str(error.value)
    with pytest.raises(ValueError, match="77 is ignored"):
        confusion_matrix(torch.tensor(prediction), torch.tensor(target), 2, ignore_index=77)


@pytest.mark.parametrize(("prediction", "target"), (([0, 5], [0, 1]), ([0, 1], [0, -5])))
def test_on_accelerators_the_mark_survives_adding_and_is_found_on_reading(prediction, target):
    bad = confusion._count_and_mark(torch.tensor(prediction), torch.tensor(target), 2, 255)
    good = torch.full((2, 2), 10**9)
    for total in (bad, bad + good, good + bad * 1000 + good * 100):
        with pytest.raises(ValueError, match="outside of"):
            iou(total)


def test_nothing_in_the_way_of_accelerators_waits_for_the_device():
    # Tensors on "meta" have no values: whatever would look at one (.item(), a boolean mask,
    # bincount) fails.
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8, device="meta")
    got = confusion_matrix(labels, labels, 5, ignore_index=255)
    assert got.shape == (5, 5) and got.dtype == torch.int64 and got.device.type == "meta"


@pytest.mark.gpu
def test_no_wait_on_a_gpu():
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(21, (2, 4, 64, 64), generator=generator)
    target[:, :4] = 255
    expected = confusion_matrix(prediction, target, 21, 255)
    on_gpu = prediction.cuda(), target.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        got = confusion_matrix(*on_gpu, 21, 255)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(got.cpu(), expected)


@pytest.mark.parametrize(
    ("prediction", "target", "num_classes", "ignore_index", "said"),
    (
        (torch.rand(2, 3, 4, 4), torch.zeros(2, 4, 4).long(), 3, None, r"argmax\(dim=1\)"),
        (torch.zeros(2, 3).long(), torch.zeros(3, 2).long(), 3, None, "must be equal"),
        (torch.zeros(2).long(), torch.zeros(2), 3, None, r"target\.long"),
        ([0, 1], torch.zeros(2).long(), 3, None, "prediction is a list"),
        (torch.zeros(2).long(), torch.zeros(2).long(), 0, None, "at least 1"),
        (torch.zeros(2).long(), torch.zeros(2).long(), 2.0, None, "num_classes is 2.0"),
        (torch.zeros(2).long(), torch.zeros(2).long(), 2, "255", "ignore_index is '255'"),
        (torch.zeros(2).long(), torch.zeros(2, device="meta").long(), 2, None, "is on cpu"),
    ),
)
def test_wrong_input_says_what_to_do(prediction, target, num_classes, ignore_index, said):
    with pytest.raises(ValueError, match=said):
        confusion_matrix(prediction, target, num_classes, ignore_index)


def test_per_image_matrices_add_up_to_the_batch():
    generator = torch.Generator().manual_seed(1)
    prediction, target = torch.randint(4, (2, 5, 6, 7), generator=generator)
    each = confusion_per_image(prediction, target, 4, ignore_index=3)
    assert each.shape == (5, 4, 4)
    assert torch.equal(each.sum(0), confusion_matrix(prediction, target, 4, ignore_index=3))
    assert confusion_per_image(prediction[:0], target[:0], 4).shape == (0, 4, 4)


def test_the_measured_calls_agree():
    from course_lib.results.bench.confusion import bench

    measured = bench(shape=(1, 16, 16), repeats=1)
    assert set(measured) == {"course_lib", "torchmetrics", "torchmetrics unchecked"}
