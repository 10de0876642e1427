"""Pictures and label maps: exact pixels, whole multiples, the right axes."""

import io
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import viz
from course_lib.viz.canvas import GAP, WIDTH
from course_lib.viz.pixels import enlarge, to_pixels

CLASSES = ("background", "pet")
STREETS = ("sky", "road", "vehicle", "sign")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def drawn(figure):
    """The figure as it would stand in a page, (H, W, 3) uint8."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))


def random_images(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_every_form_of_a_picture_is_the_same_picture():
    image = random_images(3, 5, 7)
    expected = image.permute(1, 2, 0).numpy()
    batch = image.float() / 127.5 - 1
    for form in (image, image.numpy(), expected, Image.fromarray(expected), batch, batch.double()):
        assert np.array_equal(to_pixels(form), expected)
    grey = random_images(1, 5, 7)
    for form in (grey, grey[0]):
        assert np.array_equal(to_pixels(form), np.repeat(grey[0].numpy()[..., None], 3, 2))


@pytest.mark.parametrize(
    ("image", "said"),
    (
        (torch.zeros(2, 3, 4, 4), "Take one item of a batch"),
        (torch.zeros(2, 4, 4), r"\(3, H, W\)"),
        (torch.full((3, 4, 4), 1.5), r"floats in \[-1, 1\]"),
        (torch.full((3, 4, 4), torch.nan), "floats from nan"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "got dtype int64"),
    ),
)
def test_what_is_no_picture_is_refused(image, said):
    with pytest.raises(ValueError, match=said):
        to_pixels(image)


@pytest.mark.parametrize("alpha", (0.0, 0.3, 0.5, 1.0))
def test_blend_is_exact(alpha):
    image = random_images(3, 4, 6)
    mask = torch.tensor([[0, 1, 255]] * 4).repeat_interleave(2, dim=1)
    got = viz.blend(image, mask, CLASSES, alpha=alpha)
    colour = np.array([int(viz.class_colours(CLASSES)["pet"][i : i + 2], 16) for i in (1, 3, 5)])
    for y, x in np.ndindex(4, 6):
        pixel = image[:, y, x].numpy().astype(float)
        if mask[y, x] == 1:
            pixel = np.round((1 - alpha) * pixel + alpha * colour)
        assert np.array_equal(got[y, x], pixel.astype(np.uint8))  # background and ignored: as is


def test_blend_may_cover_the_background_too():
    got = viz.blend(
        random_images(3, 2, 2), torch.zeros(2, 2).long(), CLASSES, alpha=1, background=None
    )
    assert not got.any()  # the background is black


@pytest.mark.parametrize("scale", (1, 2, 5))
def test_paint_repeats_every_pixel(scale):
    mask = torch.tensor([[0, 1, 2], [3, 3, 9]])
    got = viz.paint(mask, STREETS, scale=scale)
    assert got.shape == (2 * scale, 3 * scale, 3)
    styles = list(viz.class_styles(STREETS).values())
    for y, x in np.ndindex(2, 3):
        block = got[y * scale : (y + 1) * scale, x * scale : (x + 1) * scale]
        expected = styles[mask[y, x]].rgb if mask[y, x] < 4 else (255, 255, 255)
        assert (block == expected).all()


def test_textures_are_a_second_cue():
    mask = torch.arange(4).repeat_interleave(16)[None].expand(16, 64)
    grey = viz.paint(mask, STREETS, texture=True).astype(float) @ (0.299, 0.587, 0.114)
    patterns = [grey[:, 16 * i : 16 * (i + 1)] for i in range(4)]
    lines = [pattern != np.median(pattern) for pattern in patterns]
    assert not lines[0].any() and not lines[1].any()  # sky and road are plain
    assert lines[2].any() and lines[3].any() and not np.array_equal(lines[2], lines[3])


@pytest.mark.parametrize("dark", (False, True))
@pytest.mark.parametrize("scale", (1, 3))
def test_a_grid_shows_whole_multiples_without_interpolation(dark, scale):
    viz.use(dark=dark)
    images = random_images(5, 3, 8, 12)
    figure = viz.image_grid(images, columns=3, scale=scale)
    assert len(figure.axes) == 5
    page = drawn(figure)
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        y, x = GAP + row * (8 * scale + GAP), GAP + column * (12 * scale + GAP)
        block = page[y : y + 8 * scale, x : x + 12 * scale]
        assert np.array_equal(block, enlarge(to_pixels(image), scale))


@pytest.mark.parametrize("sharpness", (1, 2))
def test_pixels_stay_exact_when_a_notebook_crops_the_figure(sharpness):
    viz.use()
    # Jupyter saves with bbox_inches="tight", and at twice the resolution when asked to.
    images = random_images(3, 3, 32, 32)
    figure = viz.image_grid(images, ["one", "two", "three"], scale=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", bbox_inches="tight", dpi=100 * sharpness)
    page = np.asarray(Image.open(buffer).convert("RGB"))
    block = enlarge(to_pixels(images[2]), 3 * sharpness)
    (height, width), rows = block.shape[:2], range(page.shape[0] - block.shape[0] + 1)
    columns = range(page.shape[1] - width + 1)
    assert any(
        np.array_equal(page[y : y + height, x : x + width], block)
        for y in rows
        for x in columns
        if np.array_equal(page[y, x : x + width], block[0])
    )


def test_a_grid_fits_the_page_by_itself():
    for side, num in ((32, 24), (64, 3), (8, 20), (128, 1)):
        figure = viz.image_grid(random_images(num, 3, side, side))
        width, _ = figure.get_size_inches() * figure.dpi
        assert width <= WIDTH + 2 * GAP + 1
        assert len(figure.axes) == num


def test_titles_do_not_overlap():
    titles = ["a very long title of a picture", "another\nwith two lines"] * 3
    figure = viz.image_grid(random_images(6, 3, 32, 32), titles)
    drawn(figure)
    boxes = [text.get_window_extent() for text in figure.texts]
    shown = [text.get_text() for text in figure.texts]
    assert [" ".join(title.split()) for title in shown] == [" ".join(t.split()) for t in titles]
    assert all(text.get_fontsize() * 100 / 72 >= 12 for text in figure.texts)
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_rows_show_input_truth_prediction_and_error():
    images = random_images(2, 3, 8, 8)
    truth = torch.randint(0, 4, (2, 8, 8), generator=torch.Generator().manual_seed(1))
    truth[0, 0] = 255
    prediction = truth.clamp(max=3).clone()
    prediction[1, 3, 4] = (prediction[1, 3, 4] + 1) % 4
    figure = viz.segmentation_rows(images, truth, prediction, STREETS, scale=4)
    assert len(figure.axes) == 8
    panels = [axes.get_images()[0].get_array() for axes in figure.axes]
    assert np.array_equal(panels[0], enlarge(to_pixels(images[0]), 4))
    assert np.array_equal(panels[1], viz.paint(truth[0], STREETS, scale=4, texture=True))
    assert np.array_equal(panels[6], viz.paint(prediction[1], STREETS, scale=4, texture=True))
    yellow = (panels[7] == (0xF0, 0xE4, 0x42)).all(-1)
    where = np.argwhere(yellow)
    assert where.min(0).tolist() == [12, 16] and where.max(0).tolist() == [15, 19]
    first = (panels[3] == (0xF0, 0xE4, 0x42)).all(-1)
    assert not first.any()  # ignored pixels are no errors
    assert (panels[3][:4] >= 150).all()  # they are white with dots
    texts = [text.get_text() for text in figure.texts]
    assert texts[:4] == ["input", "truth", "prediction", "error"]
    assert texts[4:] == [*STREETS, "wrong pixel", "ignored"]


def test_the_legend_names_only_what_occurs_and_stays_on_the_page():
    many = tuple(f"a class with a long name {i}" for i in range(9))
    mask = torch.arange(64).reshape(8, 8) % 7
    figure = viz.overlay(random_images(3, 8, 8), mask, many)
    drawn(figure)
    assert [text.get_text() for text in figure.texts] == list(many[:7])
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height


def test_an_overlay_without_colour_is_the_picture():
    image = random_images(3, 8, 8)
    figure = viz.overlay(image, torch.ones(8, 8).long(), CLASSES, alpha=0, scale=2)
    shown = figure.axes[0].get_images()[0].get_array()
    assert np.array_equal(shown, enlarge(to_pixels(image), 2))


def test_an_overlay_outlines_every_region():
    mask = torch.zeros(8, 8).long()
    mask[2:6, 2:6] = 1
    shown = viz.overlay(torch.zeros(3, 8, 8).byte(), mask, CLASSES, scale=4).axes[0]
    picture = shown.get_images()[0].get_array()
    rim = (picture == viz.class_styles(CLASSES)["pet"].rgb).all(-1)
    assert rim.sum() == 4 * 16 - 4 and rim[8, 8:24].all() and rim[23, 8:24].all()


@pytest.mark.parametrize(
    ("call", "said"),
    (
        (lambda: viz.image_grid([]), "at least one"),
        (
            lambda: viz.image_grid([torch.zeros(3, 4, 4), torch.zeros(3, 5, 4)]),
            "a grid needs one size",
        ),
        (lambda: viz.image_grid(torch.zeros(2, 3, 4, 4), ["one"]), "1 titles for 2"),
        (lambda: viz.blend(torch.zeros(3, 4, 4), torch.zeros(4, 5).long(), CLASSES), "equal"),
        (lambda: viz.blend(torch.zeros(3, 4, 4), torch.zeros(4, 4), CLASSES), "integer labels"),
        (
            lambda: viz.blend(torch.zeros(3, 4, 4), torch.zeros(4, 4).long(), CLASSES, alpha=2),
            "between 0 and 1",
        ),
        (
            lambda: viz.segmentation_rows(
                torch.zeros(1, 3, 4, 4),
                torch.zeros(1, 4, 4).long(),
                torch.full((1, 4, 4), 7),
                CLASSES,
            ),
            "beyond the 2 classes",
        ),
        (
            lambda: viz.segmentation_rows(
                torch.zeros(2, 3, 4, 4),
                torch.zeros(1, 4, 4).long(),
                torch.zeros(1, 4, 4).long(),
                CLASSES,
            ),
            "got 2 pictures",
        ),
    ),
)
def test_wrong_input_says_what_to_do(call, said):
    with pytest.raises(ValueError, match=said):
        call()
