"""The same numbers as PyTorch: every layer in a small network, 50 steps in float64, at each step to 1e-9.

The curves were recorded by tests/references/record_torch_layers.py, which says what the networks are and what PyTorch
was told. Where a convention differs on purpose, the case says how.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of
from trainer import op
from trainer.nn import Dense, Draw, Flatten, Network, OpLayer
from trainer.plugins import shared
from trainer.training import Epoch, Step, Training
from trainer_ops import mean_squared_error
from trainer_ops.layers import augmentation, convolution, embedding, normalization, pooling, regularization, shaping

RECORDED = json.loads((Path(__file__).parents[1] / "references" / "torch_layers.json").read_text(encoding="utf-8"))
DATA, CURVES = RECORDED["data"], RECORDED["curves"]
UNIFORM = np.array(DATA["uniform"])


def use(name, **options):
    """A layer, or an op as a layer, by its name in a config."""
    layers = shared().all("layers")
    return layers[name].build(**options) if name in layers else OpLayer(shared().get("ops", name).target, **options)


SOFTMAX = use("softmax")  # over the last axis: what lies in which axis and order then makes a difference

# The layer of each case, and what its inputs are called.
CASES = {
    "conv1d": (use("conv1d", filters=3), "sequences"),
    "conv1d, stride, padding, dilation, groups": (
        use("conv1d", filters=4, kernel=2, stride=2, padding=2, dilation=2, groups=2), "sequences",
    ),
    "conv2d": (use("conv2d", filters=3), "images"),
    "conv2d, same, no bias": (use("conv2d", filters=3, kernel=(3, 2), padding="same", bias=False), "images"),
    "conv2d, everything": (
        use("conv2d", filters=6, kernel=(3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), "images",
    ),
    "conv3d": (use("conv3d", filters=2, kernel=2), "volumes"),
    "conv3d, stride, padding": (
        use("conv3d", filters=2, kernel=(3, 2, 3), stride=2, padding=((1, 1), (0, 0), (1, 1))), "volumes",
    ),
    "depthwise_conv": (use("depthwise_conv", multiplier=2, padding=1), "images"),
    "separable_conv": (use("separable_conv", filters=3, multiplier=2, padding="same"), "images"),
    "conv1d_transpose": (use("conv1d_transpose", filters=3), "sequences"),
    "conv1d_transpose, stride, output_padding, groups": (
        use("conv1d_transpose", filters=2, stride=2, output_padding=1, groups=2), "sequences",
    ),
    "conv2d_transpose": (use("conv2d_transpose", filters=2, stride=2, padding=1), "images"),
    "conv2d_transpose, dilation, no bias": (
        use("conv2d_transpose", filters=1, kernel=(2, 3), stride=(1, 2), dilation=(2, 1), bias=False), "images",
    ),
    "conv3d_transpose": (use("conv3d_transpose", filters=1, kernel=(2, 1, 2)), "volumes"),
    "max_pool of sequences": (use("max_pool"), "sequences"),
    "max_pool": (use("max_pool", window=3, stride=2, padding=1), "images"),
    "max_pool, dilation": (use("max_pool", stride=1, dilation=(2, 1)), "images"),
    "max_pool of volumes": (use("max_pool", window=(1, 2, 3)), "volumes"),
    "average_pool": (use("average_pool", window=(3, 2), stride=2, padding=1), "images"),
    # PyTorch counts padding as zeros unless told otherwise.
    "average_pool, count_padding": (
        use("average_pool", window=(3, 2), stride=2, padding=1, count_padding=True), "images",
    ),
    "adaptive_average_pool": (use("adaptive_average_pool", size=(3, 2)), "images"),
    "adaptive_max_pool": (use("adaptive_max_pool", size=4), "sequences"),
    "global_average_pool": (use("global_average_pool"), "images"),
    "global_max_pool": (use("global_max_pool"), "sequences"),
    # PyTorch's moving average is of the variance divided by n − 1, which is here to be asked for. The first of these
    # holds the one that is divided by n against PyTorch's normalization with a moving average kept by hand.
    "batch_norm": (use("batch_norm"), "features"),
    "batch_norm, unbiased": (use("batch_norm", unbiased=True), "features"),
    "batch_norm of images, unbiased, momentum, epsilon": (
        use("batch_norm", momentum=0.7, epsilon=1e-2, unbiased=True), "images",
    ),
    "batch_norm, unbiased, without scale and shift": (
        use("batch_norm", unbiased=True, scale=False, shift=False), "sequences",
    ),
    "layer_norm": (use("layer_norm"), "sequences"),
    "layer_norm, axis, epsilon": (use("layer_norm", axis=(-2, -1), epsilon=1e-2), "images"),
    "rms_norm": (use("rms_norm"), "features"),
    "group_norm": (use("group_norm", groups=2), "images"),
    "instance_norm": (use("instance_norm", epsilon=1e-3), "images"),
    "dropout": (use("dropout"), "features"),
    "dropout, rate": (use("dropout", rate=0.2), "images"),
    "spatial_dropout of sequences": (use("spatial_dropout"), "sequences"),
    "spatial_dropout, rate": (use("spatial_dropout", rate=0.3), "images"),
    "alpha_dropout, rate": (use("alpha_dropout", rate=0.3), "features"),
    "gaussian_noise": (use("gaussian_noise", deviation=0.3), "features"),
    "gaussian_dropout, rate": (use("gaussian_dropout", rate=0.2), "images"),
    "flatten": (use("flatten"), "images"),
    "reshape": ([use("reshape", shape=(-1, 8)), SOFTMAX], "images"),
    "permute": ([use("permute", axes=(2, 0, 1)), SOFTMAX], "images"),
    "zero_padding": ([use("zero_padding", amount=((0, 1), (1, 2))), use("softmax", axis=1)], "images"),
    "cropping": (use("cropping", amount=((0, 1), (1, 2))), "images"),
    "upsampling": (use("upsampling"), "sequences"),
    "upsampling, factor": (use("upsampling", factor=(1, 1, 2)), "volumes"),
    "upsampling, linear": (use("upsampling", factor=3, method="linear"), "sequences"),
    "upsampling, bilinear": (use("upsampling", factor=(2, 3), method="linear"), "images"),
    "embedding": (use("embedding", entries=7, size=3), "entries"),
    # PyTorch's padding_idx makes one vector zero and keeps it there; here the positions are left out.
    "embedding, mask": ([use("embedding", entries=7, size=3, mask=0), use("mean_over_positions")], "entries"),
    "random_shift, pixels": (use("random_shift", pixels=(2, 1)), "images"),
    "random_shift of sequences, zero": (use("random_shift", pixels=2, fill="zero"), "sequences"),
    "random_flip, both": (use("random_flip", axis="both"), "images"),
    "random_rotation": (use("random_rotation", degrees=40), "images"),
    "random_rotation, zero": (use("random_rotation", degrees=40, fill="zero"), "images"),
}  # fmt: skip


@op
def drawn_by_pytorch(step, *, case, shape):
    """Numbers that lead to what PyTorch kept in this step: above every rate, or below."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(CURVES[case]["drawn"][int(step)]), np.uint8))
    assert 0 <= len(bits) - math.prod(shape) < 8, f"{len(bits)} numbers recorded, {shape} drawn"
    return np.where(bits[: math.prod(shape)].reshape(shape), 0.999, 0.0)


