"""What the pages on generation say in words about measured results holds for them as they are.

Each entry is a sentence, word for word as it stands on the page, and a condition on the results.
A new measurement that turns a sentence round fails here, and so does a sentence that is reworded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev

import pytest

from course_lib import results

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("dcgan", "wgan-gp", "stylegan")
NEW = 0.05  # share of new images that count as copied


def runs(claim: str, metric: str) -> list[float]:
    """One value for each seed."""
    return [float(run["metrics"][metric]) for run in results.load(claim).runs]


def of(claim: str, metric: str) -> float:
    return mean(runs(claim, metric))


def curves(claim: str, name: str = "val_cfd") -> list[list[float]]:
    """One curve for each seed."""
    return [run["curves"][name] for run in results.load(claim).runs]


def average(claim: str) -> list[float]:
    """The validation CFD at each reading, averaged over the seeds."""
    return [mean(values) for values in zip(*curves(claim), strict=True)]


def on(task: str, metric: str) -> dict[str, float]:
    return {family: of(f"{family}-{task}", metric) for family in FAMILIES}


def ahead(first: str, second: str, metric: str, sign: int = 1) -> bool:
    """Whether every seed of the first has a larger value (times sign) than every seed of both."""
    one, two = ([sign * value for value in runs(c, metric)] for c in (first, second))
    return min(one) > max(two)


def falls(values: list[float]) -> bool:
    return all(b < a for a, b in pairwise(values))


def discriminator_won() -> bool:
    """Between the second and the third reading of DCGAN's long training."""
    (run,) = results.load("dcgan-mnist-long").runs
    seen, second, third = run["curves"]["images"], *run["curves"]["val_cfd_images"][1:3]
    told, loss, variety = (
        run["curves"][k] for k in ("told_apart", "discriminator_loss", "diversity")
    )
    before = [k for k, images in enumerate(seen) if images <= second]
    after = [k for k, images in enumerate(seen) if images >= third]
    return (
        max(told[k] for k in before) < 0.996 < 0.999 < min(told[k] for k in after)
        and mean(loss[k] for k in after) < 0.1 < min(loss[k] for k in before)
        and max(variety[k] for k in after) < 0.6 < min(variety[k] for k in before[1:])
        and run["metrics"]["warnings"] == 2
    )


def gap(task: str) -> list[float]:
    """How far WGAN-GP's curve lies above DCGAN's."""
    both = zip(average(f"wgan-gp-{task}"), average(f"dcgan-{task}"), strict=True)
    return [wgan - dcgan for wgan, dcgan in both]


def dullest_is_nearest() -> bool:
    """The one seed of WGAN-GP whose share of copies is raised varies least, and is nearest."""
    name = "wgan-gp-cifar10"
    raised = [share > NEW for share in runs(name, "copied_pixels")]
    varies = [values[-1] for values in curves(name, "diversity")]
    near = runs(name, "nearest_pixels")
    at = raised.index(True)
    return sum(raised) == 1 and min(varies) == varies[at] and min(near) == near[at]


def kernel(number: int) -> list[float]:
    return runs("score-by-sample-count", f"kernel_new_{number}")


def scored(metric: str) -> list[float]:
    return [of("score-dropped-modes", f"{metric}_{kept}") for kept in (10, 9, 5, 1)]


def copies(data: str, kind: str, metric: str) -> list[float]:
    return runs("score-memoriser", f"{data}_{kind}_{metric}")


