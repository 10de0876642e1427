"""The quantiser: one step by hand, the library's step on the same numbers, and each known trap."""

import math

import pytest
import torch
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from course_lib.ops import VectorQuantizer
from course_lib.ops.quantiser import FIRST, nearest_codes


def pinned(codebook: list[list[float]], count: float = 1.0, **options) -> VectorQuantizer:
    """A quantiser with a known codebook, each code with the same weight in its average."""
    start = torch.tensor(codebook)
    quantiser = VectorQuantizer(num_codes=len(start), dim=start.shape[1], **options)
    with torch.no_grad():
        quantiser.codebook.copy_(start)
        if quantiser.decay is not None:
            quantiser.counts.fill_(count)
            quantiser.sums.copy_(count * start)
    return quantiser


def picture(rows: list[list[float]]) -> Tensor:
    """Vectors as a map (1, dim, 1, N)."""
    return torch.tensor(rows).T[None, :, None, :].clone().requires_grad_()


def test_one_step_by_hand() -> None:
    """Codebook, both gradients and the averages after a step on known vectors, every number."""
    quantiser = pinned([[0.0, 0.0], [4.0, 0.0], [100.0, 100.0]], decay=0.5, restart=0)
    z = picture([[1.0, 0.0], [3.0, 2.0], [5.0, 0.0], [-1.0, 2.0]])
    out = quantiser(z)
    assert out.codes.tolist() == [[[0, 1, 1, 0]]]
    assert torch.equal(out.quantised[0, :, 0].T, torch.tensor([[0.0, 0], [4, 0], [4, 0], [0, 0]]))
    # Squared differences 1, 1 + 4, 1, 1 + 4: their mean over 8 numbers, times 0.25.
    assert out.loss.item() == pytest.approx(0.25 * 12 / 8)
    # Counts 1 -> 0.5 + 0.5 * 2; sums: [0, 0] -> 0.5 * [0, 2], [4, 0] -> [2, 0] + 0.5 * [8, 2].
    assert quantiser.counts.tolist() == [1.5, 1.5, 0.5]
    assert quantiser.sums.tolist() == [[0.0, 1.0], [6.0, 1.0], [50.0, 50.0]]
    expected = torch.tensor([[0.0, 1 / 1.5], [4.0, 1 / 1.5], [100.0, 100.0]])
    assert torch.allclose(quantiser.codebook, expected)
    # The gradient of the reconstruction passes straight through; the commitment adds its own.
    weight = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])[None, :, None]
    ((out.quantised * weight).sum() + out.loss).backward()
    pull = 0.25 * 2 / 8 * torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.0, 2.0, 0.0, 2.0]])
    assert torch.allclose(z.grad, weight + pull[None, :, None])
    assert not list(quantiser.parameters())


def test_one_step_by_gradient_by_hand() -> None:
    """Without averages the codebook's gradient is that of the paper's second term, and no other."""
    quantiser = pinned([[0.0, 0.0], [4.0, 0.0]], decay=None)
    z = picture([[1.0, 0.0], [3.0, 2.0], [5.0, 0.0], [-1.0, 2.0]])
    out = quantiser(z)
    assert out.loss.item() == pytest.approx(1.25 * 12 / 8)
    (1000 * out.quantised.sum() + out.loss).backward()  # the reconstruction does not reach it
    assert torch.allclose(quantiser.codebook.grad, 2 / 8 * torch.tensor([[0.0, -2.0], [0.0, -2.0]]))
    pull = 0.25 * 2 / 8 * torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.0, 2.0, 0.0, 2.0]])
    assert torch.allclose(z.grad, 1000 + pull[None, :, None], atol=1e-4)


