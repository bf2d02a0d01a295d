"""Limits on the options of a component, written once in the annotation of its field.

    beta1: Annotated[float, Limits(ge=0, lt=1)] = 0.9

A config's reader understands them (they are named as pydantic names them, without importing pydantic), and a class that
derives from `Checked` holds its instances to them in Python as well.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, cast

from trainer.errors import UsageError

__all__ = ["Checked", "Limits", "Nested"]

_WORDS = {"gt": "greater than {:g}", "ge": "at least {:g}", "lt": "less than {:g}", "le": "at most {:g}"}


@dataclass(frozen=True)
class Limits:
    """Bounds of a number: greater than, at least, less than, at most."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def admit(self, value: float) -> bool:
        """Whether a number lies within; one that is not a number lies nowhere.

        >>> Limits(ge=0, lt=1).admit(0.5), Limits(ge=0, lt=1).admit(1.0), Limits(gt=0).admit(float("nan"))
        (True, False, False)
        """
        return (
            value == value
            and (self.gt is None or value > self.gt)
            and (self.ge is None or value >= self.ge)
            and (self.lt is None or value < self.lt)
            and (self.le is None or value <= self.le)
        )

    def __str__(self) -> str:
        return " and ".join(
            words.format(bound) for name, words in _WORDS.items() if (bound := getattr(self, name)) is not None
        )


@dataclass(frozen=True)
class Nested:
    """Marks an option that holds components itself, such as a layer made of layers.

    A tuple is a list of components in a config; anything else is one.

    Attributes:
        section: the section of a config whose names the option takes.
        of: a dataclass, if the option is a list of mappings that each make one, with components among their values.
        says: options of the same dataclass that follow from a trait of the component that is chosen, by the option's
            name, where a config does not give them.

    layers: Annotated[tuple[Any, ...], Nested("network")]
    """

    section: str
    of: type | None = None
    says: Mapping[str, str] = field(default_factory=dict)


class Checked:
    """A base for dataclasses whose numbers must lie within the Limits of their annotations; UsageError where not."""

    def __post_init__(self) -> None:
        annotations = typing.get_type_hints(type(self), include_extras=True)
        for own in fields(cast("Any", self)):
            value = getattr(self, own.name)
            for each in value if isinstance(value, list | tuple) else (value,):
                for limits in _limits(annotations[own.name]):
                    if isinstance(each, int | float) and not limits.admit(each):
                        raise UsageError(f"{type(self).__name__}: {own.name} is {each!r}; it must be {limits}")


def _limits(annotation: Any) -> Iterator[Limits]:
    """The Limits in an annotation: its own, a union's members' and a list's entries'."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from (item for item in args[1:] if isinstance(item, Limits))
        yield from _limits(args[0])
    elif origin in (typing.Union, types.UnionType, tuple, list):
        for arg in args:
            yield from _limits(arg)
