"""VQ-VAE and the prior of its codes."""

import itertools
import math

import pytest
import torch

from course_lib.losses import log_likelihood
from course_lib.models import VQVAE, CodeGenerator, CodePrior, generator_of
from course_lib.train import draw_samples

SMALL = {"width": 16, "dim": 4, "num_codes": 6}


@pytest.mark.parametrize("size", [(8, 8), (9, 14), (33, 17)])
@pytest.mark.parametrize("halvings", [1, 2, 3])
@pytest.mark.parametrize("likelihood", ["gaussian", "logistic"])
def test_shapes_at_odd_sizes_too(size, halvings, likelihood) -> None:
    model = VQVAE(size=size, halvings=halvings, likelihood=likelihood, **SMALL)
    images = torch.randint(256, (3, 3, *size)).float() / 127.5 - 1
    pixels, codes, loss = model(images)
    assert codes.shape == (3, *model.code_size) and pixels.location.shape == images.shape
    assert model.code_size == tuple(math.ceil(side / 2**halvings) for side in size)
    (loss - log_likelihood(pixels, images).mean()).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, name


def test_codes_and_pictures_agree() -> None:
    model = VQVAE(size=(8, 12), **SMALL).eval()
    images = torch.rand(2, 3, 8, 12) * 2 - 1
    pixels, codes, _ = model(images)
    assert torch.equal(codes, model.encode(images))
    assert torch.allclose(model.decode(codes), pixels.picture(), atol=1e-5)
    assert torch.equal(model.reconstruct(images), model.decode(codes))
    with pytest.raises(ValueError, match=r"wanted whole numbers of shape \(B, 2, 3\)"):
        model.decode(codes[:, :1])


def test_encoding_learns_nothing_even_in_training_mode() -> None:
    model = VQVAE(size=8, **SMALL).train()
    before = model.quantiser.codebook.clone()
    model.encode(torch.rand(2, 3, 8, 8))
    assert torch.equal(before, model.quantiser.codebook)


def tiny(classes: int = 0, seed: int = 0) -> CodePrior:
    """A prior of two rows of two codes out of three, with weights that have opinions."""
    torch.manual_seed(seed)
    prior = CodePrior(num_codes=3, size=(2, 2), width=8, layers=2, heads=2, num_classes=classes)
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.7)
    return prior.eval()


def every() -> torch.Tensor:
    """All 81 maps."""
    return torch.tensor(list(itertools.product(range(3), repeat=4))).view(81, 2, 2)


@pytest.mark.parametrize("label", [None, 0, 1])
def test_the_probabilities_of_all_maps_sum_to_one(label: int | None) -> None:
    prior = tiny(classes=0 if label is None else 2)
    told = None if label is None else torch.full((81,), label)
    chance = prior.log_prob(every(), told).double().exp()
    assert chance.sum().item() == pytest.approx(1, abs=1e-5)
    assert chance.max() > 3 / 81  # it has opinions


def test_it_does_not_see_the_future_nor_itself() -> None:
    """A code that changes moves no logits at its own place or before, and all after it."""
    torch.manual_seed(3)
    prior = CodePrior(num_codes=5, size=(3, 4), width=16, layers=2, heads=2)
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.5)
    codes = torch.randint(5, (2, 3, 4))
    before = prior(codes).flatten(1, 2)
    for place in range(12):
        other = codes.clone().flatten(1)
        other[:, place] = (other[:, place] + 1) % 5
        after = prior(other.view(2, 3, 4)).flatten(1, 2)
        assert torch.equal(before[:, : place + 1], after[:, : place + 1])
        moved = (before[:, place + 1 :] - after[:, place + 1 :]).abs().amax(-1)
        assert (moved > 1e-6).all()


def test_samples_have_the_stated_probabilities() -> None:
    prior = tiny(seed=1)
    maps = prior.sample(torch.rand(40_000, 4))
    number = (maps.flatten(1) * torch.tensor([27, 9, 3, 1])).sum(1)
    counted = torch.bincount(number, minlength=81) / 40_000
    expected = prior.log_prob(every()).exp()
    error = (expected * (1 - expected) / 40_000).sqrt()
    assert ((counted - expected).abs() < 5 * error + 1e-4).all()