def both(
    seed: int, shape: tuple[int, ...], codes: int, **theirs
) -> tuple[VectorQuantizer, nn.Module]:
    torch.manual_seed(seed)
    ours = VectorQuantizer(num_codes=codes, dim=shape[1], decay=0.9, restart=0)
    library = VectorQuantize(
        dim=shape[1],
        codebook_size=codes,
        accept_image_fmap=True,
        rotation_trick=False,
        commitment_weight=0.25,
        **theirs,
    )
    return ours, library


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(3, 8, 5, 7), (1, 4, 1, 1), (2, 16, 9, 4)])
def test_steps_equal_those_of_vector_quantize_pytorch(shape: tuple[int, ...]) -> None:
    """Five steps: codes, output, loss, gradient, counts, sums and codebook."""
    ours, library = both(1, shape, 12, decay=0.9, threshold_ema_dead_code=0, eps=1e-12)
    with torch.no_grad():
        ours.counts.fill_(1.0)
        ours.sums.copy_(ours.codebook)
        library._codebook.embed.copy_(ours.codebook[None])
        library._codebook.embed_avg.copy_(ours.codebook[None])
    for _ in range(5):
        z = torch.randn(shape)
        a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
        mine, (quantised, codes, loss) = ours(a), library(b)
        assert torch.equal(mine.codes, codes)
        assert torch.allclose(mine.quantised, quantised, atol=1e-6)
        assert torch.allclose(mine.loss, loss.sum(), atol=1e-6)
        weight = torch.randn(shape)
        ((mine.quantised * weight).sum() + mine.loss).backward()
        ((quantised * weight).sum() + loss.sum()).backward()
        assert torch.allclose(a.grad, b.grad, atol=1e-6)
        assert torch.allclose(ours.counts, library._codebook.cluster_size[0], atol=1e-6)
        assert torch.allclose(ours.sums, library._codebook.embed_avg[0], atol=1e-5)
        assert torch.allclose(ours.codebook, library._codebook.embed[0], atol=1e-5)


@pytest.mark.parity
def test_gradients_of_a_learned_codebook_equal_the_librarys() -> None:
    torch.manual_seed(3)
    ours = VectorQuantizer(num_codes=9, dim=6, decay=None)
    library = VectorQuantize(
        dim=6,
        codebook_size=9,
        accept_image_fmap=True,
        rotation_trick=False,
        learnable_codebook=True,
        ema_update=False,
        commitment_weight=1.0,
        commitment_use_cross_entropy_loss=False,
    )
    with torch.no_grad():
        library._codebook.embed.copy_(ours.codebook[None])
    z = torch.randn(2, 6, 3, 5)
    mine = ours(z)
    _, codes, loss = library(z)
    assert torch.equal(mine.codes, codes)
    mine.loss.backward()
    loss.sum().backward()
    # There one loss pulls both; with weight 1 its gradient on the codebook is our second term's.
    assert torch.allclose(ours.codebook.grad, library._codebook.embed.grad[0], atol=1e-6)


def test_the_nearest_is_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, codebook = torch.randn(301, 5).double(), torch.randn(17, 5).double()
    expected = torch.cdist(vectors, codebook).argmin(1)
    assert torch.equal(nearest_codes(vectors, codebook), expected)
    monkeypatch.setattr("course_lib.ops.quantiser.CHUNK", 50)  # two rows at a time
    assert torch.equal(nearest_codes(vectors, codebook), expected)
    same = torch.zeros(4, 2)
    assert nearest_codes(torch.randn(3, 2), same).tolist() == [0, 0, 0]


def test_nothing_is_learned_in_eval() -> None:
    quantiser = VectorQuantizer(num_codes=7, dim=3)
    quantiser(torch.randn(2, 3, 4, 4))
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    quantiser.eval()
    out = quantiser(torch.randn(2, 3, 4, 4))
    assert all(torch.equal(before[name], v) for name, v in quantiser.state_dict().items())
    assert torch.allclose(out.quantised, quantiser.lookup(out.codes), atol=1e-6)


def test_a_dead_code_is_restarted_and_stays_where_it_was_put() -> None:
    """The trap: the old count and sum bring the code back in the very step of its restart."""
    quantiser = pinned([[0.0, 0.0], [500.0, 500.0]], count=1e-6, decay=0.5, restart=0.1)
    z = picture([[1.0, 1.0], [1.2, 1.0], [0.9, 1.1]])
    quantiser(z)
    assert any(torch.allclose(quantiser.codebook[1], v) for v in z.detach()[0, :, 0].T)
    # Twice the count of a dead one, a tenth of an equal share of three vectors.
    assert quantiser.counts[1].item() == pytest.approx(2 * 0.1 * 1.5)
    place = quantiser.codebook[1].clone()
    quantiser.eval()(z)
    assert torch.equal(quantiser.codebook[1], place)
    quantiser.train()(picture([[50.0, 50.0]]))  # later steps move it, by its own average
    assert torch.allclose(quantiser.sums / quantiser.counts[:, None], quantiser.codebook, atol=1e-5)


