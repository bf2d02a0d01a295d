"""Convolution against loops over every place and element, and the identities that tie its three forms together."""

from itertools import product

import numpy as np
import pytest

from tests.ops import op_checking
from trainer import Tensor, grad, hvp, vjp
from trainer.errors import ShapeError
from trainer_ops import convolution
from trainer_ops.convolution import conv, conv1d, conv2d, conv3d, conv_input, conv_transpose, conv_weights
from trainer_ops.windows import contiguous, overlap_add

ROUNDING = 1e-12


def naive(x, w, stride, pads, dilation, groups):
    """The definition, one multiplication at a time over windows and groups."""
    rank, filters = x.ndim - 2, w.shape[-1]
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    window, (each_in, each_out) = w.shape[:rank], (w.shape[-2], filters // groups)
    out = tuple(
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[1:-1], window, stride, dilation, strict=True)
    )
    y = np.zeros((x.shape[0], *out, filters))
    for place, tap in product(np.ndindex(out), np.ndindex(window)):
        pixel = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True))
        for group in range(groups):
            outs = slice(group * each_out, (group + 1) * each_out)
            ins = slice(group * each_in, (group + 1) * each_in)
            y[(slice(None), *place, outs)] += x[(slice(None), *pixel, ins)] @ w[(*tap, slice(None), outs)]
    return y


CASES = [
    ((2, 6, 3), (3, 3, 4), (1,), ((0, 0),), (1,), 1),
    ((2, 7, 4), (2, 2, 6), (2,), ((1, 2),), (2,), 2),
    ((3, 5, 6, 2), (3, 2, 2, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 7, 5, 4), (3, 3, 1, 8), (2, 1), ((1, 1), (2, 0)), (1, 2), 4),
    ((1, 1, 1, 2), (1, 1, 2, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 6, 6, 3), (1, 1, 3, 2), (3, 2), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 4, 5, 4, 2), (2, 3, 2, 2, 3), (1, 2, 3), ((1, 0), (0, 1), (1, 1)), (2, 1, 1), 1),
]


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pads", "dilation", "groups"), CASES)
@pytest.mark.parametrize("turned", [False, True])
def test_every_element_is_the_definitions(x_shape, w_shape, stride, pads, dilation, groups, turned):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=x_shape), rng.normal(size=w_shape), rng.normal(size=w_shape[-1])
    if turned:  # the memory order that results come in
        x = np.swapaxes(np.ascontiguousarray(np.swapaxes(x, 0, -1)), 0, -1)
    y = conv(x, w, b, stride=stride, padding=pads, dilation=dilation, groups=groups)
    np.testing.assert_allclose(y, naive(x, w, stride, pads, dilation, groups) + b, atol=ROUNDING)


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pads", "dilation", "groups"), CASES)
def test_the_three_forms_are_one_trilinear_form(x_shape, w_shape, stride, pads, dilation, groups):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=x_shape), rng.normal(size=w_shape)
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    y = conv(x, w, **options)
    u = rng.normal(size=y.shape)
    value = np.sum(u * y)
    back_x = conv_input(u, w, shape=x_shape[1:-1], **options)
    back_w = conv_weights(x, u, window=w_shape[:-2], **options)
    assert back_x.shape == x_shape
    assert back_w.shape == w_shape
    np.testing.assert_allclose([np.sum(x * back_x), np.sum(w * back_w)], value, rtol=1e-11)


@pytest.mark.parametrize("transposed", [conv_transpose, convolution.conv1d_transpose])
def test_a_transposed_convolution_scatters_the_weights(transposed):
    rng = np.random.default_rng(2)
    x, w, stride, dilation = rng.normal(size=(2, 4, 3)), rng.normal(size=(3, 5, 3)), 2, 2
    want = np.zeros((2, 3 * stride + 2 * dilation + 1 + 1, 5))
    for place, tap in product(range(4), range(3)):
        want[:, place * stride + tap * dilation] += x[:, place] @ w[tap].T
    y = transposed(x, w, np.ones(5), stride=stride, dilation=dilation, padding=((1, 2),), output_padding=1)
    np.testing.assert_allclose(y, want[:, 1:-2] + 1, atol=ROUNDING)


@pytest.mark.parametrize("padding", ["same", "valid", 0, 1, ((1, 0), (0, 2))])
@pytest.mark.parametrize("stride", [1, 2, (3, 2)])
def test_a_transposed_convolution_is_the_convolutions_gradient(padding, stride):
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(2, 4, 3, 2)), rng.normal(size=(3, 3, 5, 2))
    y = conv_transpose(x, w, stride=stride, padding=padding)
    _, pullback = vjp(lambda v: conv(v, w, stride=stride, padding=padding), np.zeros(y.shape))
    np.testing.assert_allclose(y, pullback(x)[0], atol=ROUNDING)


