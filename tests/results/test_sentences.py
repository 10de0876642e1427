"""What chapters say in words about measured results holds for the results as they are.

Each entry is a sentence, word for word as it stands on the page, and a condition on the results.
A new measurement that turns a sentence round fails here, and so does a sentence that is reworded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch

from course_lib import data, metrics, results, train
from course_lib.recipes import segmentation as recipes
from course_lib.recipes.losses import RECIPES as LOSSES

BOOK = Path(__file__).resolve().parents[2] / "book"
COMPARED = ("fcn", "unet", "deeplabv3", "deeplabv3plus")
CLASSES = (
    "sky", "road", "lane_marking", "building", "vegetation",
    "vehicle", "pedestrian", "sign", "sidewalk", "pole",
)  # fmt: skip


def runs(claim: str, metric: str) -> list[float]:
    """One value for each seed."""
    return [float(run["metrics"][metric]) for run in results.load(claim).runs]


def of(claim: str, metric: str) -> float:
    return mean(runs(claim, metric))


def loss(name: str, metric: str) -> float:
    return of(f"loss-{name}", metric)


def losses(metric: str) -> dict[str, float]:
    return {name: loss(name, f"test_{metric}") for name in LOSSES}


def highest(values: dict[str, float]) -> str:
    return max(values, key=lambda name: values[name])


def alike(one: str, other: str, metric: str) -> bool:
    """Whether two means lie within each other's spread."""
    a, b = runs(one, metric), runs(other, metric)
    return abs(mean(a) - mean(b)) < min(stdev(a), stdev(b))


def share_kept(part: str) -> float:
    """Of a loss's gain in mean IoU, what is left when cross-entropy is added."""
    own, added = (of("loss-differences", name) for name in (part, f"cross_entropy_{part}"))
    return added / own


def streets(name: str, metric: str) -> float:
    return of(f"compare-streets-{name}", metric)


def compute(metric: str) -> list[str]:
    """The networks from the lowest to the highest."""
    return sorted(COMPARED, key=lambda name: of("segmentation-compute", f"{name}_{metric}"))


def ratio(one: str, other: str, metric: str) -> float:
    first, second = (of("segmentation-compute", f"{name}_{metric}") for name in (one, other))
    return first / second


def ahead_on(one: str, other: str) -> int:
    return sum(streets(one, f"iou_{k}") > streets(other, f"iou_{k}") for k in CLASSES)


def at_night(name: str) -> list[float]:
    return runs(f"compare-streets-{name}", "test_night_mean_iou")


def loses_more_than_they_differ() -> bool:
    by_day = [streets(name, "test_mean_iou") for name in COMPARED]
    lost = [day - mean(at_night(name)) for name, day in zip(COMPARED, by_day, strict=True)]
    return min(lost) > max(by_day) - min(by_day)


def gained_from_scenes(name: str) -> float:
    return of("unet-streets-384-images", f"iou_{name}") - of(
        "unet-streets-24-images", f"iou_{name}"
    )


def saved_without_skips() -> float:
    """The share of a forward pass's multiply-adds that the U-Net without skips does not do."""
    from torch.utils.flop_counter import FlopCounterMode

    def work(name: str, **changes: bool) -> int:
        network = recipes.ARCHITECTURES[name]
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            model = network.model(num_classes=10, **network.arguments, **changes).eval()
            model(torch.zeros(1, 3, 96, 128))
        return counter.get_total_flops()

    return 1 - work("unet", skips=False) / work("unet")


