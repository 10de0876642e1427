"""The two perceptrons: shapes, gradients, labels, and the counts that the docstring states."""

import pytest
import torch

import course_lib.models.point_gan as module
from course_lib.models import PointDiscriminator, PointGenerator
from tests.models.peers import check_gradients, count


@pytest.mark.parametrize("num_classes", [0, 3])
def test_shapes_and_gradients(num_classes):
    g = PointGenerator(latent_dim=5, width=8, num_layers=3, num_classes=num_classes)
    d = PointDiscriminator(width=8, num_layers=1, num_classes=num_classes)
    labels = torch.arange(6) % 3 if num_classes else None
    points = g(torch.randn(6, 5), labels)
    logits = d(points, labels)
    assert points.shape == (6, 2) and logits.shape == (6,)
    logits.square().sum().backward()
    check_gradients(g, d)


def test_the_generator_draws_what_it_is_asked_for():
    g = PointGenerator(num_classes=2)
    z = torch.randn(4, 16)
    one, other = g(z, torch.zeros(4, dtype=torch.long)), g(z, torch.ones(4, dtype=torch.long))
    assert not torch.allclose(one, other)


def test_a_fresh_discriminator_ignores_labels_and_an_embedding_adds_an_inner_product():
    d = PointDiscriminator(num_classes=2)
    x, y = torch.randn(4, 2), torch.tensor([0, 1, 0, 1])
    fresh = d(x, y)
    assert torch.equal(fresh, d(x, 1 - y))
    torch.nn.init.normal_(d.embedding.weight)
    added = torch.stack([d.embedding.weight[k] @ f for k, f in zip(y, d.body(x), strict=True)])
    torch.testing.assert_close(d(x, y), fresh + added)


def test_counts_are_those_of_the_docstring():
    assert f"generator {count(PointGenerator()):,}" in module.__doc__
    assert f"discriminator {count(PointDiscriminator()):,}" in module.__doc__


@pytest.mark.parametrize("model", [PointGenerator, PointDiscriminator])
def test_bad_arguments_are_named(model):
    with pytest.raises(ValueError, match="hidden layer"):
        model(num_layers=0)
    with pytest.raises(ValueError, match="width 0"):
        model(width=0)
    x = torch.zeros(2, 16 if model is PointGenerator else 2)
    with pytest.raises(ValueError, match="has 2 classes; give labels"):
        model(num_classes=2)(x)
    with pytest.raises(ValueError, match="knows no classes"):
        model()(x, torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"wanted whole numbers of shape \(2,\)"):
        model(num_classes=2)(x, torch.zeros(3, dtype=torch.long))
