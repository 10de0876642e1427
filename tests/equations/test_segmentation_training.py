"""The equations of book/math/segmentation-training.md, each checked numerically in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

F64 = torch.float64


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.equation("eq-pixel-softmax")
def test_each_pixel_is_a_classifier_of_its_own(generator):
    z = torch.randn(4, 5, 3, dtype=F64, generator=generator)
    p = torch.empty_like(z)
    for k in range(4):
        for i in range(5):
            for j in range(3):
                p[k, i, j] = z[k, i, j].exp() / sum(z[m, i, j].exp() for m in range(4))
    assert torch.allclose(p, z.softmax(dim=0), atol=1e-14)
    assert torch.allclose(p.sum(0), torch.ones(5, 3, dtype=F64))


@pytest.mark.equation("eq-pixel-cross-entropy")
def test_pixel_cross_entropy_is_the_mean_over_labelled_pixels(generator):
    z = torch.randn(2, 4, 5, 3, dtype=F64, generator=generator)
    y = torch.randint(0, 4, (2, 5, 3), generator=generator)
    y[0, 1], y[1, :, 2] = 255, 255
    p = z.softmax(dim=1)
    labelled = [
        (n, i, j) for n in range(2) for i in range(5) for j in range(3) if y[n, i, j] != 255
    ]
    loss = -sum(p[n, y[n, i, j], i, j].log() for n, i, j in labelled) / len(labelled)
    assert torch.allclose(loss, F.cross_entropy(z, y, ignore_index=255), atol=1e-14)


@pytest.mark.equation("eq-pixel-gradient")
def test_gradient_is_probability_minus_truth_and_nothing_where_ignored(generator):
    z = torch.randn(2, 4, 5, 3, dtype=F64, generator=generator, requires_grad=True)
    y = torch.randint(0, 4, (2, 5, 3), generator=generator)
    y[0, 1], y[1, :, 2] = 255, 255
    F.cross_entropy(z, y, ignore_index=255).backward()
    p, labelled = z.detach().softmax(1), (y != 255).sum()
    for n in range(2):
        for i in range(5):
            for j in range(3):
                for k in range(4):
                    inside = y[n, i, j] != 255
                    ours = (p[n, k, i, j] - float(k == y[n, i, j])) / labelled if inside else 0
                    assert math.isclose(z.grad[n, k, i, j], ours, abs_tol=1e-15)


def test_the_worked_example():
    z = torch.tensor([[2.0, 0, 1], [5, 5, -5]], dtype=F64).T[None].requires_grad_()  # (1, 3, 2)
    loss = F.cross_entropy(z, torch.tensor([[0, 255]]), ignore_index=255)
    loss.backward()
    assert loss.item() == pytest.approx(0.408, abs=5e-4)
    p = z.detach()[0, :, 0].softmax(0).tolist()
    assert p == pytest.approx([0.665, 0.090, 0.245], abs=5e-4)
    assert z.grad[0, :, 0].tolist() == pytest.approx([-0.335, 0.090, 0.245], abs=5e-4)
    assert z.grad[0, :, 1].tolist() == [0, 0, 0]


@pytest.mark.equation("eq-share-loss")
@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.99, 0.01), (0.9, 0.05, 0.03, 0.02)])
def test_the_best_answer_without_looking_is_the_shares(shares, generator):
    f = torch.tensor(shares, dtype=F64)
    labels = torch.arange(len(f)).repeat_interleave((1000 * f).round().long())

    def loss(z):
        return F.cross_entropy(z.expand(len(labels), -1), labels)

    entropy = -sum(share * math.log(share) for share in shares)
    assert loss(f.log()).item() == pytest.approx(entropy)
    for _ in range(20):
        other = f.log() + 0.3 * torch.randn(len(f), dtype=F64, generator=generator)
        assert loss(other) > entropy


def test_the_shares_in_numbers():
    def terms(*shares):
        return [-f * math.log(f) for f in shares]

    assert terms(0.5, 0.01) == pytest.approx([0.35, 0.046], abs=5e-3)
    assert terms(0.99, 0.01) == pytest.approx([0.00995, 0.04605], abs=5e-6)
    assert terms(0.0064)[0] == pytest.approx(0.03, abs=5e-3)  # in the chapter on losses
    assert sum(terms(*[0.1] * 10)) == pytest.approx(2.303, abs=5e-4)
