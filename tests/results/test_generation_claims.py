"""The generators' claims: one recipe for each family, equal data, judged by the same numbers."""

import statistics
from pathlib import Path

import pytest
import torch

from course_lib.recipes import generation as recipes
from course_lib.results import CLAIMS, load
from course_lib.results.claim import Context
from course_lib.results.claims import gan_compute, generation
from course_lib.train import draw_samples, shipped

COMPARED = recipes.COMPARED


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)


def test_every_family_stands_on_every_data_set() -> None:
    for task in generation.TITLES:
        for family in COMPARED:
            claim = CLAIMS[f"{family}-{task}"]
            assert len(claim.seeds) == (3 if task in generation.COMPARED_ON else 1)
            assert claim.checkpoint == generation.checkpoint_name(family, task)
        assert f"real-{task}" in CLAIMS


def test_a_claim_measures_scores_and_keeps_the_generator(context: Context) -> None:
    measured = CLAIMS["stylegan-shapes"].measure(context)
    assert {"cfd", "kernel_distance", "precision", "recall", "density", "coverage"} <= set(
        measured.metrics
    )
    assert measured.metrics["copied_pixels"] <= 1
    assert measured.metrics["images_seen"] == 2 * 16
    assert len(measured.curves["val_cfd"]) == len(measured.curves["val_cfd_images"]) == 2
    assert measured.trained is not None
    model, card = measured.trained
    assert card["task"] == "generation"
    again = type(model)(**card["arguments"])
    again.load_state_dict(model.state_dict())
    # The claim's model keeps its channels innermost, which may round a grey level otherwise.
    assert (draw_samples(again, 3).int() - draw_samples(model, 3).int()).abs().max() <= 1


def test_real_images_score_better_than_an_untrained_generator(context: Context) -> None:
    real = CLAIMS["real-shapes"].measure(context).metrics["cfd"]
    made = CLAIMS["dcgan-shapes"].measure(context).metrics["cfd"]
    assert real < made / 3


def test_the_published_numbers_say_why_they_differ() -> None:
    for claim in generation.CLAIMS:
        for published in claim.published:
            assert "FID" in published.reason and "CFD" in published.reason


def test_the_compute_claims_measure_each_family(context: Context) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        metrics = CLAIMS["generation-compute"].measure(context).metrics
        assert torch.get_num_threads() == threads + 1  # put back
    finally:
        torch.set_num_threads(threads)
    for family in recipes.FAMILIES:
        assert metrics[f"{family}_images_per_second"] > 0
    step = gan_compute.CLAIMS[-1].measure(context).metrics
    assert step["ratio"] == pytest.approx(step["ours_ms"] / step["example_ms"])


def test_what_the_comparison_says_was_measured() -> None:
    results = {f"{f}-{t}": load(f"{f}-{t}") for t in generation.COMPARED_ON for f in COMPARED}
    cfd = {name: result.values("cfd") for name, result in results.items()}
    for name, result in results.items():  # one budget, to a tenth
        family = name.removesuffix("-" + name.rsplit("-", 1)[-1])
        assert set(result.values("updates")) == {recipes.FAMILIES[family].config.steps}, name
    costs = [
        recipes.FAMILIES[family].config.steps * load("generation-compute").mean(f"{family}_step_ms")
        for family in COMPARED
    ]
    assert max(costs) < 1.1 * min(costs)
    # Digits: every seed of the one before every seed of the next; StyleGAN2 varies most.
    assert max(cfd["wgan-gp-mnist"]) < min(cfd["dcgan-mnist"])
    assert max(cfd["dcgan-mnist"]) < min(cfd["stylegan-mnist"])
    assert results["stylegan-mnist"].mean("recall") < 0.2 * results["dcgan-mnist"].mean("recall")
    # Photographs and shapes: DCGAN leads, StyleGAN2 is last.
    for task in ("cifar10", "shapes"):
        means = [results[f"{family}-{task}"].mean("cfd") for family in COMPARED]
        assert means == sorted(means), task
    assert min(cfd["stylegan-cifar10"]) > max(cfd["wgan-gp-cifar10"])
    photographs = {family: results[f"{family}-cifar10"] for family in COMPARED}
    precision = [result.mean("precision") for result in photographs.values()]
    assert max(precision) - min(precision) < 0.03
    recall = {family: result.mean("recall") for family, result in photographs.items()}
    assert recall["stylegan"] < 0.5 * min(recall["dcgan"], recall["wgan-gp"])
    # Copies: no mean above what new images have, one seed of WGAN-GP above it, in pixels alone.
    shares = {
        (name, space): result.values(f"copied_{space}")
        for name, result in results.items()
        for space in ("pixels", "features")
    }
    assert max(statistics.mean(values) for values in shares.values()) < 0.05
    above = {key for key, values in shares.items() if max(values) > 0.05}
    assert above == {("wgan-gp-cifar10", "pixels")}
    # Four times as long: DCGAN has collapsed, and said so; StyleGAN2 has come near to WGAN-GP, and
    # falls faster where it is cut.
    longer = {family: load(recipe.name) for family, recipe in recipes.LONG.items()}
    assert longer["stylegan"].mean("cfd") < 0.1 * results["stylegan-mnist"].mean("cfd")
    assert longer["wgan-gp"].mean("cfd") < longer["stylegan"].mean("cfd")
    assert longer["dcgan"].mean("recall") < 0.01 and longer["dcgan"].mean("warnings") == 2
    curves = {family: result.runs[0]["curves"]["val_cfd"] for family, result in longer.items()}
    assert curves["dcgan"][2] > 10 * curves["dcgan"][1]
    last = {family: curve[-1] / curve[-2] for family, curve in curves.items()}
    assert last["stylegan"] < last["wgan-gp"] < 1

    # What was added after a reading: one seed of the fog is "more precise" than real photographs.
    real = load("real-cifar10").mean("precision")
    assert max(photographs["stylegan"].values("precision")) > real
    assert longer["wgan-gp"].mean("cfd") == min(
        min(result.values("cfd")) for name, result in (results | longer).items() if "mnist" in name
        or name in recipes.FAMILIES
    )  # fmt: skip
    rates = load("generation-compute")
    assert min(COMPARED, key=lambda f: rates.mean(f"{f}_images_per_second")) == "stylegan"