def updates(recipe: Any) -> int:
    return recipe.config.epochs * (recipe.data.num_train // recipe.config.batch_size)


RARE = "test_rare_iou"
SAID: dict[str, list[tuple[str, Callable[[], bool]]]] = {
    "math/unet.md": [
        (
            "without its skips (and with a tenth fewer weights)",
            lambda: (
                of("unet-streets-no-skips", "parameters") / streets("unet", "parameters") > 0.88
                and streets("unet", "parameters") == of("unet-streets", "parameters")
                and of("unet-streets-no-skips", "parameters") < 0.92 * streets("unet", "parameters")
            ),
        ),
    ],
    "math/losses.md": [
        (
            "*Cross-entropy* alone hardly names the three rare classes after so short a training.",
            lambda: losses("rare_recall")["cross-entropy"] < 0.05,
        ),
        (
            "Its calibration error is the smallest of the eight.",
            lambda: (
                highest({k: -v for k, v in losses("calibration_error").items()}) == "cross-entropy"
            ),
        ),
        ("most of the rare pixels are found", lambda: loss("weighted", "test_rare_recall") > 0.5),
        (
            "the lowest of the eight. The calibration error stays below one percent.",
            lambda: (
                highest({k: -v for k, v in losses("accuracy").items()}) == "weighted"
                and loss("weighted", "test_calibration_error") < 0.01
            ),
        ),
        (
            "*Focal*: a little better in mean IoU than cross-entropy, and the worst calibrated of "
            "the eight, with nearly twice the error of the next.",
            lambda: (
                of("loss-differences", "focal_low") > 0
                and of("loss-differences", "focal_high") < 0.03
                and 1.8
                < losses("calibration_error")["focal"] / losses("calibration_error")["dice"]
                < 2
                and sorted(losses("calibration_error"), key=losses("calibration_error").get)[-2:]
                == ["dice", "focal"]
            ),
        ),
        (
            "the temperature that repairs it is below 1 in each of its trainings",
            lambda: max(runs("loss-focal", "temperature")) < 1,
        ),
        (
            "*Dice* has the highest IoU of the rare classes and the highest mean IoU of the eight.",
            lambda: highest(losses("rare_iou")) == highest(losses("mean_iou")) == "dice",
        ),
        (
            "*Lovász* gains in mean IoU too, but does not lift the rare classes more than weights "
            "do",
            lambda: (
                of("loss-differences", "lovasz_low") > 0
                and loss("lovasz", RARE) <= loss("weighted", RARE)
            ),
        ),
        (
            "lie within each other's spread",
            lambda: alike("loss-lovasz", "loss-weighted", RARE),
        ),
        (
            "weights find more than Dice or Lovász",
            lambda: (
                min(runs("loss-weighted", "test_rare_recall"))
                > max(
                    runs("loss-lovasz", "test_rare_recall") + runs("loss-dice", "test_rare_recall")
                )
            ),
        ),
        (
            "both calibration errors are more than ten times that of cross-entropy, and the "
            "temperatures that repair them are above 1 in each training",
            lambda: (
                min(loss(k, "test_calibration_error") for k in ("dice", "lovasz"))
                > 10 * loss("cross-entropy", "test_calibration_error")
                and min(runs("loss-dice", "temperature") + runs("loss-lovasz", "temperature")) > 1
            ),
        ),
        (
            "about half of Dice's gain in mean IoU and about nine tenths of Lovász's remain",
            lambda: 0.45 < share_kept("dice") < 0.55 and 0.85 < share_kept("lovasz") < 0.95,
        ),
        (
            "the two sums above have a slightly higher accuracy",
            lambda: all(
                0 < value - base < 0.005
                for part in ("dice", "lovasz")
                for value, base in zip(
                    runs(f"loss-cross-entropy-{part}", "test_accuracy"),
                    runs("loss-cross-entropy", "test_accuracy"),
                    strict=True,
                )
            ),
        ),
        (
            "accuracy is higher than with either part alone",
            lambda: all(
                min(runs(f"loss-cross-entropy-{part}", "test_accuracy"))
                > max(loss("cross-entropy", "test_accuracy"), loss(part, "test_accuracy"))
                for part in ("dice", "lovasz")
            ),
        ),
        (
            "If only the mean IoU counts, Dice alone is better than the sum.",
            lambda: (
                min(runs("loss-dice", "test_mean_iou"))
                > max(runs("loss-cross-entropy-dice", "test_mean_iou"))
            ),
        ),
        (
            "of mean IoU, and hardly a rare pixel is found.",
            lambda: (
                of("loss-differences", "cross_entropy_boundary_high") < 0
                and max(runs("loss-cross-entropy-boundary", "test_rare_recall")) < 0.001
            ),
        ),
        (
            "That network is larger, saw more and larger scenes, and had more than twice as many "
            "updates",
            lambda: (
                recipes.UNET.arguments["widths"] > LOSSES["dice"].network.arguments["widths"]
                and recipes.STREETS.num_train > LOSSES["dice"].data.num_train
                and updates(recipes.UNET_STREETS) > 2 * updates(LOSSES["dice"])
            ),
        ),
    ],
    "comparison-segmentation.md": [
        (
            "The order of the four is the same in both columns of the table, the ratios are not: "
            "DeepLabV3 does more than three times the multiply-adds of DeepLabV3+ and takes about "
            "one and a half times as long for a step.",
            lambda: (
                compute("multiply_adds") == compute("step_ms")
                and ratio("deeplabv3", "deeplabv3plus", "multiply_adds") > 3
                and 1.4 < ratio("deeplabv3", "deeplabv3plus", "step_ms") < 1.6
            ),
        ),
        (
            "Here DeepLabV3 is dominated by DeepLabV3+; each of the other three is the best for "
            "its budget.",
            lambda: (
                sorted(
                    (n for n in COMPARED if n != "deeplabv3"),
                    key=lambda name: streets(name, "test_mean_iou"),
                )
                == [n for n in compute("multiply_adds") if n != "deeplabv3"]
                and streets("deeplabv3", "test_mean_iou")
                < streets("deeplabv3plus", "test_mean_iou")
                and ratio("deeplabv3", "deeplabv3plus", "multiply_adds") > 1
            ),
        ),
        (
            "the one with the fewest does the most work",
            lambda: compute("parameters")[0] == compute("multiply_adds")[-1],
        ),
        (
            "It is that of the finest map that each network uses: the U-Net's at stride 1, "
            "DeepLabV3+'s at 4, those of the other two at 8.",
            lambda: (
                sorted(COMPARED, key=lambda n: -streets(n, "test_mean_iou"))[:2]
                == ["unet", "deeplabv3plus"]
            ),
        ),
        (
            "So the stride at which a network ends does not do it by itself.",
            lambda: (
                min(runs("unet-streets", "test_mean_iou"))
                - max(runs("unet-streets-no-skips", "test_mean_iou"))
                > 0.1
            ),
        ),
        (
            "it has a tenth fewer weights and does a fifth less work as well",
            lambda: (
                1 - of("unet-streets-no-skips", "parameters") / streets("unet", "parameters") > 0.08
                and of("unet-streets-no-skips", "parameters") > 0.88 * streets("unet", "parameters")
                and 0.17 < saved_without_skips() < 0.23
            ),
        ),
        (
            '"300 pets", in the tables below, are 250 to train with and 50 to choose the epoch '
            "with.",
            lambda: all(
                "250 images to train, 50 to choose the epoch"
                in results.load(f"compare-pets-{name}").content["data"]
                for name in COMPARED
            ),
        ),
        (
            "with everything through stride 8, this network is ahead of DeepLabV3+ with its map of "
            "stride 4",
            lambda: (
                min(runs("unet-streets-no-skips", "test_mean_iou"))
                > max(runs("compare-streets-deeplabv3plus", "test_mean_iou"))
            ),
        ),
        (
            "It does three and a half times the multiply-adds for it",
            lambda: (
                3.3
                < (1 - saved_without_skips()) * ratio("unet", "deeplabv3plus", "multiply_adds")
                < 3.7
            ),
        ),
        (
            "the U-Net, whose field is the smallest, is ahead on the sidewalk and on buildings as "
            "well",
            lambda: all(
                streets("unet", f"iou_{k}") > max(streets(n, f"iou_{k}") for n in COMPARED[2:])
                for k in ("sidewalk", "building")
            ),
        ),
        (
            "DeepLabV3+ does less than a third of DeepLabV3's multiply-adds and is better on every "
            "class.",
            lambda: (
                ratio("deeplabv3plus", "deeplabv3", "multiply_adds") < 1 / 3
                and ahead_on("deeplabv3plus", "deeplabv3") == 10
            ),
        ),
        (
            "FCN-8s and DeepLabV3 both stop at stride 8, and DeepLabV3 is ahead on every class.",
            lambda: ahead_on("deeplabv3", "fcn") == 10,
        ),
        (
            "in dropout and in compute, sixfold",
            lambda: 5.5 < ratio("deeplabv3", "fcn", "multiply_adds") < 6.5,
        ),
        (
            "Three of the four cannot be told apart on pets",
            lambda: all(
                of("ranking-pets", f"{pair}_low") < 0 < of("ranking-pets", f"{pair}_high")
                for pair in (
                    "unet_minus_deeplabv3",
                    "unet_minus_deeplabv3plus",
                    "deeplabv3_minus_deeplabv3plus",
                )  # fmt: skip
            ),
        ),
        (
            "Only FCN-8s falls behind.",
            lambda: of("ranking-pets", "fcn_minus_deeplabv3_high") < 0,
        ),
        (
            "*The U-Net first*: that holds at dusk, in fog and at night, in every draw of images "
            "and trainings.",
            lambda: all(
                of(f"ranking-streets-{light}", "unet_first_share") == 1
                for light in ("dusk", "fog", "night")
            ),
        ),
        (
            "At dusk DeepLabV3 is ahead of DeepLabV3+",
            lambda: of("ranking-streets-dusk", "deeplabv3_minus_deeplabv3plus_low") > 0,
        ),
        (
            "at night the three lie within each other's spread over the seeds, and the best FCN-8s "
            "beats every DeepLabV3",
            lambda: (
                all(
                    alike(f"compare-streets-{a}", f"compare-streets-{b}", "test_night_mean_iou")
                    for a, b in (
                        ("fcn", "deeplabv3"),
                        ("fcn", "deeplabv3plus"),
                        ("deeplabv3", "deeplabv3plus"),
                    )  # fmt: skip
                )
                and max(at_night("fcn")) > max(at_night("deeplabv3"))
            ),
        ),
        (
            "Every network loses more from day to night than any two differ by day, and the spread "
            "over the seeds grows.",
            lambda: (
                loses_more_than_they_differ()
                and all(
                    stdev(at_night(n)) > stdev(runs(f"compare-streets-{n}", "test_mean_iou"))
                    for n in COMPARED
                )
            ),
        ),
        (
            "From 24 to 384 scenes the road, good from the start, gains least of the three, and "
            "the sidewalk nearly doubles. From 384 scenes on the curve is flat.",
            lambda: (
                of("unet-streets-384-images", "iou_road")
                < 1.15 * of("unet-streets-24-images", "iou_road")
                and min(("road", "vehicle", "sidewalk"), key=gained_from_scenes) == "road"
                and 1.7
                < of("unet-streets-384-images", "iou_sidewalk")
                / of("unet-streets-24-images", "iou_sidewalk")
                < 2
                and alike("unet-streets-384-images", "unet-streets-1536-images", "test_mean_iou")
            ),
        ),
        (
            "Pedestrian, sign and pole have an IoU of 0 at *every* number of scenes",
            lambda: (
                max(
                    of(f"unet-streets-{n}-images", f"iou_{k}")
                    for n in (24, 96, 384, 1536)
                    for k in ("pedestrian", "sign", "pole")
                )
                < 0.001
            ),
        ),
        (
            "one level deeper, with dropout, and trained for twice as many passes. It scores "
            "higher than the U-Net of the tables above.",
            lambda: (
                len(recipes.RECIPES["unet", "pets"].network.arguments["widths"])
                == len(recipes.COMPARED["unet", "pets"].network.arguments["widths"]) + 1
                and recipes.RECIPES["unet", "pets"].network.arguments["dropout"] > 0
                and recipes.RECIPES["unet", "pets"].config.epochs
                == 2 * recipes.COMPARED["unet", "pets"].config.epochs
                and min(runs("unet-pets", "test_mean_iou"))
                > max(runs("compare-pets-unet", "test_mean_iou"))
            ),
        ),
        (
            "averaging gains on pets, without training",
            lambda: of("unet-pets-averaged-difference", "low") > 0,
        ),
    ],
}
ENTRIES = [(page, sentence, holds) for page, said in SAID.items() for sentence, holds in said]


def plain(text: str) -> str:
    """A page's text on one line, with results taken out."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("page", "sentence", "holds"), ENTRIES, ids=[sentence[:60] for _, sentence, _ in ENTRIES]
)
def test_what_is_said_holds(page, sentence, holds):
    assert sentence.lower() in plain((BOOK / page).read_text(encoding="utf-8")).lower()
    assert holds(), f"{page} says: {sentence}"


def protocol() -> dict[str, list[str]]:
    """The rows of the comparison's table of protocol."""
    text = (BOOK / "comparison-segmentation.md").read_text(encoding="utf-8")
    table = text.partition("The whole protocol in one table:")[2].partition("What is *not*")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows[2:]}


