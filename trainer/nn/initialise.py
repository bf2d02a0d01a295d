"""What a layer's `init` returns, held against what a network can use.

A layer is anybody's code: what it does wrong is said with its file and line.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import numpy as np

from trainer.errors import TrainerError, UsageError
from trainer.nn.calls import LayerState
from trainer.types import Shape
from trainer.wording import describe, described, source_of

__all__ = ["initialised", "line_of", "told"]


def initialised(layer: Any, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
    """What a layer's `init` returns: parameters and the output's shape.

    Raises UsageError where it returns anything else, or raises what is no TrainerError.
    """
    try:
        returned = layer.init(rng, input_shape)
    except TrainerError:
        raise
    except Exception as error:  # whatever a stranger's layer raises
        raise UsageError(f"init raised {told(layer, error)}") from error
    if not isinstance(returned, tuple) or len(returned) != 2:
        what = "it must return (parameters, shape), a dict of arrays and the output's shape per example"
        raise UsageError(f"init returned {describe(returned)}; {what}{line_of(layer, 'init')}")
    parameters, shape = returned
    if not isinstance(parameters, dict):
        what = 'parameters are a dict of arrays by name, such as {"weights": w}, and {} for none'
        raise UsageError(f"init returned {describe(parameters)} for parameters; {what}{line_of(layer, 'init')}")
    for name, value in parameters.items():
        _check_parameter(layer, name, value)
    if not isinstance(shape, tuple | list) or not all(isinstance(n, int | np.integer) for n in shape):
        shown = shape if isinstance(shape, tuple | list) else describe(shape)
        what = "the output's shape per example is a tuple of whole numbers, such as (8,)"
        raise UsageError(f"init returned {shown} for the shape; {what}{line_of(layer, 'init')}")
    return parameters, tuple(map(int, shape))


def _check_parameter(layer: object, name: object, value: object) -> None:
    if isinstance(value, dict):
        for inner, each in value.items():
            _check_parameter(layer, inner, each)
        return
    array = value.value if isinstance(value, LayerState) else value
    if not isinstance(array, np.ndarray | np.generic) or array.dtype.kind not in "biuf":
        what = "a parameter is an array of real numbers, in a LayerState where it is not learnt"
        raise UsageError(f"init returned {describe(array)} for '{name}'; {what}{line_of(layer, 'init')}")


def told(layer: object, error: Exception) -> str:
    """What a layer, or the op that is one, raised, with the line."""
    return described(error, source_of(getattr(layer, "op", layer)))


def line_of(layer: object, method: str) -> str:
    """` (swish.py, line 3)`, where the layer's method begins; empty where that cannot be told."""
    function = inspect.unwrap(getattr(type(layer), method))
    code = getattr(function, "__code__", None)
    return f" ({os.path.basename(code.co_filename)}, line {code.co_firstlineno})" if code else ""
