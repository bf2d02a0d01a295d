"""What an option of a component may be, written once in the annotation of its field: its type, and limits.

    beta1: Annotated[float, Limits(ge=0, lt=1)] = 0.9

A config's reader understands them (they are named as pydantic names them, without importing pydantic), and a class that
derives from `Checked` holds its instances to them in Python as well.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, Literal, TypeGuard, cast

from trainer.errors import UsageError
from trainer.wording import either

__all__ = ["Checked", "Limits", "Nested", "Words", "admits", "expected"]

_WORDS: dict[Any, tuple[str, str]] = {
    Any: ("a value", "values"),
    None: ("null", "nulls"),
    types.NoneType: ("null", "nulls"),
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
}
_LIMITS = {
    "gt": "greater than {}",
    "ge": "at least {}",
    "lt": "less than {}",
    "le": "at most {}",
    "multiple_of": "that is a multiple of {}",
    "min_length": "with at least {} {parts}",
    "max_length": "with at most {} {parts}",
    "pattern": "that matches {}",
}


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
        return " and ".join(_limits_in_words([self], ""))


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


@dataclass(frozen=True)
class Words:
    """What a value is called in messages, one of them and several, where its type alone would not say enough."""

    words: tuple[str, str]


class Checked:
    """A base for dataclasses whose numbers must lie within the Limits of their annotations; UsageError where not."""

    def __post_init__(self) -> None:
        annotations = _annotations(cast("Any", type(self)))
        for own in fields(cast("Any", self)):
            value = getattr(self, own.name)
            for each in value if isinstance(value, list | tuple) else (value,):
                for limits in _limits(annotations[own.name]):
                    if isinstance(each, int | float) and not limits.admit(each):
                        raise UsageError(f"{type(self).__name__}: {own.name} is {each!r}; it must be {limits}")


@cache
def _annotations(of: type) -> dict[str, Any]:
    return typing.get_type_hints(of, include_extras=True)


def admits(annotation: object, value: object) -> bool:
    """Whether a value is what an annotation of plain data wants, as a config would take it; an unknown one admits all.

    >>> admits(tuple[int, int] | None, [28, 28]), admits(list[str], "a"), admits(Annotated[int, Limits(ge=1)], 0)
    (True, False, False)
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        limits = (item for item in args[1:] if isinstance(item, Limits))
        numeric = isinstance(value, int | float)
        return admits(args[0], value) and all(not numeric or limit.admit(cast("float", value)) for limit in limits)
    if origin in (typing.Union, types.UnionType):
        return any(admits(member, value) for member in args)
    if origin is Literal:
        return value in args
    if origin is list:
        return isinstance(value, list) and all(admits(args[0], item) for item in value)
    if origin is dict:
        pairs = value.items() if isinstance(value, dict) else ()
        return isinstance(value, dict) and all(admits(args[0], k) and admits(args[1], v) for k, v in pairs)
    if origin is tuple and args[-1] is not ...:
        same = isinstance(value, list | tuple) and len(value) == len(args)
        return same and all(admits(arg, item) for arg, item in zip(args, cast("list[object]", value), strict=True))
    if annotation in (None, types.NoneType):
        return value is None
    if annotation in (bool, int, str):
        return type(value) is annotation
    return isinstance(value, int | float) and not isinstance(value, bool) if annotation is float else True


def expected(annotation: Any, plural: bool = False) -> str:
    """What an annotation admits, in words; empty for one that there are no words for.

    >>> expected(tuple[int, int]), expected(int | None), expected(list[str])
    ('a list of 2 whole numbers', 'a whole number', 'a list of texts')
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        own = next((item.words[plural] for item in args[1:] if hasattr(item, "words")), "")
        base = own or expected(args[0], plural)
        limits = " and ".join(_limits_in_words(args[1:], "characters" if args[0] is str else "entries"))
        limits = f"of {limits}" if limits.startswith("at ") else limits
        return f"{base} {limits}".strip() if base else ""
    if origin is Literal:
        return either(repr(value) if isinstance(value, str) else str(value).lower() for value in args)
    if origin in (typing.Union, types.UnionType):
        # Every whole number is a number; that there may be nothing is no news to a person who wrote something.
        members = [arg for arg in args if arg is not types.NoneType and not (arg is int and float in args)]
        words = [expected(member, plural) for member in members]
        return either(words) if all(words) else ""
    if _is_class(annotation) and issubclass(annotation, enum.Enum):
        return either(repr(member.value) for member in annotation)
    if origin is tuple and args and args[-1] is not ...:
        return _expected_tuple(args, plural)
    container = origin or annotation
    if _is_class(container) and issubclass(container, Collection) and not issubclass(container, str | bytes):
        if issubclass(container, Mapping):
            return "mappings" if plural else "a mapping"
        items = expected(args[0], plural=True) if args else ""
        return ("lists" if plural else "a list") + (f" of {items}" if items else "")
    return _WORDS[annotation][plural] if isinstance(annotation, Hashable) and annotation in _WORDS else ""


def _expected_tuple(items: Sequence[object], plural: bool) -> str:
    lists = "lists" if plural else "a list"
    if len(set(items)) == 1:
        return f"{lists} of {len(items)} {expected(items[0], plural=True)}"
    return f"{lists} of {len(items)}: {', '.join(expected(item) or 'a value' for item in items)}"


def _limits_in_words(metadata: Iterable[object], parts: str) -> Iterator[str]:
    for item in metadata:
        if hasattr(item, "metadata"):  # a pydantic Field
            yield from _limits_in_words(item.metadata, parts)
            continue
        for attribute, words in _LIMITS.items():
            limit = getattr(item, attribute, None)
            if attribute == "min_length" and limit == 1:
                yield "that is not empty"
            elif limit is not None:
                yield words.format(f"{limit:g}" if isinstance(limit, float) else limit, parts=parts)


def _is_class(annotation: object) -> TypeGuard[type]:
    """Whether an annotation is a class; `list[int]` is none, though `isinstance` takes it for one."""
    return isinstance(annotation, type) and typing.get_origin(annotation) is None


def _limits(annotation: object) -> Iterator[Limits]:
    """The Limits in an annotation: its own, a union's members' and a list's entries'."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from (item for item in args[1:] if isinstance(item, Limits))
        yield from _limits(args[0])
    elif origin in (typing.Union, types.UnionType, tuple, list):
        for arg in args:
            yield from _limits(arg)