@pytest.mark.parametrize(("column", "task"), list(enumerate(("streets", "pets", "membrane"))))
def test_the_table_of_protocol_is_the_recipes(column, task):
    table, recipe = protocol(), recipes.COMPARED["unet", task]
    config, augment = recipe.config, recipe.config.augment
    first = results.load(f"compare-{task}-unet")
    numbers = re.findall(r"\d+(?= images| to )", first.content["data"])[-3:]
    size = data.loading.size_of(recipe.data.size)

    def cell(row: str) -> str:
        return table[row][column]

    assert cell("Images").startswith("{} × {}".format(*size))
    assert cell("Images to train, to choose the epoch, to test").replace(",", "").split() == numbers
    assert cell("Passes over the training images") == str(config.epochs)
    assert cell("Batch") == str(config.batch_size)
    assert config.optimizer == "adamw" and config.schedule == "one-cycle"
    assert cell("Optimiser, weight decay") == f"AdamW, {config.weight_decay}"
    assert cell("Learning rate: one cycle, up to") == str(config.lr)
    clip = "not cut" if config.clip_norm is None else f"{config.clip_norm:g}"
    assert cell("Gradients cut to norm") == clip
    ema = f"exponential, {config.ema} a step" if config.ema else "none"
    assert cell("Average of the weights that is judged") == ema
    parts = ["mirrored"]
    if augment.scale:
        parts.append("zoomed by {} to {}".format(*augment.scale))
    if augment.rotate:
        parts.append(f"turned by up to {augment.rotate}°")
    if augment.translate:
        assert augment.translate == 0.1
        parts.append("moved by up to a tenth")
    if augment.colour:
        what = "brightness and contrast" if task == "membrane" else "colours"
        parts.append(f"{what} changed by up to {augment.colour}")
    assert augment.flip and cell("Augmentation") == ", ".join(parts)
    assert cell("Loss") == config.loss
    assert cell("Validation after every") == f"{config.evaluate_every} passes"
    assert cell("Seeds") == str(len(first.runs))
    for name in COMPARED:
        assert recipes.COMPARED[name, task].config == config
        assert len(results.load(f"compare-{task}-{name}").runs) == len(first.runs)


