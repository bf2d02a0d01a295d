"""Where an instruction of a step comes from: which layer, and which part of the step.

While a step is recorded, it says which layer is at work. The backward sweep runs where no layer is: there the entry
whose rule is running tells the layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

__all__ = ["NOWHERE", "PARTS", "Origin", "Part", "here", "move", "origin"]

Part = Literal["forward", "backward", "update", ""]
PARTS: tuple[Part, ...] = ("forward", "backward", "update")


class Origin(NamedTuple):
    """`layer` is `0 dense`, `cost` or `optimizer`; both are empty where nobody said."""

    part: Part
    layer: str


NOWHERE = Origin("", "")
_here: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def here() -> Origin:
    """What was last said."""
    return _here.get()


def move(part: Part, layer: str) -> None:
    """What is recorded from now on, to the end of the `origin` block, comes from there."""
    _here.set(Origin(part, layer))


@contextmanager
def origin(part: Part, layer: str) -> Iterator[None]:
    """What is recorded inside the block comes from there.

    >>> with origin("forward", "0 dense"):
    ...     here()
    Origin(part='forward', layer='0 dense')
    """
    token = _here.set(Origin(part, layer))
    try:
        yield
    finally:
        _here.reset(token)
