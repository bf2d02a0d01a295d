"""How what a plugin registers will be called, held against its signature.

Everything is called by position, so a function that is written for another order computes something else without a
word, and one with too few parameters fails at the first step. Both are found here, when it is registered.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

__all__ = ["CALLS", "mistakes"]

# What is called with what: methods of a kind's classes; `__call__` of a kind whose components may be functions too.
CALLS: dict[str, dict[str, tuple[str, ...]]] = {
    "layers": {"init": ("rng", "input_shape"), "apply": ("parameters", "x"), "train": ("parameters", "x", "draw")},
    "costs": {"__call__": ("predictions", "targets")},
    "optimizers": {"init": ("theta",), "update": ("g", "state", "theta", "step_size", "step")},
    "metrics": {"__call__": ("predictions", "targets")},
    "preprocessors": {"fit": ("inputs", "rng"), "apply": ("arrays", "inputs")},
    "readers": {"__call__": ("path",)},
    "callbacks": {"__call__": ("record", "training")},
    "trackers": {"began": ("training", "folder"), "step": ("record",), "epoch": ("record",), "ended": ()},
    "executors": {"executor": ("program", "carried"), "loop": ("program", "carried", "sources")},
    "launchers": {"launcher": ("site",)},
}

# What else people call these. Names that are nobody's, `a` and `b`, may stand in any order.
_ALSO = {
    "predictions": {"prediction", "predicted", "preds", "pred", "y_pred", "y_hat", "outputs", "output", "logits"},
    "targets": {"target", "truth", "true", "y_true", "labels", "label", "y"},
    "rng": {"generator", "random", "key"},
    "input_shape": {"shape"},
    "parameters": {"params", "weights"},
    "x": {"inputs", "input"},
    "arrays": {"state", "fitted"},
    "inputs": {"x"},
    "record": {"epoch", "step"},
    "training": {"trainer", "model"},
}


def mistakes(kind: str, obj: object) -> Iterator[str]:
    """What is wrong with how `obj` takes its arguments: a clause for each method or function that could not be called.

    >>> list(mistakes("metrics", lambda y_true, y_pred: 0.0))
    ['takes (y_true, y_pred), and is called with (predictions, targets), in this order']
    """
    for method, names in CALLS.get(kind, {}).items():
        function, is_method = _function(obj, method)
        taken = _taken(function, is_method)
        wrong = None if taken is None else _wrong(taken, names)
        if wrong is None:
            continue
        if is_method:
            yield f"has a method {method} that {wrong}; write def {method}(self, {', '.join(names)})"
        else:
            name = getattr(obj, "__name__", "")
            yield wrong + (f"; write def {name}({', '.join(names)})" if name.isidentifier() else "")


def _function(obj: object, method: str) -> tuple[Any, bool]:
    """What is called, None where that cannot be told, and whether its first parameter is `self`."""
    if inspect.isclass(obj):
        static = inspect.getattr_static(obj, method, None)
        return static if inspect.isfunction(static) else None, True
    if method != "__call__":
        return None, False
    call = inspect.getattr_static(type(obj), "__call__", None)
    is_instance = inspect.isfunction(call) and not hasattr(obj, "forward")  # an op is called as its forward is
    return (call, True) if is_instance else (getattr(obj, "forward", obj), False)


def _taken(function: Any, is_method: bool) -> tuple[list[inspect.Parameter], bool] | None:
    """The parameters that take an argument by position, and whether there is a `*args`; None where none can be read."""
    if function is None:
        return None
    try:
        parameters = list(inspect.signature(function).parameters.values())[is_method:]
    except (ValueError, TypeError):  # some functions of C extensions have no signature
        return None
    kinds = inspect.Parameter
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    return positional, any(p.kind is kinds.VAR_POSITIONAL for p in parameters)


def _wrong(taken: tuple[list[inspect.Parameter], bool], names: tuple[str, ...]) -> str | None:
    positional, variadic = taken
    needed = sum(p.default is p.empty for p in positional)
    called = f"takes ({', '.join(p.name for p in positional)}), and is called with ({', '.join(names)})"
    if needed > len(names) or (len(positional) < len(names) and not variadic):
        return called
    own = [p.name for p in positional[:2]]
    if len(names) >= 2 and len(own) == 2 and _means(own[0], names[1]) and _means(own[1], names[0]):
        return f"{called}, in this order"
    return None


def _means(own: str, name: str) -> bool:
    return own == name or own in _ALSO.get(name, ())