@pytest.mark.parametrize(("n", "k", "s"), [(7, 3, 2), (8, 3, 2), (5, 4, 1), (6, 1, 4), (9, 2, 3)])
def test_same_gives_a_window_per_stride(n, k, s):
    y = conv1d(np.ones((1, n, 1)), np.ones((k, 1, 1)), stride=s, padding="same")
    assert y.shape == (1, -(-n // s), 1)
    assert convolution.conv1d_transpose(y, np.ones((k, 1, 1)), stride=s, padding="same").shape == (1, y.shape[1] * s, 1)


def test_gradients_of_third_order_are_right():
    rng = np.random.default_rng(4)
    x, w, v = rng.normal(size=(1, 4, 4, 2)), rng.normal(size=(2, 2, 1, 2)), rng.normal(size=(1, 4, 4, 2))

    def f(x):
        return np.sum(np.tanh(conv2d(x, w, stride=2, padding=1, groups=2)) ** 2)

    def along(x):
        return np.sum(hvp(f)(x, v) * v)

    got = np.sum(grad(along)(x) * v)
    np.testing.assert_allclose(got, op_checking.central(along, (x,), (v,)), rtol=1e-7)


def test_single_precision_stays():
    x, w, b = (np.ones(s, np.float32) for s in ((2, 5, 5, 1), (3, 3, 1, 4), (4,)))
    y, pullback = vjp(lambda *a: conv2d(*a, padding=1), x, w, b)
    assert {y.dtype, *(g.dtype for g in pullback(np.ones_like(y)))} == {np.dtype(np.float32)}
    assert conv2d(x, w, b.astype(np.float64)).dtype == np.float64


def test_what_is_kept_is_the_inputs_and_not_the_windows():
    x, w = Tensor(np.ones((2, 5, 5, 1))), Tensor(np.ones((3, 3, 1, 4)))
    node = conv2d(x, w)._node
    assert sum(v.nbytes for v in node.residuals if isinstance(v, np.ndarray)) == x.value.nbytes + w.value.nbytes


def test_results_lie_in_memory_with_the_batch_innermost():
    y = conv2d(np.ones((7, 6, 5, 2)), np.ones((2, 2, 2, 3)))
    assert np.swapaxes(y, 0, -1).flags.c_contiguous
    assert np.swapaxes(conv_input(y, np.ones((2, 2, 2, 3)), shape=(6, 5)), 0, -1).flags.c_contiguous


@pytest.mark.parametrize("padding", [0, 1])
def test_an_empty_batch_gives_an_empty_batch_and_zero_gradients(padding):
    x, w, b = np.ones((0, 4, 4, 2)), np.ones((3, 3, 2, 5)), np.ones(5)
    y, pullback = vjp(lambda *a: conv2d(*a, padding=padding), x, w, b)
    gradients = pullback(np.ones_like(y))
    assert y.shape == (0, 2 + 2 * padding, 2 + 2 * padding, 5)
    assert [g.shape for g in gradients] == [x.shape, w.shape, b.shape]
    assert not gradients[1].any()
    assert not gradients[2].any()


def test_lists_serve_as_well_as_tuples():
    x, w = np.ones((1, 6, 6, 1)), np.ones((2, 2, 1, 1))
    np.testing.assert_array_equal(
        conv2d(x, w, stride=[2, 1], padding=[[1, 0], [0, 1]]), conv2d(x, w, stride=(2, 1), padding=((1, 0), (0, 1)))
    )


def test_operations_are_two_per_element_of_a_window():
    assert conv2d.count_operations([(64, 28, 28, 1), (3, 3, 1, 8)], (64, 26, 26, 8)) == 2 * 64 * 26 * 26 * 9 * 8
    assert conv_transpose.count_operations([(1, 4, 2), (3, 5, 2), (5,)], (1, 6, 5)) == 2 * 4 * 3 * 5 * 2


ERRORS = [
    (
        lambda: conv2d(np.ones((5, 28, 28)), np.ones((3, 3, 1, 8))),
        (
            "convolution takes x (n, height, width, channels) and weights (height, width, channels, filters); "
            "x is (5, 28, 28) and weights are (3, 3, 1, 8); add an axis of channels: x[..., None]"
        ),
    ),
    (
        lambda: conv1d(np.ones((5, 8, 8, 1)), np.ones((3, 3, 1, 8))),
        (
            "convolution takes x (n, length, channels) and weights (length, channels, filters); "
            "x is (5, 8, 8, 1) and weights are (3, 3, 1, 8)"
        ),
    ),
    (
        lambda: conv2d(np.ones((5, 8, 8, 2)), np.ones((3, 3, 1, 8))),
        (
            "x (5, 8, 8, 2) has 2 channels, its last axis, and weights (3, 3, 1, 8) take 1; "
            "right would be weights (3, 3, 2, 8)"
        ),
    ),
    (
        lambda: conv1d(np.ones((1, 8, 4)), np.ones((3, 4, 4)), groups=2),
        (
            "x (1, 8, 4) has 4 channels / 2 groups, its last axis, and weights (3, 4, 4) take 4; "
            "right would be weights (3, 2, 4)"
        ),
    ),
    (
        lambda: conv1d(np.ones((1, 8, 4)), np.ones((3, 1, 6)), groups=4),
        "groups=4 must divide the channels, 4, and the filters, 6",
    ),
    (
        lambda: conv1d(np.ones((1, 8, 4)), np.ones((3, 4, 6)), np.ones(4)),
        "bias is (4,), and there are 6 filters: right would be (6,)",
    ),
    (
        lambda: conv1d(np.ones((1, 4, 1)), np.ones((3, 1, 1)), dilation=2),
        "a window of (3,) (with dilation (2,): (5,)) does not fit into a grid of (4,)",
    ),
    (
        lambda: conv3d(np.ones((1, 2, 2, 2, 1)), np.ones((5, 1, 1, 1, 1)), padding=1),
        "a window of (5, 1, 1) does not fit into a grid of (2, 2, 2), (4, 4, 4) with its padding",
    ),
    (
        lambda: conv2d(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), stride=(1, 1, 1)),
        "stride=(1, 1, 1) gives 3 numbers for 2 spatial axes; write one, or 2",
    ),
    (lambda: conv1d(np.ones((1, 4, 1)), np.ones((3, 1, 1)), stride=0), "stride=0 must be at least 1"),
    (lambda: conv1d(np.ones((1, 4, 1)), np.ones((3, 1, 1)), padding=-1), "padding=-1 must not be negative"),
    (
        lambda: conv1d(np.ones((1, 4, 1)), np.ones((3, 1, 1)), padding="full"),
        "padding='full' is not known; write 'same', 'valid', a number, or one per axis",
    ),
    (
        lambda: conv1d(np.ones((1, 4, 1)), np.ones((3, 1, 1)), padding=(1, 2)),
        (
            "padding=(1, 2) gives 2 entries for 1 spatial axis; write one number, one per axis, "
            "or a pair (before, after) per axis"
        ),
    ),
    (
        lambda: conv_input(np.ones((1, 3, 1)), np.ones((2, 1, 1)), shape=(3,)),
        "windows (2,) on a grid (3,) are (2,), and their gradient u has (3,) of them",
    ),
    (
        lambda: conv_transpose(np.ones((1, 3, 2)), np.ones((2, 2, 3))),
        "x (1, 3, 2) has 2 channels, its last axis, and weights (2, 2, 3) take 3; right would be weights (2, 2, 2)",
    ),
    (
        lambda: convolution.conv2d_transpose(np.ones((1, 3, 2)), np.ones((2, 2, 2))),
        (
            "a transposed convolution takes x (n, height, width, channels) and weights "
            "(height, width, filters, channels); x is (1, 3, 2) and weights are (2, 2, 2)"
        ),
    ),
    (
        lambda: conv_transpose(np.ones((1, 3, 2)), np.ones((2, 1, 2)), stride=2, output_padding=2),
        "output_padding=2 must be smaller than the stride, (2,)",
    ),
    (
        lambda: conv_transpose(np.ones((1, 1, 2)), np.ones((2, 1, 2)), padding=1),
        "padding=1 leaves nothing of the output: its grid would be (0,)",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_shapes_that_do_not_fit_are_explained(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message


def test_overlap_add_is_the_transpose_of_slicing():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3, 7))
    places = tuple((slice(None), slice(i, i + 5, 2)) for i in range(3))
    parts = [rng.normal(size=x[p].shape) for p in places]
    together = overlap_add(*parts, places=places, shape=x.shape)
    np.testing.assert_allclose(
        np.sum(together * x), sum(np.sum(x[p] * q) for p, q in zip(places, parts, strict=True)), rtol=1e-12
    )


def test_contiguous_copies_only_what_is_not():
    x = np.zeros((3, 4))
    assert contiguous(x) is x
    assert contiguous(x.T).flags.c_contiguous