def test_sampling_step_by_step_equals_the_whole_pass() -> None:
    """What the memory of keys and values gives is what the full pass gives: greedy, by both."""
    prior = tiny(classes=2, seed=4)
    labels = torch.tensor([0, 1, 1])
    cold = prior.sample(torch.full((3, 4), 0.5), labels, temperature=1e-4)
    slow = torch.zeros(3, 2, 2, dtype=torch.int64)
    for place in range(4):
        best = prior(slow, labels).flatten(1, 2)[:, place].argmax(-1)
        slow.view(3, 4)[:, place] = best
    assert torch.equal(cold, slow)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_sharpens_each_choice(temperature: float) -> None:
    """Counted maps against the product of the conditional probabilities at that temperature."""
    prior = tiny(classes=2, seed=1)
    labels = torch.tensor([0, 1]).repeat(20_000)
    maps = prior.sample(torch.rand(40_000, 4), labels, temperature=temperature)
    for label in (0, 1):
        some = maps[labels == label].flatten(1)
        counted = torch.bincount((some * torch.tensor([27, 9, 3, 1])).sum(1), minlength=81) / 20_000
        logits = prior(every(), torch.full((81,), label)) / temperature
        each = logits.log_softmax(-1).gather(-1, every()[..., None]).flatten(1)
        expected = each.sum(1).exp()
        error = (expected * (1 - expected) / 20_000).sqrt()
        assert ((counted - expected).abs() < 5 * error + 2e-4).all()


@pytest.mark.parametrize("rank", [0.0, 1.0])
def test_no_code_without_a_probability_is_drawn(rank: float) -> None:
    """At both ends of the interval, where the first and the last code are impossible."""
    prior = tiny()
    with torch.no_grad():
        prior.next.weight.zero_()
        prior.next.bias.copy_(torch.tensor([-1e4, 0.0, -1e4]))
    assert (prior.sample(torch.full((2, 4), rank)) == 1).all()
    assert (prior.sample(torch.full((2, 4), rank).double()) == 1).all()


def test_given_codes_are_kept() -> None:
    prior = tiny(seed=5)
    given = torch.tensor([[2, 1], [0, 0]])
    maps = prior.sample(torch.rand(2, 4), given=given)
    assert torch.equal(maps[:, 0], given)
    # The rest follows from what is given: its share is the conditional probability.
    many = prior.sample(torch.rand(20_000, 4), given=given[:1].expand(20_000, 2))
    all_maps = every()
    fits = (all_maps[:, 0] == given[0]).all(1)
    chance = prior.log_prob(all_maps[fits]).exp()
    chance = chance / chance.sum()
    number = many[:, 1] @ torch.tensor([3, 1])
    assert torch.allclose(torch.bincount(number, minlength=9) / 20_000, chance, atol=0.02)


@pytest.mark.slow
def test_it_learns_a_rule() -> None:
    """Maps whose second row repeats the first: only 9 of 81, which is 2.2 nats."""
    torch.manual_seed(6)
    prior = CodePrior(num_codes=3, size=(2, 2), width=32, layers=2, heads=2)
    adam = torch.optim.Adam(prior.parameters(), lr=3e-3)
    for _ in range(300):
        row = torch.randint(3, (64, 1, 2))
        loss = -prior.log_prob(row.expand(64, 2, 2).contiguous()).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() == pytest.approx(math.log(9), abs=0.1)


def generator(classes: int = 0) -> CodeGenerator:
    torch.manual_seed(7)
    return CodeGenerator(
        codes={"size": (8, 12), **SMALL},
        prior={"width": 16, "layers": 1, "heads": 2, "num_classes": classes},
    ).eval()


