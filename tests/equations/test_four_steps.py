"""The equations of notebooks/four-steps.ipynb, each checked numerically."""

import pytest
import torch

from course_lib.data import to_float

F64 = torch.float64


@pytest.mark.equation("eq-input-scaling")
def test_the_scaling_is_what_the_loader_does():
    levels = torch.arange(256, dtype=torch.uint8)
    scaled = levels.to(F64) / 127.5 - 1
    assert torch.allclose(to_float(levels).to(F64), scaled, atol=1e-6)
    assert scaled[0] == -1 and scaled[255] == 1
    assert scaled.mean().abs() < 1e-12  # the middle of the range becomes 0
    assert torch.allclose(scaled.diff(), torch.full((255,), 2 / 255, dtype=F64))


@pytest.mark.equation("eq-threshold-cost")
@pytest.mark.parametrize(("alarm", "miss"), [(1.0, 1.0), (1.0, 19.0), (3.0, 0.5), (0.2, 0.7)])
def test_the_threshold_has_the_least_cost_of_all(alarm, miss):
    """Pixels whose probabilities are true: the expected cost of every threshold, by brute force."""
    p = torch.linspace(0, 1, 20_001, dtype=F64)  # equally many pixels of each probability
    t = alarm / (alarm + miss)

    def cost(threshold):
        yes = p >= threshold
        return torch.where(yes, (1 - p) * alarm, p * miss).mean()

    tried = torch.linspace(0, 1.01, 1_011, dtype=F64)
    costs = torch.stack([cost(x) for x in tried])
    assert cost(t) <= costs.min() + 1e-12
    assert abs(float(tried[costs.argmin()]) - t) < 2e-3
    # With these costs both answers are equally dear at the threshold itself.
    assert (1 - t) * alarm == pytest.approx(t * miss)


def test_with_labels_drawn_from_the_probabilities_it_holds_on_average():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(400_000, dtype=F64, generator=generator)
    truth = torch.rand(len(p), dtype=F64, generator=generator) < p

    def cost(threshold):
        yes = p >= threshold
        return float((19 * (truth & ~yes).sum() + (~truth & yes).sum()) / len(p))

    assert cost(0.05) < min(cost(0.02), cost(0.1), cost(0.5))