def lag(family: str, longer: int) -> tuple[int, float]:
    """The number of last updates that hold half of the average's weight, and their share of all."""
    config = recipes.FAMILIES[family].config
    images, total = config.batch_size * config.critic_steps, longer * config.steps
    from course_lib.train.ema import EMA

    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1, bias=False)
    ema = EMA(model, 0.5 ** (images / recipes.RECIPES[family, "mnist"].config.ema_images))
    seen = []  # how much of the average of before stays, read from the class itself
    for _ in range(total):
        with torch.no_grad():
            ema.model.weight.fill_(1.0)
            model.weight.fill_(0.0)
        ema.update(model)
        seen.append(float(ema.model.weight))
    left, updates = 1.0, 0
    while left > 0.5:
        updates += 1
        left *= seen[-updates]
    return updates, updates / total


def test_the_protocol_of_the_comparison_is_the_recipes() -> None:
    page = (Path(__file__).resolve().parents[2] / "book/comparison-generation.md").read_text(
        "utf-8"
    )
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in page.splitlines() if line.startswith("| "))
    }
    configs = [recipes.RECIPES[family, "cifar10"].config for family in COMPARED]
    assert rows["Batch"] == [str(config.batch_size) for config in configs]
    assert rows["Adam: learning rate; $\\beta_1$, $\\beta_2$"] == [
        f"{config.lr:g}; {config.betas[0]:g}, {config.betas[1]:g}" for config in configs
    ]
    published = [float(cell.split(";")[0]) for cell in rows["The same in its paper"]]
    ratios = [round(c.lr / rate, 6) for c, rate in zip(configs, published, strict=True)]
    assert ratios == [5, 10, 1]  # "five times ..., WGAN-GP at ten times"
    assert {config.precision for config in configs} == {"bf16"}
    assert all(cell.startswith("bfloat16") for cell in rows["Numbers"])
    assert configs[2].penalty_weight / 0.01 == 500
    for name, longer in (
        ("Half of the average's weight lies in the last", 1),
        ("The same after four times as long", recipes.LONGER),
    ):
        said = []
        for family in COMPARED:
            updates, share = lag(family, longer)
            said.append(f"{updates} updates, {100 * share:.1f} %")
        said[0] += " of the run"
        assert rows[name] == said
    note = "JPEG copy of CIFAR-10, not bit-identical to the original"
    records = Path(__file__).resolve().parents[2] / "results"
    assert all(note in (records / f"{f}-cifar10.json").read_text("utf-8") for f in COMPARED)


def test_the_generators_of_digits_learn_from_drawings(context: Context) -> None:
    for family in COMPARED:
        claim = CLAIMS[f"{family}-digits"]
        assert claim.needs == () and claim.checkpoint == f"{family}-digits"
    measured = CLAIMS["wgan-gp-digits"].measure(context)
    assert measured.trained is not None and measured.trained[1]["dataset"] == "digits"
    assert measured.trained[1]["arguments"]["out_channels"] == 1


@pytest.mark.parametrize(
    "task",
    [
        pytest.param("mnist", marks=pytest.mark.real_data),
        pytest.param("digits", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("family", COMPARED)
def test_a_shipped_generator_reproduces_its_score(family: str, task: str) -> None:
    """Scores of fewer samples differ, so exactly the claim's are drawn."""
    from course_lib.train import load_checkpoint, sample_scores

    name = f"{family}-{task}"
    generator, card = load_checkpoint(name)
    test = recipes.DATA[task].load("test")
    score = sample_scores(generator, test, num=recipes.NUM)["cfd"]
    # Half-precision weights in the file move the third digit.
    assert score == pytest.approx(card["score"]["cfd"], rel=0.03)
    assert name in shipped()
