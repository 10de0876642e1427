"""The pictures that checkpoints draw: the worst scenes, and pages of samples that nobody picked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.data import to_float, to_uint8
from course_lib.models import CodeGenerator, DCGANGenerator, Flow
from course_lib.recipes.flow import MEMORY, memory_recipe
from course_lib.recipes.generation import DATA
from course_lib.train import draw_samples, save_checkpoint
from tools.common import ROOT, ToolError
from tools.figures.__main__ import PICTURES
from tools.figures.failures import WORST, failures
from tools.figures.generation import (
    SHOWN,
    coded,
    copied,
    guided,
    longer,
    page,
    photographed,
    sheets,
)
from tools.figures.photographs import WORST as WORST_PETS
from tools.figures.photographs import outlined
from tools.figures.tasks import TITLES, borders, tasks


def test_every_picture_is_committed():
    assert all((ROOT / "book" / "images" / f"{name}.png").is_file() for name in PICTURES)


def test_the_worst_scenes_are_drawn_for_each_network():
    figure = failures(["unet-streets"], num=WORST + 1)
    assert len(figure.axes) == WORST * 3  # input, truth, one network
    titles = [text.get_text() for text in figure.texts]
    assert "truth" in titles
    above = [t for t in titles if t and t[:5] not in ("scene", "truth")]
    scores = [float(t.removeprefix("UNet\n")) for t in above]
    assert len(scores) == WORST
    assert scores == sorted(scores)  # the worst one first


@pytest.mark.usefixtures("real_data")
def test_the_worst_photographs_are_drawn_worst_first():
    figure = outlined(num=WORST_PETS + 4)
    assert len(figure.axes) == WORST_PETS * 4  # input, truth, answer, wrong pixels
    titles = [text.get_text() for text in figure.texts]
    titles += [axis.get_title(loc) for axis in figure.axes for loc in ("left", "center")]
    scores = [float(t.split("mean IoU ")[1]) for t in titles if "mean IoU" in t]
    assert len(scores) == WORST_PETS
    assert scores == sorted(scores)


def test_a_page_holds_the_first_64_in_their_order():
    images = np.arange(64, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 4, 3), np.uint8)
    laid = page(images)
    assert laid.shape == (8 * 5 - 2, 8 * 6 - 2, 3)
    assert laid[0, 0, 0] == 0 and laid[5, 6, 0] == 9 and laid[-1, -1, 0] == 63
    assert laid[3, 0, 0] == 255  # the gap


def test_pages_show_generators_beside_test_images(tmp_path: Path):
    torch.manual_seed(0)
    model = DCGANGenerator(width=4, size=32).eval()
    card = {"arguments": {"width": 4, "size": 32}, "classes": (), "task": "generation"}
    card |= {"size": (32, 32), "data": "nothing"}
    path = save_checkpoint(tmp_path / "dcgan.safetensors", model, card, half=False)
    figure = sheets("shapes", {"dcgan": str(path)})
    assert [text.get_text() for text in figure.texts] == ["DCGAN", "test images"]
    shown = figure.axes[0].images[0].get_array()
    first = draw_samples(model, 64)[0].movedim(0, -1).numpy()
    assert np.array_equal(np.asarray(shown)[:32, :32], first)


@pytest.mark.usefixtures("real_data")
def test_photographs_stand_beside_what_their_codes_keep(tmp_path: Path):
    torch.manual_seed(0)
    codes = {"in_channels": 3, "size": 32, "width": 8, "dim": 4, "num_codes": 16}
    prior = {"width": 16, "layers": 1, "heads": 2}
    model = CodeGenerator(codes=codes, prior=prior).eval()
    card = {"arguments": {"codes": codes, "prior": prior}, "classes": (), "task": "generation"}
    card |= {"size": (32, 32), "data": "nothing"}
    path = save_checkpoint(tmp_path / "codes.safetensors", model, card, half=False)
    figure = coded(str(path))
    photographs, again, drawn = (np.asarray(axes.images[0].get_array()) for axes in figure.axes)
    first = DATA["cifar10"].load("test").images[:1]
    assert np.array_equal(photographs[:32, :32], first[0].movedim(0, -1).numpy())
    with torch.no_grad():
        kept = to_uint8(model.codes.reconstruct(to_float(first)).clamp(-1, 1))[0]
    assert np.abs(again[:32, :32].astype(int) - kept.movedim(0, -1).numpy()).max() <= 1
    sample = draw_samples(model, 64)[0].movedim(0, -1).numpy()
    assert np.array_equal(drawn[:32, :32], sample)


def a_flow(path: Path, seed: int = 0) -> Flow:
    """Save a flow of shapes that is not trained, and return it."""
    torch.manual_seed(seed)
    network = {"in_channels": 3, "num_classes": 10, "widths": (8, 12), "heads": 2, "size": 32}
    arguments = {"network": network, "steps": 2}
    model = Flow(**arguments).eval()
    for parameter in model.parameters():  # an untrained one says 0, with any label
        torch.nn.init.normal_(parameter, std=0.1)
    card = {"arguments": arguments, "classes": (), "task": "generation"}
    card |= {"size": (32, 32), "data": "nothing"}
    save_checkpoint(path, model, card, half=False)
    return model


def test_a_flow_stands_beside_one_of_a_longer_training(tmp_path: Path):
    paths = [tmp_path / f"{name}.safetensors" for name in ("short", "long")]
    models = [a_flow(path, seed) for seed, path in enumerate(paths)]
    figure = longer(*map(str, paths))
    titles = [text.get_text() for text in figure.texts]
    assert titles == ["6,000 updates", "12,000 updates", "test images"]
    *shown, _ = [np.asarray(axes.images[0].get_array())[:32, :32] for axes in figure.axes]
    for picture, model in zip(shown, models, strict=True):
        model.guidance = 3.0
        assert np.array_equal(picture, draw_samples(model, 64)[0].movedim(0, -1).numpy())
    assert not np.array_equal(*shown)


@pytest.mark.usefixtures("real_data")
def test_photographs_of_a_flow_stand_beside_those_of_others(tmp_path: Path):
    path = tmp_path / "flow.safetensors"
    model = a_flow(path)
    figure = photographed(str(path))
    titles = [text.get_text() for text in figure.texts]
    assert titles[:3] == ["Flow, $w = 1.5$", "Flow, $w = 3$", "Flow, $w = 5$"]
    assert titles[-1] == "test images"
    first = [np.asarray(axes.images[0].get_array())[:32, :32] for axes in figure.axes]
    for picture, model.guidance in zip(first, (1.5, 3.0, 5.0), strict=False):
        assert np.array_equal(picture, draw_samples(model, 64)[0].movedim(0, -1).numpy())
    real = DATA["cifar10"].load("test").images[0].movedim(0, -1).numpy()
    assert np.array_equal(first[len(titles) - 1], real)


def test_samples_stand_above_the_nearest_digit_that_was_learned_from(tmp_path: Path):
    for name, recipe in ((name, memory_recipe(num)) for num, name in MEMORY.items()):
        model = recipe.build(recipe.data.load("train"), 0)
        (tmp_path / name).mkdir()
        parts = {"ema": {"model": model.state_dict()}}
        torch.save({"parts": parts}, tmp_path / name / "checkpoint.pt")
    figure = copied(tmp_path)
    titles = [text.get_text().split(":")[0] for text in figure.texts]
    assert titles == ["from 64 digits", "from 512 digits", "from 4,096 digits"]
    for axes, num in zip(figure.axes, MEMORY, strict=True):
        shown = np.asarray(axes.images[0].get_array())[::3, ::3]  # drawn three times as large
        sample, below = shown[:32, :32], shown[34:66, :32]
        known = memory_recipe(num).data.load("train").images[:, 0].numpy().astype(float)
        apart = np.square(known - (sample if sample.ndim == 2 else sample[..., 0])).sum((1, 2))
        assert np.array_equal(known[apart.argmin()], below if below.ndim == 2 else below[..., 0])


def test_what_is_not_trained_here_cannot_be_drawn(tmp_path: Path):
    with pytest.raises(ToolError, match="course results run --only flow-memory"):
        copied(tmp_path)


def test_one_flow_is_drawn_with_less_and_more_guidance(tmp_path: Path):
    path = tmp_path / "flow.safetensors"
    model = a_flow(path)
    figure = guided(str(path))
    titles = [text.get_text() for text in figure.texts]
    assert titles == ["$w = 1$", "$w = 3$", "$w = 8$", "test images"]
    *shown, real = [np.asarray(axes.images[0].get_array())[:32, :32] for axes in figure.axes]
    assert np.array_equal(real, DATA["shapes"].load("test").images[0].movedim(0, -1).numpy())
    for picture, model.guidance in zip(shown, SHOWN, strict=True):
        assert np.array_equal(picture, draw_samples(model, 64)[0].movedim(0, -1).numpy())
    assert len({picture.tobytes() for picture in shown}) == 3


def test_a_task_without_generators_is_named():
    with pytest.raises(ValueError, match="no generator of nowhere is shipped"):
        sheets("nowhere")


def test_borders_are_where_objects_touch_anything_else():
    ids = np.zeros((6, 8), int)
    ids[1:4, 1:4], ids[1:4, 4:7] = 1, 2
    edge = borders(ids)
    assert not edge[ids == 0].any()
    assert edge[1:4, 3:5].all()  # both sides of the line between two objects
    assert not edge[2, 2] and not edge[2, 5]


def test_one_scene_and_what_the_tasks_make_of_it():
    figure = tasks(num=3)
    # The course's style, where another test has chosen it, sets titles at the left.
    titles = [axis.get_title() or axis.get_title(loc="left") for axis in figure.axes]
    assert titles == list(TITLES)
    panels = [axis.images[0].get_array() for axis in figure.axes]
    semantic, panoptic = panels[1], panels[3]
    assert semantic.shape == panoptic.shape == panels[2].shape
    lines = (semantic != panoptic).any(-1)
    assert 0 < lines.mean() < 0.2 and (panoptic[lines] == 255).all()  # the same, but for the lines
    assert panels[4].mean() > panels[5].mean()  # the night is darker than dusk
