"""The equations of book/math/vector-quantisation.md, by hand, by brute force, by scikit-learn."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import entropy, norm
from sklearn.cluster import KMeans

from course_lib.losses import logistic_log_likelihood
from course_lib.metrics import bits_per_dim, codes_log_likelihood, perplexity
from course_lib.models import CodeGenerator, CodePrior
from course_lib.ops import VectorQuantizer
from course_lib.ops.quantiser import nearest_codes

F64 = torch.float64
EXAMPLE = [1.0, 2.0, 4.0, 7.0]  # the chapter's vectors on a line; the codes are 0 and 3


def on_a_line(values):
    """Vectors of one number as a map (1, 1, 1, n)."""
    return torch.tensor(values).view(1, 1, 1, -1)


def example(**arguments):
    quantiser = VectorQuantizer(num_codes=2, dim=1, restart=0, **arguments)
    with torch.no_grad():
        quantiser.codebook.copy_(torch.tensor([[0.0], [3.0]]))
    if quantiser.decay is not None:
        quantiser.counts.fill_(1.0)
        quantiser.sums.copy_(quantiser.codebook)
    return quantiser


@pytest.mark.equation("eq-nearest-code")
def test_the_nearest_code():
    rng = np.random.default_rng(0)
    vectors, codebook = rng.normal(size=(37, 5)), rng.normal(size=(11, 5))
    exact = cdist(vectors, codebook).argmin(1)
    second_form = (0.5 * (codebook**2).sum(1) - vectors @ codebook.T).argmin(1)
    assert (second_form == exact).all()
    assert (nearest_codes(torch.tensor(vectors), torch.tensor(codebook)).numpy() == exact).all()
    pair = torch.tensor([[0.0, 0.0], [2.0, 2.0]])
    assert nearest_codes(torch.tensor([[1.5, 0.0], [1.0, 1.0]]), pair).tolist() == [0, 0]


@pytest.mark.equation("eq-distortion")
@pytest.mark.equation("eq-code-mean")
def test_taking_turns_is_k_means():
    """The chapter's example, then scikit-learn from the same start; no turn raises Q."""
    vectors, codes, course = np.array(EXAMPLE)[:, None], np.array([[0.0], [3.0]]), []
    for _ in range(4):
        choice = cdist(vectors, codes).argmin(1)
        course.append((codes[:, 0].tolist(), ((vectors - codes[choice]) ** 2).sum(1).mean()))
        codes = np.array([vectors[choice == k].mean(0) for k in range(2)])
    assert [q for _, q in course] == pytest.approx([4.75, 2.0556, 1.25, 1.25], abs=1e-4)
    assert course[1][0] == pytest.approx([1, 13 / 3]) and course[2][0] == pytest.approx([1.5, 5.5])
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(200, 3))
    start = vectors[:6].copy()
    theirs = KMeans(6, init=start, n_init=1, algorithm="lloyd", max_iter=500, tol=0).fit(vectors)
    codes, before = start, math.inf
    for _ in range(100):
        choice = nearest_codes(torch.tensor(vectors), torch.tensor(codes)).numpy()
        q = ((vectors - codes[choice]) ** 2).sum(1).mean()
        assert q <= before + 1e-12
        before = q
        codes = np.array([vectors[choice == k].mean(0) for k in range(6)])
    assert codes == pytest.approx(theirs.cluster_centers_)
    assert before == pytest.approx(theirs.inertia_ / 200)


@pytest.mark.equation("eq-straight-through")
@pytest.mark.parametrize("decay", [None, 0.99])
def test_the_gradient_passes_the_choice(decay):
    torch.manual_seed(0)
    quantiser = VectorQuantizer(num_codes=5, dim=3, decay=decay)
    u = torch.randn(2, 3, 4, 5, requires_grad=True)
    table = quantiser.codebook.detach().clone()
    quantised, codes, _ = quantiser(u)
    assert torch.allclose(quantised, table[codes].movedim(-1, 1), atol=1e-6)
    given = torch.randn_like(u)
    wanted = [u, *quantiser.parameters()]
    grads = torch.autograd.grad(quantised, wanted, given, allow_unused=True)
    assert torch.equal(grads[0], given)
    assert all(grad is None or not grad.any() for grad in grads[1:])


