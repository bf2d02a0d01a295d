"""Where an instruction of a step comes from: which layer, and which part of the step.

While a step is recorded, it says which layer is at work. The backward sweep runs where no layer is: there the entry
whose rule is running tells the layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

__all__ = ["NOWHERE", "PHASES", "Phase", "Scope", "here", "move", "named_scope"]

Phase = Literal["forward", "backward", "update", ""]
PHASES: tuple[Phase, ...] = ("forward", "backward", "update")


class Scope(NamedTuple):
    """`layer` is `0 dense`, `cost` or `optimizer`; both are empty where nobody said."""

    part: Phase
    layer: str


NOWHERE = Scope("", "")
_here: ContextVar[Scope] = ContextVar("scope", default=NOWHERE)


def here() -> Scope:
    """What was last said."""
    return _here.get()


def move(part: Phase, layer: str) -> None:
    """What is recorded from now on, to the end of the `named_scope` block, comes from there."""
    _here.set(Scope(part, layer))


@contextmanager
def named_scope(part: Phase, layer: str) -> Iterator[None]:
    """What is recorded inside the block comes from there.

    >>> with named_scope("forward", "0 dense"):
    ...     here()
    Scope(part='forward', layer='0 dense')
    """
    token = _here.set(Scope(part, layer))
    try:
        yield
    finally:
        _here.reset(token)
