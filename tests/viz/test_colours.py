"""The palette: fixed, distinguishable under simulated colour-blindness, with a second cue."""

import importlib
from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from course_lib.viz import class_colours, class_styles
from course_lib.viz.colours import OKABE_ITO, PALETTE, TEXTURES, ink_on, luminance

# Machado, Oliveira and Fernandes (2009), complete deficiency, on linear RGB.
VISION = {
    "usual": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(colour, vision):
    """The colour as CIELAB, as somebody with that vision sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(rgb[None, None])[0, 0]


@pytest.mark.parametrize("vision", VISION)
def test_every_pair_of_the_palette_stays_apart(vision):
    # 10 is far: neighbouring patches differ visibly from about 2 on. 20 with usual vision.
    least = min(
        deltaE_ciede2000(seen(a, vision), seen(b, vision)) for a, b in combinations(PALETTE, 2)
    )
    assert least > (20 if vision == "usual" else 10)


def test_the_palette_is_okabe_and_itos_with_two_greys():
    assert set(OKABE_ITO) < set(PALETTE) and len(PALETTE) == len(set(PALETTE)) == 10


@pytest.mark.parametrize(
    ("module", "names"),
    (
        ("streets.scene", "CLASSES"),
        ("shapes", "SEMANTIC_CLASSES"),
        ("rooms.scene", "CLASSES"),
        ("cells", "BORDER_CLASSES"),
    ),
)
def test_every_class_of_the_scenes_has_a_fixed_look_of_its_own(module, names):
    classes = getattr(importlib.import_module(f"course_lib.data.scenes.{module}"), names)
    styles = class_styles(classes)
    assert tuple(styles) == tuple(classes) and len(set(styles.values())) == len(classes)
    assert len(set(class_colours(classes).values())) == min(len(classes), len(PALETTE))
    for name in classes:  # whatever stands beside it
        assert class_styles([name])[name] == styles[name]


def test_a_known_class_looks_the_same_in_every_set():
    alone = class_colours(["vehicle"])["vehicle"]
    assert class_colours(["background", "vehicle", "zebra"])["vehicle"] == alone
    assert class_colours(["zebra", "Vehicle"])["Vehicle"] == alone
    assert (
        class_colours(["lane_marking"])["lane_marking"]
        == class_colours(["lane marking"])["lane marking"]
    )


def test_unknown_classes_do_not_take_a_known_ones_colour():
    styles = class_styles(["one", "two", "road", "three"])
    assert len({style.colour for style in styles.values()}) == 4
    assert class_styles(["one", "two", "road", "three"]) == styles


@pytest.mark.parametrize("num", (2, 10, 19, 21, 80))
def test_many_classes_differ_in_colour_or_texture(num):
    styles = class_styles([f"class {i}" for i in range(num)])
    assert len(set(styles.values())) == num
    assert {style.texture for style in styles.values()} <= set(TEXTURES)


def test_two_names_of_one_class_do_not_look_alike():
    styles = class_styles(["vehicle", "car"])
    assert styles["vehicle"] != styles["car"]


def test_wrong_input_says_what_to_do():
    with pytest.raises(ValueError, match="sequence of names"):
        class_colours("road")
    with pytest.raises(ValueError, match=r"\['road'\] occur more than once"):
        class_colours(["road", "road"])
    with pytest.raises(ValueError, match="100 classes"):
        class_colours([str(i) for i in range(100)])


@pytest.mark.parametrize("colour", PALETTE)
def test_ink_on_a_colour_can_be_read(colour):
    light, dark = sorted((luminance(colour), luminance(ink_on(colour))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