def test_dropout_is_as_the_page_says():
    from torch import nn

    def dropout(name: str) -> float:
        network = recipes.ARCHITECTURES[name]
        parts = network.model(num_classes=2, **network.arguments).modules()
        return max([m.p for m in parts if isinstance(m, nn.Dropout | nn.Dropout2d)], default=0.0)

    assert [dropout(name) for name in COMPARED] == [0.0, 0.0, 0.5, 0.5]
    page = plain((BOOK / "comparison-segmentation.md").read_text(encoding="utf-8"))
    assert "*Dropout*: none in FCN-8s and the U-Net, 0.5 after the pyramid of both" in page


def test_a_higher_rate_was_better_for_fcn():
    page = plain((BOOK / "comparison-segmentation.md").read_text(encoding="utf-8"))
    assert "of three rates for FCN-8s (one seed, with dropout, on validation images)" in page
    assert "and no higher rate was tried." in page
    (run,) = results.load("control-rates-fcn").runs
    tried = [float(n.rpartition("_")[2]) for n in run["metrics"] if n.startswith("val_mean_iou_")]
    assert len(tried) == 3 and run["metrics"]["best_rate"] == max(tried) == 0.01
    assert recipes.COMPARED["fcn", "streets"].config.lr == 0.003


def test_which_training_had_zoomed_the_images():
    zoomed = {t: recipes.COMPARED["unet", t].config.augment.scale for t in ("pets", "streets")}
    assert zoomed["pets"] and not zoomed["streets"]