@op
def listed(step, *, call, shape):
    """The uniform numbers that the recorder took for this call."""
    places = (131 * int(step) + 41 * call + np.arange(math.prod(shape))) % len(UNIFORM)
    return UNIFORM[places].reshape(shape)


for each in (drawn_by_pytorch, listed):
    each.nondifferentiable("step")


def run(case, executor, monkeypatch):
    """Train as the recorder does; the losses by step, and those on all rows by epoch."""

    def draw(self, shape):
        self.calls += 1
        if "drawn" in CURVES[case]:
            return drawn_by_pytorch(self.step, case=case, shape=tuple(shape))
        return listed(self.step, call=self.calls, shape=tuple(shape))

    monkeypatch.setattr(Draw, "__call__", draw)
    layers, inputs = CASES[case]
    layers = layers if isinstance(layers, list) else [layers]
    x, y = np.array(DATA[inputs]), np.array(DATA["targets"])
    start = [] if inputs == "entries" else [Dense(4)]
    network = Network([*start, *layers, use("tanh"), Flatten(), Dense(2)], x.shape[1:])
    data = data_of(x, y)
    training = Training(
        network, mean_squared_error, data, 0.02, batch_size=8, epochs=10, dtype=np.float64, executor=executor
    )
    training.resume(replace(training.state, theta=np.array(DATA["theta"][: network.size])))
    batches = [np.array(rows) for rows in DATA["batches"]]
    training.batches = lambda epoch: batches[5 * epoch : 5 * epoch + 5]
    records = list(training.records())
    return [r.loss for r in records if isinstance(r, Step)], [r.train["loss"] for r in records if isinstance(r, Epoch)]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", CASES)
def test_a_layer_gives_the_losses_of_pytorch(case, executor, monkeypatch):
    losses, evaluated = run(case, executor, monkeypatch)
    np.testing.assert_allclose(losses, CURVES[case]["losses"], rtol=1e-9, atol=0)
    np.testing.assert_allclose(evaluated, CURVES[case]["evaluated"], rtol=1e-9, atol=0)


def test_the_moving_average_alone_differs_where_the_variance_is_divided_by_n():
    ours, theirs = CURVES["batch_norm"], CURVES["batch_norm, unbiased"]
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-9)
    assert not np.isclose(ours["evaluated"], theirs["evaluated"], rtol=1e-6).any()


def test_every_recorded_curve_is_compared():
    assert set(CURVES) == set(CASES)


def test_every_layer_has_a_curve():
    named = {case.partition(",")[0].partition(" ")[0] for case in CASES}
    modules = (convolution, pooling, normalization, regularization, embedding, shaping, augmentation)
    ours = {c.target: name for name, c in shared().all("layers").items()}
    assert {ours[layer] for module in modules for layer in module.LAYERS} <= named
