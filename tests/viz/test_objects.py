"""Objects on pictures: lines between pixels, masks, texts, and what is refused."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from course_lib import viz
from course_lib.viz.objects import INSTANCE_COLOURS
from course_lib.viz.pixels import to_pixels


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def grey(height, width, level=100):
    return torch.full((3, height, width), level, dtype=torch.uint8)


def outlines(axes):
    """The rectangles in their own colour, without their halos: (x, y, width, height)."""
    own = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_alpha() == 1.0]
    return [(*p.get_xy(), p.get_width(), p.get_height()) for p in own]


def test_a_box_is_drawn_on_the_edges_of_its_pixels():
    box = torch.tensor([[2.0, 1.0, 5.0, 3.0]])  # columns 2 to 4, rows 1 and 2
    figure = viz.object_grid([grey(5, 9)], [viz.Layer(boxes=box)], scale=4)
    (axes,) = figure.axes
    shown = axes.images[0].get_array()
    assert shown.shape == (20, 36, 3)
    assert outlines(axes) == [(2 * 4 - 0.5, 1 * 4 - 0.5, 3 * 4, 2 * 4)]


def test_a_margin_moves_boxes_with_the_picture():
    box = torch.tensor([[-2.0, 0.0, 5.0, 3.0]])
    figure = viz.object_grid([grey(5, 9)], [viz.Layer(boxes=box)], scale=4, margin=3)
    (axes,) = figure.axes
    shown = axes.images[0].get_array()
    assert shown.shape == (4 * 11, 4 * 15, 3)
    assert (shown[12:-12, 12:-12] == 100).all() and (shown[:12] != 100).any()
    assert outlines(axes) == [((3 - 2) * 4 - 0.5, 3 * 4 - 0.5, 7 * 4, 3 * 4)]


def test_masks_take_half_of_their_colour_and_a_full_rim():
    mask = torch.zeros(1, 6, 7, dtype=torch.bool)
    mask[0, 1:5, 2:6] = True
    layer = viz.Layer(boxes=torch.tensor([[2.0, 1, 6, 5]]), masks=mask, colour="#0072B2", width=0)
    figure = viz.object_grid([grey(6, 7)], [layer], scale=1)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    own = np.array([0x00, 0x72, 0xB2])
    assert (shown[1, 2] == own).all()  # rim
    assert (shown[2, 3] == np.round((100 + own) / 2)).all()
    assert (shown[~mask[0].numpy()] == 100).all()
    assert outlines(figure.axes[0]) == []


def test_layers_are_told_apart_by_line_and_texts_are_written():
    boxes = torch.tensor([[1.0, 1, 4, 4], [5, 1, 8, 6]])
    truth = viz.Layer(boxes=boxes, colour="#FFFFFF", line="dashed")
    found = viz.Layer(boxes=boxes, texts=["0.9", ""])
    figure = viz.object_grid([grey(9, 12)] * 3, [truth, [truth, found], found], titles=list("abc"))
    assert len(figure.axes) == 3
    both = figure.axes[1]
    assert len(outlines(both)) == 4
    assert [text.get_text() for text in both.texts] == ["0.9"]
    styles = {p.get_linestyle() for p in both.patches if p.get_alpha() == 1.0}
    assert len(styles) == 2
    figure.canvas.draw()


def test_no_object_is_no_fault():
    masks = torch.zeros(0, 4, 6, dtype=torch.bool)
    layer = viz.Layer(boxes=torch.zeros(0, 4), masks=masks)
    figure = viz.object_grid([grey(4, 6)], [layer])
    assert outlines(figure.axes[0]) == []


@pytest.mark.parametrize(
    ("layer", "said"),
    (
        (viz.Layer(boxes=torch.zeros(4)), r"\(n, 4\)"),
        (viz.Layer(boxes=torch.zeros(2, 4), texts=["a"]), "1 texts for 2 boxes"),
        (viz.Layer(boxes=torch.zeros(2, 4), colour=["#FFFFFF"]), "1 colours for 2 boxes"),
        (viz.Layer(boxes=torch.zeros(1, 4), line="wavy"), "choose one of solid"),
        (viz.Layer(boxes=torch.zeros(1, 4), masks=torch.zeros(1, 4, 6)), "bool of shape"),
    ),
)
def test_what_does_not_fit_is_refused(layer, said):
    with pytest.raises(ValueError, match=said):
        viz.object_grid([grey(4, 6)], [layer])


def test_numbers_of_layers_and_sizes_must_agree():
    layer = viz.Layer(boxes=torch.zeros(0, 4))
    with pytest.raises(ValueError, match="1 layers for 2 pictures"):
        viz.object_grid([grey(4, 6)] * 2, [layer])
    with pytest.raises(ValueError, match="one size"):
        viz.object_grid([grey(4, 6), grey(4, 5)], [layer] * 2)
    with pytest.raises(ValueError, match="at least one"):
        viz.object_grid([], [])


def test_instances_have_colours_and_rims():
    ids = torch.zeros(5, 8, dtype=torch.int16)
    ids[:, :4], ids[:, 4:] = 1, 1 + len(INSTANCE_COLOURS)  # neighbours of one colour
    plain = viz.paint_instances(ids, scale=3, texture=False)
    assert plain.shape == (15, 24, 3)
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) == 1
    apart = viz.paint_instances(ids, scale=3)
    assert (apart[:, 11] != apart[:, 9]).any() and (apart[:, 12] != apart[:, 14]).any()
    image = grey(5, 8)
    ids[0, 0] = 0
    over = viz.paint_instances(ids, image, alpha=0.5, texture=False)
    assert (over[0, 0] == to_pixels(image)[0, 0]).all() and (over[1, 1] != 100).any()
    with pytest.raises(ValueError, match="whole"):
        viz.paint_instances(torch.zeros(4, 4))
    with pytest.raises(ValueError, match="the map"):
        viz.paint_instances(ids, grey(4, 8))
