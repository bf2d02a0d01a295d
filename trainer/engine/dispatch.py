"""From NumPy's functions to ops.

A Tensor answers NumPy's two protocols by looking the function up here. Ops enter the table when they are made, so the
hot path is one dictionary look-up; only a function that is not in it makes the provider bring what else there is.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from trainer.engine.node import Operation
from trainer.engine.provider import load_ops
from trainer.errors import DetachError, OpError, RuleError

__all__ = [
    "STRUCTURAL", "TABLE", "WAYS_OUT", "Call", "bind", "contained", "default_binder", "find", "function_name",
    "instead", "known_by", "named", "structural", "way_out",
]  # fmt: skip

# How a call of a NumPy function is spelt as a call of its op: (arrays, attributes).
Call = tuple[tuple[Any, ...], dict[str, Any]]

TABLE: dict[Any, Operation] = {}
STRUCTURAL: set[Any] = set()
_BINDERS: dict[Any, Callable[..., Call]] = {}
_INSTEAD: dict[str, Operation] = {}
WAYS_OUT: dict[Any, str] = {}
_CONTAINERS: dict[Any, Callable[[Iterable[Any]], Any]] = {}


def structural(*functions: Callable[..., object]) -> None:
    """Declare functions that look at shapes and dtypes only, such as `np.shape` and `np.zeros_like`.

    They run on the Tensors' plain arrays and return plain results, since nothing that they return varies with the
    values.
    """
    STRUCTURAL.update(functions)


def bind(
    function: object,
    op: Operation,
    binder: Callable[..., Call] | None = None,
    container: Callable[[Iterable[object]], object] | None = None,
) -> None:
    """Make calls of `function` on Tensors record `op`. `binder` turns the function's own arguments into the op's, and
    `container` the op's several results into the function's own container.

    `function` may be a dotted name, "scipy.special.erf": the function itself takes its place when it first meets a
    Tensor, so that nothing is imported for the sake of declaring an op.
    """
    other = TABLE.get(function)
    if other is not None and other.origin != op.origin:
        raise RuleError(
            f"{function_name(function)} already has rules: op '{other.name}' from {other.origin}; "
            f"op '{op.name}' from {op.origin} claims it too. Remove one of the two."
        )
    TABLE[function] = op
    op.primitive = True
    if binder is not None:
        _BINDERS[function] = binder
    if container is not None:
        _CONTAINERS[function] = container


def instead(name: str, op: Operation) -> None:
    """Name the op to call in place of a function that lets no Tensor through to NumPy's protocols, as SciPy's Python
    functions: "scipy.special.softmax". The error that the function then meets says so."""
    _INSTEAD[name] = op


def way_out(what: str, *functions: object) -> None:
    """Say what to write in place of functions that have no op. The error that a Tensor meets there says so."""
    WAYS_OUT.update(dict.fromkeys(functions, what))


def contained(function: object, results: Any) -> object:
    """Several results in the container that `function` itself returns them in."""
    container = _CONTAINERS.get(function)
    return results if container is None else container(results)


def find(function: object) -> Operation | None:
    """The op of a NumPy function, after asking the provider for more where it is not known yet."""
    op = TABLE.get(function)
    if op is None and function not in STRUCTURAL:
        load_ops()
        op = TABLE.get(function) or _declared(function)
    return op


def known_by(name: str) -> Operation | None:
    """The op of a function by its dotted name, `np.take` or `scipy.special.softmax`."""
    return find(named(name)) or _INSTEAD.get(name)


def named(name: str) -> Any:
    """The function that has a dotted name; the name itself, where there is none."""
    module, _, short = name.replace("np.", "numpy.", 1).rpartition(".")
    return getattr(sys.modules.get(module), short, name)


def _declared(function: object) -> Operation | None:
    """The op that was declared for a function by its dotted name; from now on the function itself leads to it."""
    name = function_name(function)
    op = TABLE.get(name)
    module, _, short = name.rpartition(".")
    if op is None or getattr(sys.modules.get(module), short, None) is not function:
        return None  # a stranger's function may have the same name
    bind(function, op, _BINDERS.get(name))
    return op


_MADE = " (vectorized)"  # what NumPy adds to the name of a ufunc that np.frompyfunc has made


def function_name(function: Any) -> str:
    """The name a person would type: `np.linalg.inv`, `scipy.special.erf`, `np.add.reduce`."""
    if isinstance(function, str):
        return function
    if function.__name__.endswith(_MADE):
        return f"np.frompyfunc({function.__name__.removesuffix(_MADE)})"
    owner = getattr(function, "__self__", None)
    if owner is not None and hasattr(owner, "nin"):
        return f"{function_name(owner)}.{function.__name__}"
    module = getattr(function, "__module__", None)
    if module is None:  # an older NumPy's ufuncs name no module
        module = "numpy" if getattr(np, function.__name__, None) is function else "scipy.special"
    module = module.replace("numpy", "np", 1) if module.split(".")[0] == "numpy" else module.removesuffix("._ufuncs")
    return f"{module.lstrip('_')}.{function.__name__}"


def arguments(function: object, op: Operation, args: tuple[object, ...], kwargs: dict[str, object]) -> Call:
    """A call of `function`, spelt as a call of its op."""
    binder = _BINDERS.get(function)
    if binder is None:
        binder = _BINDERS[function] = default_binder(function, op)
    return binder(*args, **kwargs)


def default_binder(function: Any, op: Operation) -> Callable[..., Call]:
    """Match by position for the arrays and by name for the attributes, which is how most of NumPy's functions read."""
    kinds = inspect.Parameter
    try:
        parameters = inspect.signature(function).parameters
        defaults = {p.name: p.default for p in parameters.values() if p.kind is not kinds.VAR_POSITIONAL}
        spread = any(p.kind is kinds.VAR_POSITIONAL for p in parameters.values())
    except (TypeError, ValueError):  # a C function that does not tell its signature
        defaults, spread = dict.fromkeys((*op.inputs, *op.attributes), kinds.empty), False
    names = list(defaults)
    arrays = names[:1] if op.variadic else names[: len(op.inputs)]

    def attributes_of(given: dict[str, object]) -> dict[str, Any]:
        attributes = {}
        for name, value in given.items():
            if name in op.attributes:
                if value is not np._NoValue:
                    attributes[name] = value
            elif name not in defaults or not _is_default(value, defaults[name]):
                raise _unsupported(function, op, name)
        return attributes

    def of_all(*args: object, **kwargs: object) -> Call:
        return args, attributes_of(kwargs)

    def binder(*args: object, **kwargs: object) -> Call:
        given = dict(zip(names, args, strict=False)) | kwargs
        inputs: list[Any] = []
        for i, name in enumerate(arrays):
            if name in given:
                inputs.append(given.pop(name))
            elif op.inputs[i] in given:
                inputs.append(given.pop(op.inputs[i]))
            elif i < op.required:
                raise OpError(f"{function_name(function)} needs its argument '{name}'")
            else:
                inputs.append(None)
        return (tuple(inputs[0]) if op.variadic else tuple(inputs)), attributes_of(given)

    return of_all if spread else binder


def _is_default(value: object, default: object) -> bool:
    """Whether an argument says no more than leaving it out would."""
    plain = isinstance(value, bool | int | float | str)
    return value is default or (plain and type(value) is type(default) and bool(value == default))


# What to write in place of an argument that no op has; `where` is a ufunc's.
_WAYS_OUT = {
    "where": "np.where(mask, {0}(...), otherwise): what a mask leaves out is not defined",
    "dtype": "np.astype({0}(...), dtype)",
    "casting": "np.astype({0}(...), dtype)",
    "signature": "np.astype({0}(...), dtype)",
    "order": "np.copy({0}(...), order)",
}


def _unsupported(function: object, op: Operation, name: str) -> OpError:
    what = f"argument '{name}' of {function_name(function)} cannot be used on a Tensor"
    if name == "out":  # also what `a += t` and the like come to
        return DetachError(f"{what}: a Tensor is never written to; use the result instead")
    if name in _WAYS_OUT and (name != "where" or hasattr(function, "nin")):
        return OpError(f"{what}: write {_WAYS_OUT[name].format(function_name(function))}")
    known = ", ".join(f"'{a}'" for a in op.attributes) or "none"
    return OpError(f"{what}: attributes that op '{op.name}' has: {known}")
