"""The layers that are made of this package's ops, a module for each kind; `LAYERS` of a module lists its own."""

from __future__ import annotations

from typing import Any

from trainer_ops.layers import (
    attention,
    augmentation,
    convolution,
    embedding,
    masking,
    normalization,
    pooling,
    positions,
    recurrent,
    regularization,
    shaping,
)

__all__ = ["LAYERS"]

MODULES = (
    convolution, pooling, normalization, regularization, embedding, shaping, augmentation, masking, recurrent,
    positions, attention,
)  # fmt: skip

LAYERS: tuple[type[Any], ...] = tuple(layer for module in MODULES for layer in module.LAYERS)
