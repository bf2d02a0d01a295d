"""Ops that stay whole: what their NumPy calls spell out, ONNX has as one node, and a runtime as one kernel.

Channels are last here and first there, so each is turned around before and after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.export.calls import Call, Converter
from trainer.export.graph import Graph
from trainer.types import Shape

__all__ = ["WHOLE", "edges"]


def _channels(rank: int) -> tuple[list[int], list[int]]:
    """The order of axes that puts channels first, and the one that puts them back."""
    spatial = list(range(1, rank - 1))
    return [0, rank - 1, *spatial], [0, *(axis + 1 for axis in spatial), 1]


def _sizes(value: Any, rank: int) -> list[int]:
    return [int(v) for v in np.broadcast_to(value, (rank,))]


def edges(padding: Any, shape: Shape, window: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """(before, after) per spatial axis, for every spelling of padding."""
    if padding == "valid":
        return [(0, 0)] * len(shape)
    if padding == "same":
        needed = [
            max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
            for n, k, s, d in zip(shape, window, stride, dilation, strict=True)
        ]
        return [(total // 2, total - total // 2) for total in needed]
    if np.ndim(padding) == 0:
        return [(padding, padding)] * len(shape)
    return [pair if np.ndim(pair) else (pair, pair) for pair in padding]


def _around(pads: Any) -> list[int]:
    return [int(before) for before, _ in pads] + [int(after) for _, after in pads]


def _conv(g: Graph, call: Call) -> str:
    x, weights, *bias = (n for n, v in zip(call.inputs, call.one.inputs, strict=True) if v.shape is not None)
    rank, window = call.rank(0) - 2, [length.first for length in call.lengths(1)[:-2]]
    stride, dilation = (_sizes(call.attributes[k], rank) for k in ("stride", "dilation"))
    shape = tuple(length.first for length in call.lengths(0)[1:-1])
    pads = edges(call.attributes["padding"], shape, window, stride, dilation)
    first, last = _channels(rank + 2)
    y = g.node(
        "Conv", g.transposed(x, first), g.transposed(weights, [rank + 1, rank, *range(rank)]), *bias,
        kernel_shape=window, strides=stride, dilations=dilation, pads=_around(pads), group=call.attributes["groups"],
    )  # fmt: skip
    return g.transposed(y, last)


def _conv_transpose(g: Graph, call: Call) -> str:
    x, weights, *bias = (n for n, v in zip(call.inputs, call.one.inputs, strict=True) if v.shape is not None)
    rank, window = call.rank(0) - 2, [length.first for length in call.lengths(1)[:-2]]
    stride, dilation = (_sizes(call.attributes[k], rank) for k in ("stride", "dilation"))
    before = [length.first for length in call.lengths(0)[1:-1]]
    after = tuple(length.first for length in call.lengths()[1:-1])
    pads = edges(call.attributes["padding"], after, window, stride, dilation)
    reach = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(before, stride, dilation, window, strict=True)]
    missing = [n - (r - a - b) for n, r, (a, b) in zip(after, reach, pads, strict=True)]
    first, last = _channels(rank + 2)
    y = g.node(
        "ConvTranspose", g.transposed(x, first), g.transposed(weights, [rank + 1, rank, *range(rank)]), *bias,
        kernel_shape=window, strides=stride, dilations=dilation, pads=_around(pads), output_padding=missing,
        group=call.attributes["groups"],
    )  # fmt: skip
    return g.transposed(y, last)


def _pool(g: Graph, call: Call) -> str:
    rank = call.rank(0) - 2
    window = _sizes(call.attributes["window"], rank)
    stride = window if call.attributes["stride"] is None else _sizes(call.attributes["stride"], rank)
    dilation = _sizes(call.attributes.get("dilation", 1), rank)
    shape = tuple(length.first for length in call.lengths(0)[1:-1])
    pads = edges(call.attributes["padding"], shape, window, stride, dilation)
    first, last = _channels(rank + 2)
    options: dict[str, Any] = {"kernel_shape": window, "strides": stride, "pads": _around(pads), "dilations": dilation}
    if call.one.op.name == "max_pool":
        return g.transposed(g.node("MaxPool", g.transposed(call.inputs[0], first), **options), last)
    counted = int(call.attributes["count_padding"])
    y = g.node("AveragePool", g.transposed(call.inputs[0], first), count_include_pad=counted, **options)
    return g.transposed(y, last)


WHOLE: dict[str, Converter] = {
    **dict.fromkeys(("conv", "conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv_transpose", "conv1d_transpose", "conv2d_transpose", "conv3d_transpose"), _conv_transpose),
    "max_pool": _pool,
    "average_pool": _pool,
}