def test_it_is_a_generator_like_any_other() -> None:
    model = generator(classes=2)
    sheet = draw_samples(generator_of(model), 6)
    assert sheet.shape == (6, 3, 8, 12)
    assert torch.equal(sheet[:2], draw_samples(model, 2))  # the first of a seed, whatever follows
    with pytest.raises(ValueError, match="prior of its codes"):
        generator_of(model.codes)


def test_a_picture_is_completed() -> None:
    model = generator()
    images = torch.rand(2, 3, 8, 12) * 2 - 1
    codes = model.codes.encode(images)
    whole = model.complete(images, 2, uniform=torch.rand(2, 6))
    assert torch.equal(whole, model.codes.decode(codes))
    half = model.codes.encode(images)[:, :1]
    drawn = model.prior.sample(torch.full((2, 6), 0.3), given=half.flatten(1))
    uniform = torch.full((2, 6), 0.3)
    assert torch.equal(model.complete(images, 1, uniform=uniform), model.codes.decode(drawn))
    told, own = torch.tensor([0, 1]), generator(classes=2)
    for weight in own.prior.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.7)
    kept = own.codes.encode(images)[:, :1].flatten(1)
    uniform = torch.rand(2, 6)
    plain = own.prior.sample(uniform, told, given=kept)
    for labels, temperature in ((told, 0.3), (told, 3.0), (1 - told, 0.3)):
        drawn = own.prior.sample(uniform, labels, given=kept, temperature=temperature)
        whole = own.complete(images, 1, labels, uniform=uniform, temperature=temperature)
        assert torch.equal(whole, own.codes.decode(drawn))
        assert not torch.equal(drawn, plain)
    with pytest.raises(ValueError, match="rows is 3"):
        model.complete(images, 3, uniform=uniform)


def given(codes: torch.Tensor) -> torch.Tensor:
    return tiny().sample(torch.rand(2, 4), given=codes)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: VQVAE(size=7), "size is 7x7"),
        (lambda: VQVAE(size=8, halvings=4), "halve less often"),
        (lambda: CodePrior(width=10, heads=4), "do not divide"),
        (lambda: tiny().sample(torch.rand(2, 3)), "wanted \\(B, 4\\)"),
        (lambda: tiny().sample(torch.rand(2, 4), temperature=0.0), "must be positive"),
        (lambda: tiny().sample(torch.rand(2, 4), temperature=math.nan), "must be positive"),
        (lambda: tiny()(torch.zeros(1, 2, 3).long()), "wanted whole numbers"),
        (lambda: tiny().sample(torch.full((2, 4), 1.5)), "wanted 0 to 1"),
        (lambda: tiny().sample(torch.full((2, 4), torch.nan)), "wanted 0 to 1"),
        (lambda: given(torch.zeros(2, 5).long()), "n at most 4"),
        (lambda: given(torch.zeros(3, 1).long()), "shape \\(2, n\\)"),
        (lambda: given(torch.zeros(2, 1)), "whole numbers of shape"),
        (lambda: given(torch.tensor([[0], [3]])), "given goes from 0 to 3; there are 3 codes"),
    ],
)
def test_what_does_not_fit_is_refused(make, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()


@pytest.mark.parametrize("given", [{"layers": 0}, {"heads": 0}, {"heads": -2}])
def test_a_prior_without_layers_or_heads_is_none(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CodePrior(num_codes=4, size=2, **given)


def test_a_map_is_not_halved_less_than_never() -> None:
    with pytest.raises(ValueError, match="halvings is -1"):
        VQVAE(size=12, halvings=-1)


def test_in_float64_it_names_the_same_codes() -> None:
    torch.manual_seed(0)
    model = VQVAE(size=(9, 14), **SMALL)
    images = torch.rand(2, 3, 9, 14) * 2 - 1
    codes = model.eval().encode(images)
    double = model.double()
    assert torch.equal(double.encode(images.double()), codes)
    assert double.reconstruct(images.double()).dtype == torch.float64
    model.train()(images.double())  # and the codebook follows
    assert model.quantiser.codebook.dtype == torch.float64
