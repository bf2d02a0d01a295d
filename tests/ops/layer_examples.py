"""Examples of every layer that ships: the layer, the shape of an example, and what its inputs are.

A layer that is registered and has no example here fails the contract (test_layers_contract.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trainer.nn import Layout
from trainer.plugins import shared


class Example(NamedTuple):
    """`entries`: the inputs are whole numbers from 0 to entries − 1; 0 stands for normal numbers."""

    layer: Any
    shape: tuple[int, ...]
    entries: int = 0

    def inputs(self, rows: int, dtype: Any = np.float64) -> Any:
        rng = np.random.default_rng(3)
        x = rng.integers(0, self.entries, (rows, *self.shape)) if self.entries else rng.normal(size=(rows, *self.shape))
        return x.astype(dtype)


def make(name: str, /, **options: Any) -> Any:
    return shared().get("layers", name).build(**options)


DENSE = make("dense", units=3)
EXAMPLES: dict[str, list[Example]] = {
    "dense": [
        Example(make("dense", units=2), (3,)),
        Example(make("dense", units=2, bias=False, initial={"normal": {"deviation": 0.1, "mean": 1.0}}), (2, 2, 3)),
    ],
    "rescale": [
        Example(make("rescale", mean=(0.5, -0.25), scale=(0.5, 2.0)), (2,)),
        Example(make("rescale", mean=(0.5,), scale=(2.0,)), (3, 2)),
    ],
    "flatten": [Example(make("flatten"), (2, 3, 2))],
    "residual": [
        Example(make("residual", layers=(DENSE,)), (3,)),
        Example(
            make("residual", layers=(make("conv1d", filters=2), make("dropout")), shortcut=(make("cropping"),)), (5, 2)
        ),
    ],
    "parallel": [
        Example(make("parallel", paths=(DENSE, make("batch_norm"))), (2,)),
        Example(make("parallel", paths=(DENSE, make("gaussian_noise", deviation=0.1)), join_by="multiply"), (3,)),
    ],
    "repeat": [Example(make("repeat", times=2, layers=(DENSE, make("batch_norm"))), (2, 3))],
    "columns": [Example(make("columns", columns=(2, 0)), (3,)), Example(make("columns", columns=(1, 2)), (4, 3))],
    "input": [Example(make("input", name="b").located(Layout(parts={"a": (2,), "b": (2, 3)})), (8,))],
    "conv1d": [
        Example(make("conv1d", filters=2), (4, 2)),
        Example(make("conv1d", filters=4, kernel=2, stride=2, padding="same", groups=2, bias=False), (5, 2)),
        Example(make("conv1d", filters=1, kernel=(3,), dilation=2, padding=((2, 1),), initial="he_normal"), (4, 1)),
    ],
    "conv2d": [
        Example(make("conv2d", filters=2), (3, 4, 1)),
        Example(make("conv2d", filters=2, kernel=(1, 3), stride=(1, 2), padding=(0, 1), groups=2), (2, 5, 2)),
        Example(make("conv2d", filters=2, kernel=2, dilation=2, padding="same", initial="orthogonal"), (3, 3, 1)),
    ],
    "conv3d": [
        Example(make("conv3d", filters=2, kernel=2), (2, 3, 2, 1)),
        Example(make("conv3d", filters=1, kernel=(1, 2, 3), padding=1, stride=2), (2, 2, 3, 2)),
    ],
    "conv1d_transpose": [
        Example(make("conv1d_transpose", filters=2, stride=2, output_padding=1), (3, 2)),
        Example(make("conv1d_transpose", filters=2, kernel=2, padding="same", stride=2, groups=2, bias=False), (3, 2)),
    ],
    "conv2d_transpose": [
        Example(make("conv2d_transpose", filters=2, stride=(2, 1), padding=1), (2, 3, 1)),
        Example(make("conv2d_transpose", filters=1, kernel=(1, 2), dilation=2, output_padding=0), (2, 2, 2)),
    ],
    "conv3d_transpose": [Example(make("conv3d_transpose", filters=1, kernel=2, stride=2), (1, 2, 2, 2))],
    "depthwise_conv": [
        Example(make("depthwise_conv"), (3, 4, 2)),
        Example(make("depthwise_conv", kernel=2, multiplier=2, stride=2, padding="same", bias=False), (5, 2)),
    ],
    "separable_conv": [
        Example(make("separable_conv", filters=2), (3, 4, 2)),
        Example(make("separable_conv", filters=3, kernel=2, multiplier=2, stride=2, bias=False), (5, 2)),
    ],
    "max_pool": [
        Example(make("max_pool"), (4, 2)),
        Example(make("max_pool", window=(2, 3), stride=1, padding="same"), (3, 3, 1)),
        Example(make("max_pool", window=2, padding=1, dilation=2), (3, 4, 1)),
    ],
    "average_pool": [
        Example(make("average_pool"), (4, 2)),
        Example(make("average_pool", window=3, stride=2, padding=1, count_padding=True), (3, 4, 1)),
        Example(make("average_pool", window=2, padding="same"), (1, 3, 2, 2)),
    ],
    "adaptive_average_pool": [
        Example(make("adaptive_average_pool"), (3, 2)),
        Example(make("adaptive_average_pool", size=(2, 3)), (3, 3, 1)),
    ],
    "adaptive_max_pool": [
        Example(make("adaptive_max_pool"), (3, 2)),
        Example(make("adaptive_max_pool", size=2), (3, 5, 1)),
    ],
    "global_average_pool": [Example(make("global_average_pool"), (2, 3, 2))],
    "global_max_pool": [Example(make("global_max_pool"), (3, 2))],
    "batch_norm": [
        Example(make("batch_norm"), (3,)),
        Example(make("batch_norm", momentum=0.5, epsilon=0.1, unbiased=True), (2, 2, 3)),
        Example(make("batch_norm", scale=False, shift=False), (2, 3)),
    ],
    "layer_norm": [
        Example(make("layer_norm"), (3,)),
        Example(make("layer_norm", axis=(-2, -1), epsilon=0.1, shift=False), (2, 2, 3)),
    ],
    "rms_norm": [Example(make("rms_norm"), (3,)), Example(make("rms_norm", axis=(-1, -2), scale=False), (2, 3))],
    "group_norm": [
        Example(make("group_norm", groups=2), (4,)),
        Example(make("group_norm", groups=1, epsilon=0.1, scale=False), (2, 2, 3)),
    ],
    "instance_norm": [
        Example(make("instance_norm"), (3, 2)),
        Example(make("instance_norm", epsilon=0.1, scale=False, shift=False), (2, 2, 2)),
    ],
    "dropout": [Example(make("dropout"), (6,)), Example(make("dropout", rate=0.2), (2, 3))],
    "spatial_dropout": [
        Example(make("spatial_dropout"), (2, 4)),
        Example(make("spatial_dropout", rate=0.3), (2, 2, 3)),
    ],
    "gaussian_noise": [Example(make("gaussian_noise", deviation=0.5), (2, 3))],
    "gaussian_dropout": [Example(make("gaussian_dropout"), (6,)), Example(make("gaussian_dropout", rate=0.2), (2, 3))],
    "alpha_dropout": [Example(make("alpha_dropout"), (6,)), Example(make("alpha_dropout", rate=0.2), (2, 3))],
    "embedding": [
        Example(make("embedding", entries=5, size=2), (3,), 5),
        Example(make("embedding", entries=4, size=3, initial={"normal": 1.0}), (2, 1), 4),
        Example(make("embedding", entries=4, size=2, mask=0), (5,), 4),
    ],
    "reshape": [Example(make("reshape", shape=(2, -1, 1)), (6,)), Example(make("reshape", shape=(6,)), (2, 3))],
    "permute": [Example(make("permute", axes=(2, 0, 1)), (2, 3, 4)), Example(make("permute", axes=(0,)), (3,))],
    "zero_padding": [
        Example(make("zero_padding"), (2, 3)),
        Example(make("zero_padding", amount=((0, 1), (2, 0))), (2, 3, 1)),
    ],
    "cropping": [Example(make("cropping"), (4, 2)), Example(make("cropping", amount=(1, 0)), (3, 2, 1))],
    "upsampling": [
        Example(make("upsampling"), (2, 3)),
        Example(make("upsampling", factor=(2, 1, 3)), (1, 2, 2, 2)),
        Example(make("upsampling", factor=(2, 3), method="linear"), (2, 3, 2)),
        Example(make("upsampling", factor=2, method="linear"), (1, 2)),
    ],
    "random_shift": [
        Example(make("random_shift"), (3, 3, 1)),
        Example(make("random_shift", pixels=(2, 0), fill="zero"), (3, 2, 2)),
        Example(make("random_shift", pixels=3), (2, 2)),
    ],
    "random_flip": [
        Example(make("random_flip"), (3, 2)),
        Example(make("random_flip", axis="both"), (2, 3, 1)),
        Example(make("random_flip", axis="vertical"), (2, 3, 2)),
    ],
    "random_rotation": [
        Example(make("random_rotation", degrees=20), (3, 4, 2)),
        Example(make("random_rotation", degrees=180.0, fill="zero"), (3, 3, 1)),
    ],
    "masking": [Example(make("masking"), (3, 2)), Example(make("masking", value=0.5), (2, 1))],
    "mean_over_positions": [Example(make("mean_over_positions"), (3, 2))],
    "max_over_positions": [Example(make("max_over_positions"), (3, 2))],
    "last_position": [Example(make("last_position"), (3, 2))],
    "rnn": [
        Example(make("rnn", units=2), (3, 2)),
        Example(make("rnn", units=2, activation="relu", reverse=True, sequences=True, initial="he"), (2, 1)),
    ],
    "gru": [
        Example(make("gru", units=2), (3, 2)),
        Example(make("gru", units=2, bidirectional=True, sequences=True), (2, 1)),
    ],
    "lstm": [
        Example(make("lstm", units=2), (3, 2)),
        Example(make("lstm", units=1, bidirectional=True), (1, 2)),
        Example(make("lstm", units=2, reverse=True, sequences=True), (2, 1)),
    ],
    "sinusoidal_positions": [
        Example(make("sinusoidal_positions"), (3, 4)),
        Example(make("sinusoidal_positions", base=10.0), (2, 3)),
    ],
    "learned_positions": [
        Example(make("learned_positions"), (3, 2)),
        Example(make("learned_positions", longest=4, initial="zeros"), (3, 2)),
    ],
    "multi_head_attention": [
        Example(make("multi_head_attention", heads=2), (3, 4)),
        Example(make("multi_head_attention", heads=2, size=8, causal=True, bias=False, rotary=True), (3, 2)),
        Example(make("multi_head_attention", heads=1, dropout=0.3, causal=True), (2, 2)),
        Example(make("multi_head_attention", heads=1, size=3, dropout=0.5), (2, 2)),
    ],
    "transformer_block": [
        Example(make("transformer_block", heads=2), (3, 4)),
        Example(make("transformer_block", heads=1, hidden=3, norm="after", dropout=0.2, causal=True), (2, 2)),
        Example(make("transformer_block", heads=1, activation="silu", rotary=True, epsilon=0.1), (2, 2)),
        Example(make("transformer_block", heads=1, activation="exact_gelu"), (2, 2)),
    ],
}  # fmt: skip