SAID: dict[str, list[tuple[str, Callable[[], bool]]]] = {
    "comparison-generation.md": [
        (
            "every seed of the one is ahead of every seed of the other. It wins by *recall*: its "
            "digits are no cleaner, but they cover more of the ways in which digits are written; "
            "so it is in every seed.",
            lambda: (
                ahead("wgan-gp-mnist", "dcgan-mnist", "cfd", -1)
                and ahead("wgan-gp-mnist", "dcgan-mnist", "recall")
                and of("wgan-gp-mnist", "precision") <= of("dcgan-mnist", "precision")
            ),
        ),
        (
            "StyleGAN2 is far behind, with the largest spread over its seeds.",
            lambda: (
                on("mnist", "cfd")["stylegan"] > 3 * on("mnist", "cfd")["dcgan"]
                and all(
                    stdev(runs("stylegan-mnist", "cfd")) > 3 * stdev(runs(f"{f}-mnist", "cfd"))
                    for f in FAMILIES[:2]
                )
            ),
        ),
        (
            "it is not far behind WGAN-GP",
            lambda: of("stylegan-mnist-long", "cfd") < 1.3 * of("wgan-gp-mnist-long", "cfd"),
        ),
        (
            "where the race is cut its curve is the steeper one",
            lambda: (
                curves("stylegan-mnist-long")[0][-2] - curves("stylegan-mnist-long")[0][-1]
                > curves("wgan-gp-mnist-long")[0][-2] - curves("wgan-gp-mnist-long")[0][-1]
            ),
        ),
        (
            "Its samples are about as precise as WGAN-GP's; what it still lacks is recall.",
            lambda: (
                abs(of("stylegan-mnist-long", "precision") - of("wgan-gp-mnist-long", "precision"))
                < 0.02
                and of("stylegan-mnist-long", "recall") < of("wgan-gp-mnist-long", "recall") - 0.1
            ),
        ),
        (
            "Between the second and the third reading its discriminator won: from then on it told "
            "all but a few pairs in ten thousand apart, the generator had little left to learn "
            "from, and its samples became alike. The loop noticed both and said so",
            discriminator_won,
        ),
        (
            "**Photographs: DCGAN leads.**",
            lambda: all(
                ahead("dcgan-cifar10", f"{family}-cifar10", "cfd", -1) for family in FAMILIES[1:]
            ),
        ),
        (
            "By kernel distance and by precision every seed of DCGAN is ahead.",
            lambda: (
                ahead("dcgan-shapes", "wgan-gp-shapes", "kernel_distance", -1)
                and ahead("dcgan-shapes", "wgan-gp-shapes", "precision")
            ),
        ),
        (
            "the long training above shows how far it still falls",
            lambda: (
                of("stylegan-mnist-long", "images_seen") > 3 * of("stylegan-mnist", "images_seen")
                and of("stylegan-mnist-long", "cfd") < min(runs("stylegan-mnist", "cfd")) / 2
            ),
        ),
        (
            "On digits it would lose nothing by that, for there it is best early; on photographs "
            "it still falls where it is cut.",
            lambda: (
                all(min(values[:-1]) < values[-1] for values in curves("dcgan-mnist"))
                and all(values[-1] < values[-2] for values in curves("dcgan-cifar10"))
            ),
        ),
        (
            "cannot be told apart by CFD: one seed of WGAN-GP is ahead of two of DCGAN.",
            lambda: (
                sum(
                    sum(a < b for b in runs("dcgan-shapes", "cfd")) == 2
                    for a in runs("wgan-gp-shapes", "cfd")
                )
                == 1
            ),
        ),
        (
            "On photographs StyleGAN2 has the precision of the other two; one of its seeds has a "
            "higher one than the mean of real photographs",
            lambda: (
                max(on("cifar10", "precision").values()) - min(on("cifar10", "precision").values())
                < 0.02
                and sum(
                    p > of("real-cifar10", "precision")
                    for p in runs("stylegan-cifar10", "precision")
                )
                == 1
            ),
        ),
        (
            "one training each. This is no race: StyleGAN2 got four times as many updates as in "
            "the tables above, the other two got what they have there.",
            lambda: (
                [len(results.load(f"{family}-digits").runs) for family in FAMILIES] == [1, 1, 1]
                and [of(f"{f}-digits", "updates") / of(f"{f}-mnist", "updates") for f in FAMILIES]
                == [1, 1, 4]
            ),
        ),
        (
            "StyleGAN2's CFD is no better than DCGAN's, and WGAN-GP, ahead of DCGAN on MNIST, is "
            "behind it here",
            lambda: min(on("digits", "cfd"), key=on("digits", "cfd").get) == "dcgan",
        ),
        (
            "StyleGAN2 has the highest precision and the lowest recall, and a classifier of drawn "
            "digits is sure of more of its samples",
            lambda: (
                max(on("digits", "precision"), key=on("digits", "precision").get) == "stylegan"
                and min(on("digits", "recall"), key=on("digits", "recall").get) == "stylegan"
                and of("digits-named", "stylegan_named")
                > max(of("digits-named", f"{f}_named") for f in FAMILIES[:2]) + 0.02
            ),
        ),
        (
            "on MNIST DCGAN's CFD differs from seed to seed by about as much as these three differ "
            "from one another",
            lambda: (
                max(runs("dcgan-mnist", "cfd")) - min(runs("dcgan-mnist", "cfd"))
                > max(on("digits", "cfd").values()) - min(on("digits", "cfd").values())
            ),
        ),
        (
            "WGAN-GP's, whose CFD is the lowest of all on MNIST, and DCGAN's, which collapsed",
            lambda: (
                of("wgan-gp-mnist-long", "cfd")
                < min(of("stylegan-mnist-long", "cfd"), *on("mnist", "cfd").values())
                and of("dcgan-mnist-long", "recall") < 0.01
            ),
        ),
        (
            "every seed has its best reading second or third, and ends above it",
            lambda: all(
                min(curve) == min(curve[1:3]) < curve[-1] for curve in curves("dcgan-mnist")
            ),
        ),
        (
            "then it passes DCGAN and is still falling. StyleGAN2 is slower, and still falling "
            "when it is cut.",
            lambda: (
                gap("mnist")[0] > 0 > gap("mnist")[-1]
                and all(falls(curve) for curve in curves("wgan-gp-mnist"))
                and all(falls(curve) for curve in curves("stylegan-mnist"))
            ),
        ),
        (
            "On photographs the curves of DCGAN and WGAN-GP still fall where they are cut, and "
            "from the second reading on the gap between them closes.",
            lambda: (
                all(c[-1] < c[-2] for f in FAMILIES[:2] for c in curves(f"{f}-cifar10"))
                and falls(gap("cifar10")[1:])
            ),
        ),
        (
            "StyleGAN2's hardly falls any more from the third reading on",
            lambda: (
                average("stylegan-cifar10")[2] - average("stylegan-cifar10")[-1]
                < 0.15 * (average("stylegan-cifar10")[0] - average("stylegan-cifar10")[2])
            ),
        ),
        (
            "On shapes DCGAN's is nearly flat, and WGAN-GP's comes down towards it.",
            lambda: (
                average("dcgan-shapes")[-1] > 0.9 * average("dcgan-shapes")[2]
                and falls(gap("shapes")[:-1])
                and gap("shapes")[-1] < gap("shapes")[0] / 4
            ),
        ),
        (
            "On digits there is no sign of copying: the shares of all generators in the table lie "
            "below what new images have.",
            lambda: all(
                max(runs(name, f"copied_{space}")) < NEW
                for name in (*(f"{f}-mnist" for f in FAMILIES), "stylegan-mnist-long")
                for space in ("pixels", "features")
            ),
        ),
        (
            "Samples lie *farther* from the nearest training image than test images do.",
            lambda: all(
                of(name, "nearest_pixels") > of(name, "nearest_pixels_test")
                for name in (*(f"{f}-mnist" for f in FAMILIES), "stylegan-mnist-long")
            ),
        ),
        (
            "On photographs no mean share is above it either. One seed of WGAN-GP is, in pixels "
            "alone: its pictures vary less than those of the other two seeds",
            lambda: (
                dullest_is_nearest()
                and all(
                    max(on("cifar10", f"copied_{space}").values()) < NEW
                    for space in ("pixels", "features")
                )
            ),
        ),
    ],
    "math/sample-metrics.md": [
        (
            "All three draws happen to lie on one side of 0 and close together, closer than the "
            "draws of 5,000 images do, which ought to scatter less.",
            lambda: min(kernel(2000)) > 0 and stdev(kernel(2000)) < stdev(kernel(5000)) / 2,
        ),
        (
            "draws sixty times for each number",
            lambda: (
                "draws = this.pick(smoke=4, quick=60,"
                in (ROOT / "notebooks/judging-samples.ipynb").read_text("utf-8")
            ),
        ),
        (
            "on MNIST their CFD is a little larger than that of new images, on CIFAR-10 a little "
            "smaller, and the other two are as they are for new images",
            lambda: (
                0
                < mean(copies("mnist", "copies", "cfd")) - mean(copies("mnist", "new", "cfd"))
                < 0.3
                and 0
                < mean(copies("cifar10", "new", "cfd")) - mean(copies("cifar10", "copies", "cfd"))
                < 0.3
                and all(
                    abs(mean(copies(d, "copies", k)) - mean(copies(d, "new", k))) < 0.015
                    for d in ("mnist", "cifar10")
                    for k in ("precision", "recall")
                )
            ),
        ),
        (
            "Recall and coverage fall from row to row. Precision stays where it is, and density "
            "all but stays, even with a single class.",
            lambda: (
                falls(scored("recall"))
                and falls(scored("coverage"))
                and max(scored("precision")) - min(scored("precision")) < 0.02
                and max(scored("density")) - min(scored("density")) < 0.05
            ),
        ),
    ],
    "index.md": [
        (
            "Every result was measured by a command that is named beside it ({doc}`results`), and "
            "most of them several times.",
            lambda: (
                mean(
                    len(found.runs) > 1 for found in map(results.load, results.CLAIMS) if found.runs
                )
                > 0.6
            ),
        ),
    ],
    "results.md": [
        (
            "was measured on images re-encoded as JPEG, as the entries say (but for that of the "
            "scored training images, which is the same set)",
            lambda: (
                {
                    path.stem
                    for path in (ROOT / "results").glob("*.json")
                    if re.search("cifar", text := path.read_text("utf-8"), re.I)
                    and "JPEG" not in text
                }
                <= {"real-cifar10"}
            ),
        ),
    ],
}
ENTRIES = [(page, sentence, holds) for page, said in SAID.items() for sentence, holds in said]


@pytest.mark.parametrize(
    ("page", "sentence", "holds"), ENTRIES, ids=[sentence[:60] for _, sentence, _ in ENTRIES]
)
def test_what_is_said_holds(page, sentence, holds):
    text = re.sub(r"\s+", " ", (ROOT / "book" / page).read_text(encoding="utf-8"))
    assert sentence.lower() in text.lower()
    assert holds(), f"{page} says: {sentence}"
