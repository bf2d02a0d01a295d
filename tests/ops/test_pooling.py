"""Pooling against loops over windows, and its edges: ties, nan, padding, windows that share elements."""

from itertools import product

import numpy as np
import pytest

from trainer import grad, vjp
from trainer.errors import ShapeError
from trainer_ops.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
)


def windows(x, window, stride, pads, dilation=1):
    """Per window its place and the elements of x that it holds, (n, elements, channels), padding left out."""
    spatial = x.shape[1:-1]
    counts = [
        (n + a + b - dilation * (k - 1) - 1) // s + 1
        for n, k, s, (a, b) in zip(spatial, window, stride, pads, strict=True)
    ]
    for place in np.ndindex(*counts):
        axes = [
            [i for i in range(p * s - a, p * s - a + dilation * (k - 1) + 1, dilation) if 0 <= i < n]
            for p, k, s, (a, _), n in zip(place, window, stride, pads, spatial, strict=True)
        ]
        pixels = list(product(*axes))
        yield counts, place, pixels, np.stack([x[(slice(None), *p)] for p in pixels], axis=1)


def pooled(x, reduction, *geometry):
    y = None
    for counts, place, _, elements in windows(x, *geometry):
        y = np.zeros((x.shape[0], *counts, x.shape[-1])) if y is None else y
        y[(slice(None), *place)] = reduction(elements, axis=1)
    return y


CASES = [
    ((2, 7, 3), (3,), (2,), ((1, 1),)),
    ((2, 6, 5, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((2, 6, 5, 3), (3, 2), (1, 2), ((1, 0), (0, 1))),
    ((1, 4, 4, 4, 2), (2, 3, 1), (2, 1, 1), ((0, 0), (1, 1), (0, 0))),
]


@pytest.mark.parametrize(("shape", "window", "stride", "pads"), CASES)
def test_every_element_is_the_windows(shape, window, stride, pads):
    x = np.random.default_rng(0).normal(size=shape)
    options = {"window": window, "stride": stride, "padding": pads}
    np.testing.assert_array_equal(max_pool(x, **options), pooled(x, np.max, window, stride, pads))
    np.testing.assert_allclose(average_pool(x, **options), pooled(x, np.mean, window, stride, pads), rtol=1e-12)


def test_a_dilated_window_skips_elements():
    x = np.random.default_rng(1).normal(size=(2, 9, 2))
    y = max_pool(x, window=3, stride=1, dilation=3)
    np.testing.assert_array_equal(y, pooled(x, np.max, (3,), (1,), ((0, 0),), 3))


@pytest.mark.parametrize(("shape", "window", "stride", "pads"), CASES)
def test_the_first_of_several_maxima_gets_the_gradient(shape, window, stride, pads):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 3, shape).astype(float)  # ties everywhere
    y, pullback = vjp(lambda x: max_pool(x, window=window, stride=stride, padding=pads), x)
    dy, want = rng.normal(size=y.shape), np.zeros(shape)
    for _, place, pixels, elements in windows(x, window, stride, pads):
        first = elements.argmax(axis=1)
        for n, c in np.ndindex(shape[0], shape[-1]):
            want[(n, *pixels[first[n, c]], c)] += dy[(n, *place, c)]
    np.testing.assert_allclose(pullback(dy)[0], want, atol=1e-12)


def test_a_window_with_a_nan_gives_nan_and_loses_no_gradient():
    x = np.array([1.0, np.nan, 3.0, 2.0]).reshape(1, 4, 1)
    y, pullback = vjp(max_pool, x)
    np.testing.assert_array_equal(y.ravel(), [np.nan, 3.0])
    np.testing.assert_array_equal(pullback(np.array([5.0, 7.0]).reshape(y.shape))[0].ravel(), [0, 5, 7, 0])


def test_padding_never_wins_and_counts_only_when_asked():
    x = -np.ones((1, 2, 1))
    np.testing.assert_array_equal(max_pool(x, window=3, stride=1, padding=1), x)
    np.testing.assert_allclose(average_pool(x, window=3, stride=1, padding=1), x)
    np.testing.assert_allclose(average_pool(x, window=3, stride=1, padding=1, count_padding=True), x * 2 / 3)


def test_elements_that_no_window_reaches_have_no_gradient():
    x = np.arange(5.0).reshape(1, 5, 1)
    for pool in (max_pool, average_pool):
        assert grad(lambda x, pool=pool: np.sum(pool(x)))(x).ravel()[-1] == 0


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, (2, 6)])
def test_adaptive_windows_cover_x_evenly(size):
    x = np.random.default_rng(3).normal(size=(2, 5, 6, 3))
    height, width = (size, size) if isinstance(size, int) else size
    means, maxima = np.zeros((2, height, width, 3)), np.zeros((2, height, width, 3))
    for i, j in np.ndindex(height, width):
        rows = slice(i * 5 // height, -(-(i + 1) * 5 // height))
        columns = slice(j * 6 // width, -(-(j + 1) * 6 // width))
        means[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
        maxima[:, i, j] = x[:, rows, columns].max(axis=(1, 2))
    np.testing.assert_allclose(adaptive_average_pool(x, size=size), means, atol=1e-12)
    np.testing.assert_array_equal(adaptive_max_pool(x, size=size), maxima)


def test_global_pools_are_the_adaptive_ones_of_size_one():
    x = np.random.default_rng(4).normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(global_average_pool(x), adaptive_average_pool(x, size=1)[:, 0, 0], rtol=1e-12)
    np.testing.assert_array_equal(global_max_pool(x), adaptive_max_pool(x, size=1)[:, 0, 0])
    tied = np.ones((1, 2, 2, 1))
    np.testing.assert_array_equal(grad(lambda x: np.sum(global_max_pool(x)))(tied).ravel(), [1, 0, 0, 0])
    np.testing.assert_array_equal(grad(lambda x: np.sum(adaptive_max_pool(x)))(tied).ravel(), [1, 0, 0, 0])


@pytest.mark.parametrize("pool", [max_pool, average_pool, adaptive_max_pool, adaptive_average_pool, global_max_pool])
def test_single_precision_stays_and_an_empty_batch_passes(pool):
    for n in (2, 0):
        x = np.ones((n, 4, 6, 3), np.float32)
        y, pullback = vjp(pool, x)
        (dx,) = pullback(np.ones_like(y))
        assert (y.dtype, dx.dtype, dx.shape) == (np.float32, np.float32, x.shape)


ERRORS = [
    (lambda: max_pool(np.ones(28)), "max_pool takes (n, *spatial, channels), and x is (28,)"),
    (
        lambda: max_pool(np.ones((5, 28))),
        "max_pool takes (n, *spatial, channels), and x is (5, 28); add an axis of channels: x[..., None]",
    ),
    (
        lambda: average_pool(np.ones((5, 4, 1)), window=2, padding=2),
        "average_pool: padding=2 leaves windows of (2,) that hold nothing but padding",
    ),
    (
        lambda: max_pool(np.ones((5, 4, 4, 1)), window=(2, 2, 2)),
        "window=(2, 2, 2) gives 3 numbers for 2 spatial axes; write one, or 2",
    ),
    (lambda: max_pool(np.ones((5, 2, 1)), window=3), "a window of (3,) does not fit into a grid of (2,)"),
    (lambda: adaptive_max_pool(np.ones((5, 0, 1))), "adaptive_max_pool cannot pool an empty axis: x is (5, 0, 1)"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_shapes_that_do_not_fit_are_explained(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message
