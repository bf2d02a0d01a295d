"""Who looks for what is wrong with large inputs has no copy of them."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trainer.explaining.causes import _inputs_apart
from trainer.explaining.rows import _agreement


def peak(f: Any, *arguments: Any) -> tuple[Any, int]:
    tracemalloc.start()
    try:
        return f(*arguments), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def of(inputs: Any) -> Any:
    """What of a training tells how far apart its inputs are."""
    rows = SimpleNamespace(inputs=inputs)
    data = SimpleNamespace(train=rows, scaling=None, preprocessing=None, mapped=False, feature_names=())
    return SimpleNamespace(data=data)


@pytest.mark.parametrize("shape", [(4096, 2048), (16, 256, 256, 8)])
def test_how_far_apart_inputs_are_takes_no_copy_of_them(shape):
    inputs = np.random.default_rng(0).standard_normal(shape, np.float32)
    told, most = peak(_inputs_apart, of(inputs))
    assert (told, most < inputs.nbytes / 2) == ("", True)
    flat = inputs.reshape(len(inputs), -1)
    flat[:, 7] *= 1000
    size, widest = np.sqrt(np.mean(np.square(flat, dtype=np.float64))), flat[:, 7].std(dtype=np.float64)
    told = _inputs_apart(of(inputs))
    assert told.startswith(f"the inputs' size (rms) is {size:.4g}; 'column 7' deviates by {widest:.4g}, ")


def test_whether_near_rows_are_of_one_class_takes_no_copy_of_them():
    rng = np.random.default_rng(0)
    classes = np.arange(512) % 4
    inputs = (classes[:, None] + 0.1 * rng.standard_normal((512, 8192))).astype(np.float32)
    (same, chance), most = peak(_agreement, inputs, classes, np.arange(512))
    assert (same, chance) == (1.0, 0.25)
    assert most < inputs.nbytes
    assert _agreement(inputs, rng.permutation(classes), np.arange(512))[0] < 0.5
