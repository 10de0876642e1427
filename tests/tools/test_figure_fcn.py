"""The chapter's pictures are those that the script draws, in both themes."""

import pytest

from tools.figures import fcn as figure_fcn


@pytest.mark.parametrize("theme", figure_fcn.THEMES)
@pytest.mark.parametrize("name", figure_fcn.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure_fcn.FOLDER / f"fcn-{name}-{theme}.svg"
    drawn = figure_fcn.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.fcn"


def test_the_sums_are_those_of_the_transposed_convolution():
    import torch
    import torch.nn.functional as F

    for kernel in figure_fcn.KERNELS:
        weight = torch.tensor([[[float(w) for w in kernel]]])
        wanted = F.conv_transpose1d(torch.ones(1, 1, figure_fcn.INPUTS), weight, stride=2)
        assert [float(x) for x in figure_fcn.sums(kernel)] == wanted.flatten().tolist()