@pytest.mark.equation("eq-straight-through-gap")
def test_the_gap_is_bounded_by_the_distance():
    """A quadratic loss, whose slope changes by its largest eigenvalue at most."""
    torch.manual_seed(0)
    root = torch.randn(4, 4, dtype=F64)
    matrix = root @ root.T
    steepest = np.linalg.eigvalsh(matrix.numpy()).max()
    codebook = torch.randn(7, 4, dtype=F64)
    tight = 0.0
    for u in torch.randn(200, 4, dtype=F64):
        code = codebook[nearest_codes(u[None], codebook)[0]]
        slopes = []
        for at in (code, u):
            at = at.clone().requires_grad_()
            slopes.append(torch.autograd.grad(0.5 * at @ matrix @ at, at)[0])
        gap = (slopes[0] - slopes[1]).norm().item()
        limit = steepest * (code - u).norm().item()
        assert gap <= limit + 1e-9
        tight = max(tight, gap / limit)
    assert tight > 0.8  # the bound is not far off


@pytest.mark.equation("eq-code-commitment")
def test_who_is_moved_by_which_term():
    """The example by hand; and the table of the chapter, entry by entry."""
    u = on_a_line(EXAMPLE).requires_grad_()
    quantiser = example(decay=None)
    quantised, codes, loss = quantiser(u)
    assert codes.flatten().tolist() == [0, 1, 1, 1]
    errors = np.array([1, -1, 1, 4.0])  # u minus its code
    assert loss.item() == pytest.approx(1.25 * (errors**2).mean())
    grads = torch.autograd.grad(loss, [u, quantiser.codebook], retain_graph=True)
    assert grads[0].flatten().tolist() == pytest.approx(0.25 * 2 * errors / 4)
    assert grads[0].flatten()[3].item() == pytest.approx(0.5)
    # The codebook's term has the weight 1, and the other sign: codes move towards their vectors.
    assert grads[1].flatten().tolist() == pytest.approx([-2 * 1 / 4, -2 * (-1 + 1 + 4) / 4])
    reconstruction = (quantised - 5).square().sum()
    grads = torch.autograd.grad(reconstruction, [u, quantiser.codebook], allow_unused=True)
    assert grads[0].flatten().tolist() == pytest.approx([-10, -4, -4, -4])
    assert grads[1] is None or not grads[1].any()
    # With averages the commitment alone is left.
    assert example(decay=0.5)(on_a_line(EXAMPLE)).loss.item() == pytest.approx(0.25 * 4.75)
    # The trap: the term after the straight-through line is 0 and has no slope for the codebook.
    table = torch.tensor([[0.0], [3.0]], requires_grad=True)
    chosen = table[codes.flatten()]
    straight = u.flatten()[:, None] + (chosen - u.flatten()[:, None]).detach()
    late = (straight.detach() - chosen).square().mean()
    assert late.item() == 0 and not torch.autograd.grad(late, table)[0].any()


