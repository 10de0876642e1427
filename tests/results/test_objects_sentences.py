"""What the pages on objects say in words about measured results holds for them as they are.

Each entry is a sentence, word for word as it stands on the page, and a condition on the results.
A new measurement that turns a sentence round fails here, and so does a sentence that is reworded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest
import torch

from course_lib import results
from course_lib.models import MaskRCNN
from course_lib.recipes.bottom_up import BOTTOM_UP, SHORT, TOP_DOWN
from course_lib.recipes.objects import NUCLEI
from course_lib.results.claims import bottom_up as claims

BOOK = Path(__file__).resolve().parents[2] / "book"
THIRDS = ("_few", "_some", "_many")
SCORES = ("pq", "mask_ap", "count_error")
WAYS = ("border", "wide-border", "foreground", "mask-rcnn")
PEOPLE = "mask-rcnn-pennfudan"


def runs(claim: str, metric: str) -> list[float]:
    """One value for each seed."""
    return [float(run["metrics"][metric]) for run in results.load(claim).runs]


def of(claim: str, metric: str) -> float:
    return mean(runs(claim, metric))


def way(name: str, metric: str) -> float:
    return of(f"cells-{name}", metric)


def ahead(first: str, second: str, metric: str) -> bool:
    """Whether every seed of the first has a larger value than every seed of the second."""
    return min(runs(f"cells-{first}", metric)) > max(runs(f"cells-{second}", metric))


def difference(key: str) -> tuple[float, float, float]:
    """The first minus the second, and its interval."""
    middle, low, high = (of("cells-differences", f"{key}{end}") for end in ("", "_low", "_high"))
    return middle, low, high


def better(pair: str, score: str, end: str = "", sign: int = 1) -> bool:
    """Whether the first is ahead (sign 1) or behind (−1), and the interval does not reach 0."""
    _, low, high = difference(f"{pair}_{score}{end}")
    sign = -sign if score == "count_error" else sign
    return low > 0 if sign > 0 else high < 0


def perfect(name: str, metric: str) -> float:
    return of("cells-perfect-classes", f"{metric}_{name}")


def people(score: str, end: str = "") -> float:
    return of(f"{PEOPLE}-difference", f"{score}{end}")


def short(name: str, metric: str) -> list[float]:
    return runs(f"cells-{name}-short", metric)


def three_seeds() -> bool:
    names = [*WAYS, "border-short", "mask-rcnn-short"]
    return all(len(results.load(f"cells-{name}").runs) == 3 for name in names)


SAID: dict[str, list[tuple[str, Callable[[], bool]]]] = {
    "comparison-objects.md": [
        (
            "more than half of Mask R-CNN's lie in two stages of its backbone that its pyramid, "
            "set to nuclei, does not read",
            lambda: (
                of("cells-step-time", "top_down_learning") < 0.5 * way("mask-rcnn", "parameters")
                and MaskRCNN(2, **NUCLEI).levels == (0, 3)
                and len(MaskRCNN(2, **NUCLEI).backbone.stages) == 5
            ),
        ),
        (
            "with the same number of updates at about the same cost",
            lambda: 0.9 < of("cells-step-time", "ratio") < 1.1,
        ),
        (
            "**The border class is ahead of Mask R-CNN in all three, and no interval reaches 0.**",
            lambda: all(better("border", score) for score in SCORES),
        ),
        (
            "Most of the difference in PQ lies in SQ: it finds a few more nuclei, and draws those "
            "that it found better.",
            lambda: (
                ahead("border", "mask-rcnn", "sq")
                and ahead("border", "mask-rcnn", "rq")
                and way("border", "sq") - way("mask-rcnn", "sq")
                > 3 * (way("border", "rq") - way("mask-rcnn", "rq"))
            ),
        ),
        (
            "At an IoU of 0.5 alone the order of AP turns round, with every seed",
            lambda: ahead("mask-rcnn", "border", "mask_ap50"),
        ),
        (
            "**The foreground is behind both.**",
            lambda: all(
                better("foreground", score, end, -1) and better("border_class", score, end)
                for score in SCORES
                for end in ("", *THIRDS)
            ),
        ),
        (
            "(The threshold that was chosen for it, in each run, is the highest of its range",
            lambda: (
                set(runs("cells-foreground", "threshold"))
                == {max(setting.threshold for setting in claims.BY_DISTANCE)}
            ),
        ),
        (
            "The border class's least area is the larger of its two in each run, too.",
            lambda: (
                set(runs("cells-border", "area")) | set(runs("cells-wide-border", "area"))
                == {max(setting.area for setting in claims.BY_BORDER)}
            ),
        ),
        (
            "the two ways up differ by more from each other than the better of them from the way "
            "down",
            lambda: all(
                abs(difference(f"border_class_{score}")[0]) > abs(difference(f"border_{score}")[0])
                for score in SCORES
            ),
        ),
        (
            "All ways lose where nuclei crowd",
            lambda: all(
                way(name, f"{score}_few") > way(name, f"{score}_some") > way(name, f"{score}_many")
                for name in WAYS
                for score in ("pq", "mask_ap")
            ),
        ),
        (
            "In PQ the border class leads by about as much in every third.",
            lambda: (
                all(better("border", "pq", end) for end in THIRDS)
                and max(difference(f"border_pq{end}")[0] for end in THIRDS)
                < 1.25 * min(difference(f"border_pq{end}")[0] for end in THIRDS)
            ),
        ),
        (
            "In AP its lead shrinks",
            lambda: (
                difference("border_mask_ap_few")[1] > difference("border_mask_ap_many")[2]
                and difference("border_mask_ap_many")[1] < 0 < difference("border_mask_ap_many")[2]
            ),
        ),
        (
            "In counts it grows",
            lambda: (
                difference("border_count_error_many")[0]
                < 2 * min(difference(f"border_count_error{end}")[0] for end in THIRDS[:2])
                and better("border", "count_error", "_many")
            ),
        ),
        (
            "Nearly all of these errors are nuclei too few.",
            lambda: all(
                -way(name, "count_bias_many") > 0.85 * way(name, "count_error_many")
                for name in ("border", "mask-rcnn")
            ),
        ),
        (
            "Of the nuclei that touch none, all find nearly all. The foreground misses every fifth "
            "of those that touch more than one.",
            lambda: (
                min(way(name, "found_none") for name in WAYS) > 0.97
                and 0.75 < way("foreground", "found_more") < 0.83
                and min(way(n, "found_more") for n in WAYS if n != "foreground") > 0.9
            ),
        ),
        (
            "After the short trainings the border class is still ahead in PQ, by less than half as "
            "much; in AP the two cannot be told apart, and in counts Mask R-CNN is ahead on the "
            "mean of the seeds.",
            lambda: (
                better("short", "pq")
                and difference("short_pq")[0] < 0.5 * difference("border_pq")[0]
                and difference("short_mask_ap")[1] < 0 < difference("short_mask_ap")[2]
                and better("short", "count_error", sign=-1)
            ),
        ),
        (
            "With every seed Mask R-CNN has the higher RQ by then",
            lambda: ahead("mask-rcnn-short", "border-short", "rq"),
        ),
        (
            "it is better at *finding* early, and draws less well at both lengths.",
            lambda: (
                ahead("mask-rcnn-short", "border-short", "rq")
                and ahead("border-short", "mask-rcnn-short", "sq")
                and ahead("border", "mask-rcnn", "sq")
            ),
        ),
        (
            "Where many touch it is even ahead in AP, again on the mean",
            lambda: better("short", "mask_ap", "_many", sign=-1),
        ),
        (
            "one of the three counts better than every one of Mask R-CNN's, and is ahead of them "
            "all in AP where many touch",
            lambda: (
                [x < min(short("mask-rcnn", "count_error")) for x in short("border", "count_error")]
                == [
                    x > max(short("mask-rcnn", "mask_ap_many"))
                    for x in short("border", "mask_ap_many")
                ]
                == [False, True, False]
            ),
        ),
        (
            'So by RQ "which finds more?" has two answers at two lengths',
            lambda: (
                ahead("mask-rcnn-short", "border-short", "rq")
                and ahead("border", "mask-rcnn", "rq")
            ),
        ),
        (
            "The two cannot be told apart: all three intervals take in 0.",
            lambda: all(
                low < 0 < high
                for _, low, high in (difference(f"wide_border_{score}") for score in SCORES)
            ),
        ),
        (
            "From the true classes the border class gives back nearly every nucleus",
            lambda: perfect("border", "rq") > 0.99,
        ),
        (
            "So a network that gets every class right does not close that gap",
            lambda: perfect("foreground", "pq") < min(runs("cells-mask-rcnn", "pq")),
        ),
        (
            "The true classes with a *wide* border are worth less than those with a narrow one.",
            lambda: (
                perfect("wide_border", "pq") < perfect("border", "pq") - 0.01
                and perfect("wide_border", "count_error") > perfect("border", "count_error")
            ),
        ),
        (
            "In counts, and among nuclei that touch more than one other, every *trained* "
            "foreground is ahead of the true classes",
            lambda: (
                max(runs("cells-foreground", "count_error")) < perfect("foreground", "count_error")
                and min(runs("cells-foreground", "found_more"))
                > perfect("foreground", "found_more")
            ),
        ),
        (
            "here most of the difference is in how well objects are drawn, and little in how many "
            "are found",
            lambda: (
                way("border", "sq") - way("mask-rcnn", "sq")
                > 3 * (way("border", "rq") - way("mask-rcnn", "rq"))
            ),
        ),
    ],
    "math/mask-rcnn.md": [
        (
            "the small ones lose much by the mixture, the large ones nothing.",
            lambda: (
                max(runs("mask-rcnn-cells", "mask_ap_rounded_paste"))
                < min(runs("mask-rcnn-cells", "mask_ap_exact_paste")) - 0.1
                and all(
                    rounded >= exact
                    for rounded, exact in zip(
                        runs(PEOPLE, "mask_ap_rounded_paste"),
                        runs(PEOPLE, "mask_ap_exact_paste"),
                        strict=True,
                    )
                )
            ),
        ),
        (
            "On these photographs ours is not behind, and that was the question.",
            lambda: people("mask_ap", "_low") > 0 and people("box_ap", "_low") > 0,
        ),
        (
            "the trainings are three and were not drawn, one of torchvision's has a higher mask AP "
            "than any of ours",
            lambda: (
                len(runs(PEOPLE, "mask_ap")) == len(runs(f"torchvision-{PEOPLE}", "mask_ap")) == 3
                and sum(
                    theirs > max(runs(PEOPLE, "mask_ap"))
                    for theirs in runs(f"torchvision-{PEOPLE}", "mask_ap")
                )
                == 1
            ),
        ),
    ],
    "results-objects.md": [
        (
            "Ours is not behind;",
            lambda: people("mask_ap", "_low") > 0 and people("box_ap", "_low") > 0,
        ),
    ],
}
ENTRIES = [(page, sentence, holds) for page, said in SAID.items() for sentence, holds in said]


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("page", "sentence", "holds"), ENTRIES, ids=[sentence[:60] for _, sentence, _ in ENTRIES]
)
def test_what_is_said_holds(page, sentence, holds):
    assert sentence.lower() in plain((BOOK / page).read_text(encoding="utf-8")).lower()
    assert holds(), f"{page} says: {sentence}"


def test_every_compared_way_has_three_seeds():
    assert three_seeds()


def test_the_table_of_protocol_is_the_recipes():
    text = (BOOK / "comparison-objects.md").read_text(encoding="utf-8")
    table = text.partition("The whole protocol in one table:")[2].partition("The test pictures")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    protocol = {row[0]: row[1:] for row in rows[1:]}
    config, sizes = TOP_DOWN.config, TOP_DOWN.data
    numbers = (sizes.num_train, sizes.num_val, sizes.num_test)
    updates = config.epochs * (sizes.num_train // config.batch_size)
    assert config.optimizer == "adamw" and config.schedule == "one-cycle"
    assert (config.precision, config.channels_last) == ("bf16", True)
    assert config.augment.flip and config.augment.colour == 0.2
    wanted = {
        "Pictures": "{} × {}, colour, drawn".format(*sizes.size),
        "Pictures to train, to choose, to test": ", ".join(map(str, numbers)),
        "Updates": f"{updates} of {config.batch_size} pictures: {config.epochs} passes",
        "Optimiser, weight decay": f"AdamW, {config.weight_decay}",
        "Learning rate: one cycle, up to": str(config.lr),
        "Gradients cut to norm": f"{config.clip_norm:g}",
        "Average of the weights that is judged": f"exponential, {config.ema} a step",
        "Augmentation": "mirrored, colours changed by up to 0.2",
        "Loss": "cross-entropy of pixels",
        "Validation after every": f"{config.evaluate_every} passes",
        "Seeds": str(len(results.load("cells-border").runs)),
    }
    assert {name: protocol[name][0] for name in wanted} == wanted
    same = {"Updates", "Pictures", "Learning rate: one cycle, up to", "Augmentation"}
    assert {protocol[name][1] for name in same} == {"the same"}
    up = BOTTOM_UP["border"].config
    assert up.loss == "cross-entropy" and up.evaluate_every == config.evaluate_every
    for settings in (claims.BY_DISTANCE, claims.BY_BORDER, claims.BY_SCORE):
        assert len(settings) == 12
    assert [protocol["Settings to choose from"][k][:3] for k in (0, 1)] == ["12:", "12:"]
    assert f"{SHORT * updates // config.epochs} updates in the place of {updates}" in plain(text)


def test_crowded_pictures_have_more_and_smaller_nuclei():
    said = "The crowded pictures also have more nuclei, and smaller ones"
    assert said in plain((BOOK / "comparison-objects.md").read_text(encoding="utf-8"))
    data = TOP_DOWN.data.load("test")
    number = torch.tensor([len(boxes) for boxes in data.boxes]).double()
    size = (data.targets > 0).sum((1, 2)) / number
    thirds = claims.crowding(data).argsort(stable=True).tensor_split(3)
    for few, many in pairwise(thirds):
        assert number[few].mean() < number[many].mean() and size[few].mean() > size[many].mean()


def test_the_pictures_are_as_the_page_says():
    data = TOP_DOWN.data.load("test")
    assert data.images.shape[1] == 3 and len(data) == 200
    counts = [torch.bincount(ids.long().flatten())[1:] for ids in data.targets]
    areas = torch.cat(counts)
    areas = areas[areas > 0]
    assert len(areas) == of("mask-rcnn-cells", "objects")
    across = (4 * areas / torch.pi).sqrt()  # of a disc with as many pixels
    assert 0.88 < ((across > 7) & (across < 18)).double().mean() < 0.95