def test_without_restart_a_dead_code_stays() -> None:
    quantiser = pinned([[0.0, 0.0], [500.0, 500.0]], decay=0.5, restart=0)
    for _ in range(400):  # its count underflows on the way
        quantiser(picture([[1.0, 1.0], [1.2, 1.0]]))
    assert torch.allclose(quantiser.codebook[1], torch.tensor([500.0, 500.0]))
    assert quantiser.counts[1] < 1e-30


def test_the_first_batch_fills_the_codebook() -> None:
    """Far from the random start every code is used at once, or put where vectors are."""
    quantiser = VectorQuantizer(num_codes=16, dim=4)
    vectors = 50 + torch.randn(8, 4, 6, 6)
    quantiser(vectors)
    assert (quantiser.codebook > 40).all()
    used = quantiser.eval()(vectors).codes.unique()
    assert len(used) >= 12
    assert quantiser.counts.min() > FIRST


def test_a_codebook_larger_than_the_data() -> None:
    quantiser = VectorQuantizer(num_codes=64, dim=3)
    z = torch.randn(1, 3, 2, 2)
    for _ in range(3):
        out = quantiser(z)
        assert quantiser.codebook.isfinite().all() and out.loss.isfinite()
    out = quantiser.eval()(z)
    assert torch.allclose(out.quantised, z, atol=1e-4)  # each vector has a code of its own


def test_a_constant_map() -> None:
    quantiser = VectorQuantizer(num_codes=5, dim=2)
    z = torch.ones(2, 2, 3, 3)
    quantiser(z)
    out = quantiser(z)
    assert torch.allclose(out.quantised, z) and out.loss.item() == pytest.approx(0, abs=1e-9)


def test_it_settles_like_k_means() -> None:
    """On three clusters the codebook ends at their means, as k-means does from the same start."""
    torch.manual_seed(4)
    centres = torch.tensor([[0.0, 5.0], [5.0, 0.0], [-5.0, -5.0]])
    quantiser = pinned([[1.0, 2.0], [2.0, 1.0], [-1.0, -1.0]], decay=0.8)
    for _ in range(200):
        kind = torch.randint(3, (64,))
        quantiser((centres[kind] + 0.1 * torch.randn(64, 2)).T[None, :, None])
    gaps = torch.cdist(centres, quantiser.codebook)
    assert gaps.amin(1).max() < 0.1 and gaps.amin(0).max() < 0.1


def test_distances_are_in_full_precision_under_autocast() -> None:
    quantiser = pinned([[100.0], [100.2]], decay=None)
    z = picture([[100.15], [100.05]]).detach()
    with torch.autocast("cpu", torch.bfloat16):
        assert quantiser(z).codes.flatten().tolist() == [1, 0]
        assert quantiser(z.bfloat16()).quantised.dtype == torch.bfloat16


def test_the_average_counts_what_it_should() -> None:
    """After many equal batches the count is the uses in a batch."""
    quantiser = pinned([[0.0], [1.0]], decay=0.5, restart=0)
    for _ in range(60):
        quantiser(picture([[0.1], [0.9], [1.1]]))
    assert torch.allclose(quantiser.counts, torch.tensor([1.0, 2.0]))
    assert math.isclose(quantiser.codebook[1].item(), 1.0, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"num_codes": 0}, "num_codes is 0"),
        ({"decay": 1.0}, "decay is 1.0"),
        ({"restart": 1.0}, "restart 1.0"),
        ({"commitment": -1.0}, "commitment is -1.0"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        VectorQuantizer(**{"num_codes": 4, "dim": 2} | options)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 4, 4, 4), (0, 3, 4, 4)])
def test_wrong_maps_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="wanted floating-point features"):
        VectorQuantizer(num_codes=4, dim=3)(torch.zeros(shape))


@pytest.mark.parity
def test_it_is_much_faster_than_the_library() -> None:
    """Forward and backward, K = 1024, N = 16,384; at least five times as fast where it is quiet."""
    from course_lib.results.bench.quantiser import bench

    measured = bench(repeats=3)
    assert measured["same_codes"] == 1.0
    assert measured["vector_quantize_pytorch"] > 3 * measured["course_lib"]  # a busy machine