@pytest.mark.equation("eq-code-average")
@pytest.mark.equation("eq-code-average-step")
def test_the_codebook_is_an_average():
    quantiser = example(decay=0.5)
    quantiser(on_a_line(EXAMPLE))
    assert quantiser.counts.tolist() == [1.0, 2.0]
    assert quantiser.sums.flatten().tolist() == [0.5, 8.0]
    assert quantiser.codebook.flatten().tolist() == [0.5, 4.0]
    for count, mean, old, now in ((1, 1.0, 0.0, 0.5), (3, 13 / 3, 3.0, 4.0)):
        rate = 0.5 * count / (0.5 * 1 + 0.5 * count)
        assert old + rate * (mean - old) == pytest.approx(now)
    # Several batches: a mean with the weight γ^t, and the step's form at each of them.
    torch.manual_seed(0)
    decay, past = 0.9, []
    quantiser = VectorQuantizer(num_codes=3, dim=2, decay=decay, restart=0)
    counts, codebook = quantiser.counts.clone(), quantiser.codebook.clone()
    first = counts[:, None] * codebook
    for t in range(6):
        u = torch.randn(2, 2, 3, 4)
        flat = u.movedim(1, -1).reshape(-1, 2)
        choice = torch.cdist(flat, codebook).argmin(1)
        for k in range(3):
            own = flat[choice == k]
            if len(own):
                rate = (1 - decay) * len(own) / (decay * counts[k] + (1 - decay) * len(own))
                assert 0 < rate <= 1
                codebook[k] += rate * (own.mean(0) - codebook[k])
            counts[k] = decay * counts[k] + (1 - decay) * len(own)
        past.append((flat, choice))
        quantiser(u)
        assert torch.allclose(quantiser.codebook, codebook, atol=1e-4)
        for k in range(3):
            weight, total = 1e-3 * decay ** (t + 1), first[k] * decay ** (t + 1)
            for age, (vectors, codes) in enumerate(reversed(past)):
                share = (1 - decay) * decay**age
                weight += share * (codes == k).sum().item()
                total = total + share * vectors[codes == k].sum(0)
            assert torch.allclose(total / weight, quantiser.codebook[k], atol=1e-3)


@pytest.mark.equation("eq-code-life")
@pytest.mark.parametrize(("decay", "share"), [(0.99, 0.1), (0.9, 0.3)])
def test_how_long_a_newcomer_has(decay, share):
    """Counted by the package: all vectors choose code 0, and code 1 is put elsewhere at times."""
    torch.manual_seed(0)
    quantiser = VectorQuantizer(num_codes=2, dim=1, decay=decay, restart=share)
    with torch.no_grad():
        quantiser.codebook.copy_(torch.tensor([[0.0], [9.0]]))
        quantiser.counts.copy_(torch.tensor([4.0, 1e-6]))
        quantiser.sums.copy_(quantiser.counts[:, None] * quantiser.codebook)
    u, restarts = (
        torch.zeros(1, 1, 1, 4),
        [],
    )  # equal vectors: the first of two equal codes is taken
    last = 0.0
    for step in range(200):
        quantiser(u)
        if quantiser.counts[1] > last:
            restarts.append(step)
        last = quantiser.counts[1].item()
    assert quantiser.codebook[1].item() == 0  # put on a vector of the batch
    life = math.ceil(math.log(2) / math.log(1 / decay))
    assert set(np.diff(restarts)) == {life}
    if decay == 0.99:
        assert life == 69


@pytest.mark.equation("eq-perplexity")
def test_perplexity():
    counts = np.array([2.0, 1, 1, 0])
    assert perplexity(torch.tensor(counts)).item() == pytest.approx(2**1.5)
    assert round(2**1.5, 2) == 2.83
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, 50)
    ours = perplexity(torch.tensor(counts)).item()
    assert ours == pytest.approx(math.exp(entropy(counts)))
    assert perplexity(torch.tensor([7, 0, 0])).item() == pytest.approx(1)
    assert perplexity(torch.full((512,), 3)).item() == pytest.approx(512)


def tiny():
    """Four codes, maps of 2x1: sixteen sequences in all; a prior that is not uniform."""
    torch.manual_seed(0)
    model = CodeGenerator(
        codes={"in_channels": 1, "size": (16, 8), "width": 8, "dim": 2, "num_codes": 4,
               "halvings": 3, "blocks": 1, "likelihood": "logistic"},
        prior={"width": 16, "layers": 1, "heads": 2},
    ).eval()  # fmt: skip
    torch.nn.init.normal_(model.prior.next.weight, 0, 0.5)
    return model


def all_maps(model):
    rows = itertools.product(range(model.prior.num_codes), repeat=model.prior.length)
    return torch.tensor([*rows]).view(-1, *model.prior.size)