def test_averaging_over_sizes_loses_on_streets():
    """The summary of the comparison says so; 24 validation scenes suffice to see it."""
    page = plain((BOOK / "comparison-segmentation.md").read_text(encoding="utf-8"))
    assert "On the streets, with passes at other sizes, it loses." in page
    network, _ = train.load_checkpoint("unet-streets", device="cpu")
    scenes = data.load("streets", "val", size=(96, 128), num=24)
    truth = scenes.targets.long()

    def scores(probabilities):
        matrix = metrics.confusion_matrix(probabilities.argmax(1), truth, scenes.num_classes)
        return metrics.mean_iou(matrix), metrics.iou(matrix)[scenes.classes.index("pole")]

    once = scores(train.predict(network, scenes.images).softmax(1))
    averaged = scores(train.predict_averaged(network, scenes.images))
    assert once[0] - averaged[0] > 0.01 and once[1] - averaged[1] > 0.05


def test_failures_are_as_the_page_tells_them():
    page = plain((BOOK / "comparison-segmentation.md").read_text(encoding="utf-8"))
    assert "all three miss every pixel of pedestrian, sign and pole, of which there are 30." in page
    assert "In the last only the U-Net finds any of these classes, and of the poles it" in page
    scenes = data.load("streets", "test", size=(96, 128), num=400).subset([349, 52])
    truth, small = (
        scenes.targets.long(),
        [scenes.classes.index(k) for k in CLASSES[6:8] + ("pole",)],
    )
    found = {}
    for name in ("fcn", "unet", "deeplab"):
        network, _ = train.load_checkpoint(f"{name}-streets", device="cpu")
        answer = train.predict(network, scenes.images).argmax(1)
        counts = metrics.confusion_per_image(answer, truth, scenes.num_classes)
        found[name] = counts[:, small, small]  # (scene, class): pixels found
    present = counts[:, small].sum(-1)
    assert int(present[0].sum()) == 30 and all(int(f[0].sum()) == 0 for f in found.values())
    assert int(found["fcn"][1].sum()) == int(found["deeplab"][1].sum()) == 0
    assert all(found["unet"][1] > 0) and found["unet"][1, 2] < present[1, 2] / 2
