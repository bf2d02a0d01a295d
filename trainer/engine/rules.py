"""Rules: what a rule's signature says, read once.

A rule's parameter names are its declaration of residuals: `dy` is the cotangent, `y` the output, any input or attribute
goes by its own name, `x_shape` and `x_dtype` stand for an input's shape and dtype without keeping the array, and
`wanted` tells a rule for several inputs whose cotangents are asked for. What of this one call needs is its plan, in
`trainer.engine.plan`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.errors import RuleError
from trainer.wording import nearest

__all__ = ["NONDIFFERENTIABLE", "ZERO", "Absence", "Rule", "Signature", "place", "read_signature"]


@dataclass(frozen=True)
class Signature:
    """What rules and plans know of an op: its name, the names of its arrays and of its static attributes.

    `variadic` ops take any number of arrays under one name.
    """

    name: str
    inputs: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    variadic: bool = False


class Absence:
    """Why an input has no rule: its derivative is zero, or it has none."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


ZERO = Absence("zero")
NONDIFFERENTIABLE = Absence("not differentiable")


def read_signature(function: Callable[..., object]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Positional parameter names, keyword-only parameter names, and whether there is a `*name` (last of the first)."""
    code = getattr(function, "__code__", None)
    if code is not None:  # a plain function: a hundred times quicker than inspect.signature
        names = code.co_varnames
        positional, keywords = code.co_argcount, code.co_kwonlyargcount
        variadic = bool(code.co_flags & inspect.CO_VARARGS)
        inputs = names[:positional] + ((names[positional + keywords],) if variadic else ())
        return inputs, names[positional : positional + keywords], variadic
    parameters = inspect.signature(function).parameters.values()
    kinds = inspect.Parameter
    inputs = tuple(
        p.name
        for p in parameters
        if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL)
    )
    attributes = tuple(p.name for p in parameters if p.kind is kinds.KEYWORD_ONLY)
    return inputs, attributes, any(p.kind is kinds.VAR_POSITIONAL for p in parameters)


class Rule:
    """One vector-Jacobian product: a function and the names of the values it needs.

    `inputs` are those it returns cotangents for: one, or several for a rule that shares work between them.
    """

    __slots__ = ("function", "inputs", "keywords", "names")

    def __init__(self, op: Signature, inputs: tuple[str, ...], function: Callable[..., Any]) -> None:
        if not callable(function):
            raise RuleError(
                f"the rule of op '{op.name}' for '{', '.join(inputs)}' is {function!r}, not a function; "
                f"write {op.name}.defvjp({inputs[0]}=lambda dy: ...), or {op.name}.zero('{inputs[0]}') "
                f"where the derivative is zero"
            )
        self.function = function
        self.inputs = inputs
        self.names, self.keywords, variadic = read_signature(function)
        known = {"dy", "y", "y_shape", "y_dtype", "wanted", *op.attributes}
        for name in op.inputs:
            known |= {name, f"{name}_shape", f"{name}_dtype"}
        for name in (*self.names, *self.keywords):
            if name not in known or variadic:
                guess = nearest(name, known)
                raise RuleError(
                    f"the rule of op '{op.name}' for '{', '.join(inputs)}' ({place(function)}) asks for '{name}', "
                    f"which op '{op.name}' does not have"
                    + (f"; did you mean '{guess}'?" if guess else ".")
                    + f" A rule may ask for dy, y, wanted, the inputs {_list(op.inputs)} (or NAME_shape, NAME_dtype)"
                    + (f" and the attributes {_list(op.attributes)}." if op.attributes else ".")
                )

    @property
    def residuals(self) -> tuple[str, ...]:
        """The values that this rule keeps alive from the forward call to the backward sweep."""
        return tuple(n for n in (*self.names, *self.keywords) if n not in ("dy", "wanted"))


def place(function: Callable[..., object]) -> str:
    """Where a function was written, as `file.py:12`."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"'{n}'" for n in names) or "(none)"
