"""One value against one annotation: pydantic decides, and a person is told in words what was expected and found.

Nothing is coerced: `"64"` is no number, `6.5` no whole number, `true` neither. Values are validated as JSON, strictly,
so that a YAML list can become a tuple, and text a path or an enumeration's member.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal

import annotated_types
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from trainer.config.document import Node, scalar
from trainer.config.source import Problems
from trainer.engine.signals import undivided
from trainer.limits import expected
from trainer.wording import did_you_mean

__all__ = ["INVALID", "adapter", "check", "complaint", "found"]

INVALID: Any = object()

_CONSTRAINTS = {
    "gt": annotated_types.Gt,
    "ge": annotated_types.Ge,
    "lt": annotated_types.Lt,
    "le": annotated_types.Le,
    "multiple_of": annotated_types.MultipleOf,
}
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def check(name: str, annotation: object, node: Node, problems: Problems) -> Any:
    """The node's value as the annotation wants it; INVALID, and a problem, if it is none."""
    try:
        return adapter(annotation).validate_json(json.dumps(node.plain()), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        inner = _innermost(node, first["loc"])
        if first["type"] in ("value_error", "assertion_error"):  # raised by the component author's own validator
            text = f"{name}: {first['msg'].partition(', ')[2]}, found {found(node)}"
        else:
            text = complaint(name, annotation, node, first["msg"], inner)
        problems.add(inner.name_span, text)
        return INVALID


def complaint(name: str, annotation: object, node: Node, otherwise: str = "", inner: Node | None = None) -> str:
    """`epochs expects a whole number of at least 1, found 2.5`, with what to write instead where that is plain.

    Args:
        name: what has the value.
        annotation: what it should be.
        node: what it is.
        otherwise: what to say of an annotation that there are no words for.
        inner: the part of the value that is wrong, if not the whole.
    """
    words = expected(annotation)
    hint = _hint(annotation, node)
    wanted = f"expects {words}" if words else f"is not right ({otherwise[:1].lower()}{otherwise[1:]})"
    return f"{name} {wanted}, found {found(inner or node)}" + (f"; {hint}" if hint else "")


def found(node: Node) -> str:
    """A value as a person would call it."""
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, str):
        shown = value if value.isprintable() else ascii(value)[1:-1]
        return f"the text '{shown}'" if len(shown) <= 60 else f"the text '{shown[:57]}...'"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    return str(value).lower() if isinstance(value, bool) else node.written


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    for config in (ConfigDict(arbitrary_types_allowed=True), None):  # none for a type that has its own: a dataclass
        with suppress(PydanticUserError):
            return TypeAdapter(annotation, config=config)
    return _adapter(Any)


def adapter(annotation: Any) -> TypeAdapter[Any]:
    """pydantic's validator for an annotation; for one that it cannot read, the validator that admits anything."""
    annotation = _with_limits(annotation)
    with undivided():  # pydantic makes a SchemaError of a Ctrl-C
        try:
            return _adapter(annotation)
        except TypeError:  # an annotation that cannot be hashed
            return TypeAdapter(annotation)


def _with_limits(annotation: object) -> object:
    """Make limits that are given by any object with an attribute `gt`, `ge`, … the ones that pydantic knows.

    A plugin can so bound its parameters without importing pydantic, which would cost every process 0.15 s.
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_with_limits, args))]  # noqa: UP007  the members are not known before
    if origin in (list, tuple):
        return origin[tuple(map(_with_limits, args))]
    if origin is not Annotated:
        return annotation
    base, *metadata = args
    limits = [
        constraint(getattr(item, attribute))
        for item in metadata
        if not isinstance(item, annotated_types.BaseMetadata | FieldInfo)
        for attribute, constraint in _CONSTRAINTS.items()
        if getattr(item, attribute, None) is not None
    ]
    return Annotated[(base, *metadata, *limits)] if limits else annotation


def _admits(annotation: object) -> set[Any]:
    """The plain types that an annotation admits, for hints."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _admits(args[0])
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(_admits, args))
    if origin is Literal:
        return {arg for arg in args if isinstance(arg, str)}
    return {origin or annotation}


def _hint(annotation: object, node: Node) -> str:
    """What to write instead, where that can be told from what was written."""
    value, admitted = node.value, _admits(annotation)
    if value is None:
        return f"put the value after the '{'=' if node.span.source.argument else ':'}'" if not node.written else ""
    if isinstance(value, str):
        return _hint_for_text(value, admitted)
    if isinstance(value, float) and value.is_integer() and int in admitted and float not in admitted:
        return f"write {int(value)}" if abs(value) < 2**53 else ""
    if isinstance(value, int | float) and str in admitted:
        # A shell takes the outer quotes away, so that the text needs quotes of its own.
        quoted = f"'{node.written}'"
        return (
            f'put it in quotes, and these in quotes for the shell: "{quoted}"'
            if node.span.source.argument
            else f"put it in quotes: {quoted}"
        )
    if isinstance(value, dict) and str in admitted and node.span.source.argument:
        text = node.span.source.text[node.span.column :]
        if not set(text) & {"'", '"', "{"}:  # `name=a: b`, which YAML takes for a mapping
            return f"put it in quotes, and these in quotes for the shell: \"'{text}'\""
    if list in admitted and not isinstance(value, list):
        if node.on_its_line.startswith("{"):
            return f"write [{node.on_its_line[1:-1].strip()}]"
        return f"write [{node.written}]" if node.written else "begin each of its entries with '- '"
    return ""


def _hint_for_text(text: str, admitted: set[object]) -> str:
    if bool in admitted and text.lower() in _TRUTH:
        return f"write {_TRUTH[text.lower()]}"
    if list in admitted:
        return f"write [{text}]"
    if admitted & {int, float}:
        if isinstance(scalar(text), int | float):
            return "remove the quotes"
        if re.fullmatch(r"\d+,\d+", text):
            return f"a decimal point is a point: {text.replace(',', '.')}"
        if re.fullmatch(r"\d+(\.\d+)? *%", text):
            return f"write {float(text.rstrip('% ')) / 100:g}"
        if isinstance(scalar(text.rstrip(",;")), int | float):
            return f"write {text.rstrip(',;')}"
    return did_you_mean(text.lower(), [name for name in admitted if isinstance(name, str)])


def _innermost(node: Node, loc: Sequence[int | str]) -> Node:
    """The node that a pydantic location leads to; it also has steps that are no keys, such as a union's members."""
    for step in loc:
        if isinstance(node.value, dict) and step in node.value:
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
    return node
