"""Normalization against its definition, its statistics, and its edges."""

import numpy as np
import pytest

from trainer import Tensor, grad, value_and_grad, vjp
from trainer.errors import ShapeError
from trainer_ops.normalization import (
    batch_norm,
    batch_norm_inference,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)

RNG = np.random.default_rng(0)
X, SCALE, SHIFT = RNG.normal(2, 3, (6, 5, 4, 8)), RNG.normal(size=8), RNG.normal(size=8)


def by_hand(x, axes, epsilon=1e-5):
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)


@pytest.mark.parametrize(
    ("norm", "axes"),
    [
        (layer_norm, (3,)),
        (lambda *a: batch_norm(*a)[0], (0, 1, 2)),
        (instance_norm, (1, 2)),
    ],
)
def test_each_norm_is_its_definition(norm, axes):
    np.testing.assert_allclose(norm(X, SCALE, SHIFT), by_hand(X, axes) * SCALE + SHIFT, atol=1e-12)
    np.testing.assert_allclose(norm(X), by_hand(X, axes), atol=1e-12)


def test_layer_norm_takes_several_last_axes():
    scale = RNG.normal(size=(4, 8))
    np.testing.assert_allclose(layer_norm(X, scale, axis=(-2, -1)), by_hand(X, (2, 3)) * scale, atol=1e-12)


def test_group_norm_normalizes_neighbouring_channels_together():
    split = X.reshape(6, 5, 4, 2, 4)
    want = by_hand(split, (1, 2, 4)).reshape(X.shape) * SCALE + SHIFT
    np.testing.assert_allclose(group_norm(X, SCALE, SHIFT, groups=2), want, atol=1e-12)
    np.testing.assert_allclose(group_norm(X, groups=8), instance_norm(X), atol=1e-12)
    np.testing.assert_allclose(group_norm(X, groups=1), by_hand(X, (1, 2, 3)), atol=1e-12)


def test_rms_norm_leaves_the_mean_alone():
    want = X / np.sqrt(np.mean(X**2, axis=-1, keepdims=True) + 1e-6) * SCALE
    np.testing.assert_allclose(rms_norm(X, SCALE), want, atol=1e-12)


def test_batch_norm_returns_what_moving_averages_need():
    y, mean, variance = batch_norm(X, SCALE, SHIFT)
    np.testing.assert_allclose(mean, X.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(variance, X.var(axis=(0, 1, 2)))
    np.testing.assert_allclose(batch_norm_inference(X, mean, variance, SCALE, SHIFT), y, atol=1e-12)


def test_gradients_flow_through_batch_norms_statistics():
    x = RNG.normal(size=(5, 3))
    _, pullback = vjp(batch_norm, x)
    zero, u, v = np.zeros((5, 3)), RNG.normal(size=3), RNG.normal(size=3)
    want = (u + 2 * (x - x.mean(axis=0)) * v) / 5
    np.testing.assert_allclose(pullback((zero, u, v))[0], want, atol=1e-12)


def test_batch_norms_statistics_need_no_gradient():
    f = value_and_grad(lambda x: np.sum(batch_norm(x)[0] ** 3))
    _, g = f(X)
    assert abs(g.sum()) < 1e-10  # y does not change when x moves as a whole


@pytest.mark.parametrize(
    "norm", [layer_norm, rms_norm, instance_norm, lambda x: group_norm(x, groups=2), lambda x: batch_norm(x)[0]]
)
def test_zero_variance_gives_finite_values_and_gradients(norm):
    x = np.zeros((3, 4, 2))
    y, pullback = vjp(norm, x)
    (dx,) = pullback(RNG.normal(size=x.shape))
    assert not y.any()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("norm", [layer_norm, rms_norm, instance_norm, lambda *a: batch_norm(*a)[0]])
def test_single_precision_stays_and_only_x_and_scale_are_kept(norm):
    x, scale = Tensor(X.astype(np.float32)), Tensor(SCALE.astype(np.float32))
    y = norm(x, scale)
    assert y.dtype == np.float32
    node = y._node.parents[0] if y._node.op.name == "select" else y._node
    kept = [v for v in node.residuals if isinstance(v, np.ndarray)]
    assert sum(v.nbytes for v in kept) == x.value.nbytes + scale.value.nbytes
    np.sum(y).backward()
    assert (x.grad.dtype, scale.grad.dtype) == (np.float32, np.float32)


def test_a_batch_of_one_normalizes_to_the_shift_with_no_gradient_for_x():
    x = RNG.normal(size=(1, 3))
    np.testing.assert_allclose(batch_norm(x, SCALE[:3], SHIFT[:3])[0], SHIFT[None, :3])
    np.testing.assert_allclose(grad(lambda x: np.sum(batch_norm(x)[0] ** 2))(x), 0)


ERRORS = [
    (lambda: layer_norm(X, np.ones(4)), "layer_norm: scale is (4,); for x (6, 5, 4, 8) right would be (8,)"),
    (lambda: batch_norm(X, None, np.ones(4)), "batch_norm: shift is (4,); for x (6, 5, 4, 8) right would be (8,)"),
    (
        lambda: rms_norm(X, axis=0),
        "rms_norm normalizes over the last axes, -1 or (-2, -1) and so on; axes (0,) of x (6, 5, 4, 8) are not",
    ),
    (
        lambda: group_norm(X, groups=3),
        "group_norm takes x (n, …, channels) and groups that divide the channels: x is (6, 5, 4, 8) and groups=3",
    ),
    (
        lambda: instance_norm(X[:, 0, 0]),
        "instance_norm takes (n, *spatial, channels), and x (6, 8) has no spatial axis",
    ),
    (
        lambda: batch_norm_inference(X, np.ones(3), np.ones(8)),
        "batch_norm_inference: mean is (3,); for x (6, 5, 4, 8) right would be (8,)",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_shapes_that_do_not_fit_are_explained(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message
