"""The figures of the chapters on codes show what an independent computation gives."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.cluster import KMeans

from tools.figures import variational
from tools.figures.__main__ import draw

drawn = cache(draw)


def test_the_regions_overlap_where_the_picture_says():
    (chart,) = [axes for axes in drawn("vae-codes").axes if axes.get_xlabel() == "z"]
    prior, first, second = (line.get_xydata() for line in chart.lines[:3])
    for curve, mean, std in ((prior, 0, 1), (first, -0.6, 0.4), (second, 0.6, 0.4)):
        assert curve[:, 1] == pytest.approx(norm.pdf(curve[:, 0], mean, std))
    middle = np.argmin(np.abs(first[:, 0]))
    assert first[middle, 1] == pytest.approx(second[middle, 1])  # "for both"
    assert first[middle, 1] > 0.3


def test_the_bounds_rise_from_the_elbo_to_the_likelihood():
    axes = drawn("vae-importance").axes[0]
    exact = norm.logpdf(variational.AT, 0, (variational.GAIN**2 + 1) ** 0.5)
    line, wide, prior = (line.get_xydata() for line in axes.lines)
    assert line[:, 1] == pytest.approx(exact)
    # The first points are the two bounds of the chapter's table.
    assert wide[0, 1] == pytest.approx(-3.544, abs=0.02)
    assert prior[0, 1] == pytest.approx(-6.044, abs=0.02)
    for curve, at in ((wide, 30), (prior, 100)):  # as the words for the picture say
        assert (np.diff(curve[:, 1]) > -1e-3).all()
        assert curve[curve[:, 0] >= at, 1] == pytest.approx(exact, abs=0.015)


def test_each_number_goes_silent_at_its_variance():
    """The nats of the best decoder, by a library's maximum of the likelihood."""
    axes = drawn("vae-collapse").axes[0]
    for variance, line in zip(variational.VARIANCES, axes.lines[::2], strict=True):
        for noise, nats in line.get_xydata()[::16]:
            best = minimize_scalar(
                lambda a2, n=noise, v=variance: 0.5 * np.log(a2 + n) + v / (a2 + n) / 2,
                bounds=(0, 10),
                method="bounded",
                options={"xatol": 1e-9},
            ).x
            # Information of a Gaussian channel with the signal a² and the noise.
            assert nats == pytest.approx(0.5 * np.log1p(best / noise), abs=1e-4)


def test_the_cells_are_those_of_k_means():
    """Codes of the right panel against scikit-learn; every line leads to the nearest code."""
    start, after = drawn("vq-cells").axes
    vectors, codes = variational.heaps()
    theirs = KMeans(4, init=codes, n_init=1, tol=0).fit(vectors).cluster_centers_
    for axes, wanted in ((start, codes), (after, theirs)):
        lines = [line.get_xydata() for line in axes.lines]
        ends = [line for line in lines if len(line) == 2 and line.shape == (2, 2)]
        shown = np.array([line[0] for line in lines if len(line) == 1])
        big = [line for line in axes.lines if line.get_markersize() == 13]
        assert np.array([line.get_xydata()[0] for line in big]) == pytest.approx(wanted)
        assert len(shown) >= 4
        joined = [
            line
            for line in ends
            if (np.abs(wanted - line[1]).sum(1) < 1e-9).any()
            and (np.abs(vectors - line[0]).sum(1) < 1e-9).any()
        ]
        assert len(joined) >= 24
        for vector, code in joined:
            distances = ((wanted - vector) ** 2).sum(1)
            assert ((code - vector) ** 2).sum() == pytest.approx(distances.min())


def test_a_shift_by_pixels_and_by_features():
    axes = drawn("vaegan-shift").axes[0]
    line, pixels, features = (line.get_xydata() for line in axes.lines)
    assert (line[:, 1] == 1).all()
    assert pixels[:, 1] == pytest.approx(2 * np.minimum(pixels[:, 0], 1))
    assert features[:, 1] == pytest.approx(2 * np.minimum(features[:, 0], 9) / 9)