@pytest.mark.equation("eq-code-bound")
@torch.no_grad()
def test_one_term_of_the_sum_is_a_bound():
    """All maps of codes are summed; the package's two parts lie below, and are one term of it."""
    model = tiny()
    maps = all_maps(model)
    images = (torch.randint(0, 256, (5, 1, 16, 8)) / 127.5 - 1).float()
    parts = codes_log_likelihood(model, images)
    pixels = model.codes.pixels(maps)
    prior = model.prior.log_prob(maps).double()
    for image, likely, code in zip(images, *parts, strict=True):
        each = logistic_log_likelihood(
            pixels.location, pixels.log_scale, image.expand(len(maps), 1, 16, 8)
        ).double()
        exact = torch.logsumexp(each + prior, 0).item()
        assert likely.item() + code.item() <= exact + 1e-3
        assert ((each + prior) - (likely + code)).abs().min().item() < 1e-2


@pytest.mark.equation("eq-code-rate")
def test_a_uniform_prior_costs_the_same_for_each_image():
    prior = CodePrior(num_codes=6, size=(2, 3), width=8, layers=1, heads=2).eval()
    codes = torch.randint(0, 6, (7, 2, 3))  # a fresh prior is uniform
    bits = -prior.log_prob(codes).detach() / math.log(2)
    assert bits.tolist() == pytest.approx([6 * math.log2(6)] * 7, rel=1e-5)
    assert 64 * math.log2(512) == 576
    # On average the best prior, the true shares, needs no more: entropy is at most its maximum.
    shares = np.random.default_rng(0).dirichlet(np.ones(36))
    assert entropy(shares, base=2) <= 2 * math.log2(6)


@pytest.mark.equation("eq-autoregressive")
@torch.no_grad()
def test_all_sequences_together_have_probability_one():
    model = tiny()
    maps = all_maps(model)
    ours = model.prior.log_prob(maps)
    assert ours.double().exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert ours.std() > 0.05  # not uniform
    # The factors one by one, each from a map whose later codes are scrambled: no future is seen.
    for codes, value in zip(maps, ours, strict=True):
        total = 0.0
        for place in range(model.prior.length):
            other = codes.flatten().clone()
            other[place:] = torch.randint(0, 4, (model.prior.length - place,))
            logits = model.prior(other.view(1, *model.prior.size)).view(-1, 4)[place]
            total += logits.log_softmax(0)[codes.flatten()[place]].item()
        assert total == pytest.approx(value.item(), abs=1e-4)


@pytest.mark.equation("eq-rank-sampling")
@torch.no_grad()
def test_drawing_by_rank():
    """Evenly spaced ranks give each code as often as it is probable."""
    model = tiny()
    first = model.prior(torch.zeros(1, *model.prior.size, dtype=torch.int64)).view(-1, 4)[0]
    chances = first.double().softmax(0)
    ranks = (torch.arange(4000).double() + 0.5) / 4000
    uniform = torch.stack([ranks, torch.full_like(ranks, 0.5)], 1)
    drawn = model.prior.sample(uniform).flatten(1)[:, 0]
    share = torch.bincount(drawn, minlength=4) / 4000
    assert share.tolist() == pytest.approx(chances.tolist(), abs=5e-4)
    edges = chances.cumsum(0)
    by_hand = [min(k for k in range(4) if edges[k] >= v or k == 3) for v in ranks[::37].tolist()]
    assert drawn[::37].tolist() == by_hand
    # The generator's own noise is turned into ranks by the normal distribution.
    z = torch.randn(6, model.latent_dim)
    maps = model.prior.sample(torch.tensor(norm.cdf(z.double().numpy())))
    assert torch.equal(model(z), model.codes.decode(maps))


@pytest.mark.equation("eq-bits-per-dim")
def test_bits():
    """Eight bits for knowing nothing; the chapter's numbers."""
    nothing = torch.tensor([-3072 * math.log(256)], dtype=F64)
    assert bits_per_dim(nothing, 3072).item() == pytest.approx(8)
    assert bits_per_dim(torch.tensor(-2000.0), 784).item() == pytest.approx(3.68, abs=0.005)
    assert round(576 / 3072, 2) == 0.19
