"""What all losses do with absent classes, ignored pixels, wrong types and labels out of range."""

import pytest
import torch

from course_lib.losses import LOSSES, cross_entropy, make_loss
from course_lib.losses.labels import labelled

SHAPE = (2, 4, 9, 11)
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def case(ignored=0.2, present=4):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(SHAPE, generator=generator)
    y = torch.randint(present, SHAPE[:1] + SHAPE[2:], generator=generator)
    y[torch.rand(y.shape, generator=generator) < ignored] = 255
    return z.requires_grad_(), y


@every_loss
def test_gives_a_number_and_a_gradient_for_every_logit_that_counts(loss):
    z, y = case()
    value = loss(z, y)
    value.backward()
    assert value.shape == () and value.dtype == torch.float32 and value.isfinite()
    moved = z.grad.abs().sum(1) > 0
    assert moved[y != 255].all()


@every_loss
def test_ignored_pixels_have_no_say_and_get_no_gradient(loss):
    z, y = case()
    value = loss(z, y)
    value.backward()
    assert not z.grad.movedim(1, -1)[y == 255].any()
    other = z.detach().clone()
    other.movedim(1, -1)[y == 255] = 50 * torch.randn_like(other.movedim(1, -1)[y == 255])
    torch.testing.assert_close(loss(other, y), value.detach())
    seven = torch.where(y == 255, 7, y)
    torch.testing.assert_close(loss(z, seven, ignore_index=7), value)


@every_loss
def test_with_all_pixels_ignored_it_is_0_with_zero_gradients(loss):
    z, y = case(ignored=1.0)
    value = loss(z, y)
    value.backward()
    assert value == 0 and z.grad.shape == z.shape and not z.grad.any()


@every_loss
@pytest.mark.parametrize("present", [1, 2])
def test_absent_classes_make_no_nan(loss, present):
    z, y = case(present=present)
    value = loss(z, y)
    value.backward()
    assert value.isfinite() and z.grad.isfinite().all()


@every_loss
def test_every_integer_type_is_a_label(loss):
    z, y = case()
    for dtype in (torch.uint8, torch.int16, torch.int32):
        assert torch.equal(loss(z, y.to(dtype)), loss(z, y))
    two = z[:, :2]
    assert torch.equal(
        loss(two, y.remainder(2).bool(), ignore_index=None),
        loss(two, y.remainder(2), ignore_index=None),
    )


@every_loss
def test_half_precision_is_computed_in_float32(loss):
    z, y = case()
    value = loss(z.bfloat16(), y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(z.bfloat16().float(), y))


@every_loss
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda z, y: (z, y.float()), r"dtype torch.float32.*target.long\(\)"),
        (lambda z, y: (z, y[:, None]), r"\(2, 9, 11\).*squeeze"),
        (lambda z, y: (z, y[:, :5]), r"target must be \(2, 9, 11\)"),
        (lambda z, y: (z.argmax(1), y), "float output"),
        (lambda z, y: (z, y.clamp(max=4)), r"holds 4 \(.* of 198 labels\).*0 to 3 and 255"),
        (lambda z, y: (z, torch.where(y == 255, -1, y)), r"holds -1 \("),
    ],
    ids=["float mask", "channel axis", "other size", "labels for logits", "too high", "too low"],
)
def test_wrong_input_says_what_to_do(loss, change, said):
    with pytest.raises(ValueError, match=said):
        loss(*change(*case()))


@every_loss
def test_without_an_ignore_label_255_is_out_of_range(loss):
    with pytest.raises(ValueError, match="holds 255.*no label is ignored"):
        loss(*case(), ignore_index=None)


def test_where_looking_would_mean_waiting_a_label_out_of_range_gives_nan():
    z, y = case()
    given = labelled(z, y, 255)
    assert given.broken is None  # on a CPU it was looked at
    for broken in (False, True):
        as_on_a_gpu = type(given)(given.logits, given.target, given.valid, torch.tensor(broken))
        assert bool(as_on_a_gpu.finish(z.sum()).isnan()) == broken


@pytest.mark.gpu
@every_loss
def test_a_gpu_gives_the_same_and_nan_for_labels_out_of_range(loss):
    z, y = case()
    torch.testing.assert_close(loss(z.cuda(), y.cuda()).cpu(), loss(z, y), rtol=1e-4, atol=1e-5)
    y[0, 0, 0] = 9
    assert loss(z.cuda(), y.cuda()).isnan()


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "dice", "lovasz", "boundary"])
def test_each_loss_has_its_name(name):
    z, y = case()
    assert torch.equal(make_loss(name, ignore_index=255)(z, y), LOSSES[name](z, y))


def test_a_sum_of_losses():
    z, y = case()
    total = make_loss("cross-entropy + dice", weight=(1, 2, 3, 4), ignore_index=255)(z, y)
    parts = cross_entropy(z, y, weight=(1, 2, 3, 4)) + LOSSES["dice"](z, y)
    assert torch.equal(total, parts)


@pytest.mark.parametrize("name", ["", "ce", "dice+", "dice+dice", "cross-entropy+nothing"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="choose one of cross-entropy, focal, dice"):
        make_loss(name)


def test_weights_need_a_loss_that_takes_them():
    with pytest.raises(ValueError, match="takes no class weights"):
        make_loss("dice+lovasz", weight=(1.0, 2.0))
