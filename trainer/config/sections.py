"""What is known of a section of a config: one row each, which its field in the schema carries in its annotation.

    stop: Annotated[StopConfig | None, Section("{patience: 10}")] = None

A field's type says most: that a section names a component, a list of them, or holds keys of its own. The loader, the
command line's overrides, the editors' schema, lists and messages all read it here, so that a new section is a model and
a field of `Config` and is known to all of them.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.fields import FieldInfo

from trainer.engine.signals import undivided
from trainer.plugins.registry import noun

__all__ = ["Form", "Kind", "Relative", "Section", "SectionModel", "place", "sections", "within"]

Form = Literal["value", "choice", "value or choice", "choices", "named choices", "source", "mapping", "mappings"]


@dataclass(frozen=True, init=False)
class Kind:
    """Marks a field with the kinds of component that it chooses from; of two with one name the first kind counts."""

    kinds: tuple[str, ...]

    def __init__(self, *kinds: str) -> None:
        object.__setattr__(self, "kinds", kinds)

    @property
    def words(self) -> tuple[str, str]:
        """For messages, `a schedule` and `schedules`."""
        one = noun(self.kinds[0])
        return f"{'an' if one[0] in 'aeiou' else 'a'} {one}", f"{one}s"

    def __get_pydantic_json_schema__(self, schema: object, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"x-kind": self.kinds[0]}  # `editor_schema` puts in its place what is installed


@dataclass(frozen=True)
class Relative:
    """Marks a path that starts where it is written: beside the config, or in the current folder."""


class SectionModel(BaseModel):
    """Keys and their rules."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True, defer_build=True)

    @classmethod
    def model_rebuild(cls, **named: Any) -> bool | None:
        """Build what validates it, at its first use. A Ctrl-C waits for that, of which pydantic makes a SchemaError."""
        with undivided():
            return super().model_rebuild(**named)

    def problem(self) -> str:
        """What is wrong with values that are each right by themselves; empty where nothing is."""
        return ""


@dataclass(frozen=True)
class Section:
    """One section of a config.

    Given where the field is:

    example: the section's value when it is right, for messages.
    short: the key of the section that a text in its place stands for.

    Read off the field's type:

    path: the keys that lead to it.
    form: "choice" is the name of a component, "value or choice" also a plain value, "choices" a list of names,
        "named choices" lists by names of their own; "mapping" and "mappings" hold the keys of `model`, once or several
        times, and "source" holds them beside a component; anything else is a "value".
    kinds: of the components that it names.
    filled: whether a list must have an entry.
    off: whether `false` stands for none of it.
    model: of its keys.
    inner: the sections of `model`.
    """

    example: str = ""
    short: str = ""
    path: tuple[str, ...] = ()
    form: Form = "value"
    kinds: tuple[str, ...] = ()
    filled: bool = False
    off: bool = False
    model: type[BaseModel] | None = None
    inner: Mapping[str, Section] = field(default_factory=dict, hash=False)  # an annotation that holds it can be hashed

    @property
    def key(self) -> str:
        """What it is called."""
        return self.path[-1]

    @property
    def noun(self) -> str:
        """What it names, for messages: `cost`, `data set`."""
        return noun(self.kinds[0])

    @property
    def right(self) -> str:
        """The section as it is written when it is right: `stop: {patience: 10}`."""
        return f"{self.key}: {self.example}"


def sections(model: type[BaseModel], path: tuple[str, ...] = ()) -> dict[str, Section]:
    """The row of every key of a model."""
    return {key: _section(field, (*path, key)) for key, field in model.model_fields.items()}


def place(rows: Mapping[str, Section], kind: str, shown: str) -> str:
    """Where a component of a kind stands in a config.

    >>> from trainer.config.schema import SECTIONS
    >>> place(SECTIONS, "costs", "hinge"), place(SECTIONS, "metrics", "accuracy")
    ('cost: hinge', 'metrics: [accuracy]')
    >>> place(SECTIONS, "preprocessors", "pca: 2")
    'dataset: {name: iris, preprocess: [pca: 2]}'
    >>> place(SECTIONS, "trackers", "board")
    'log: {trackers: [board]}'
    """
    row = next(row for row in rows.values() if row.kinds[:1] == (kind,) and row.form != "named choices")
    text = f"{row.key}: [{shown}]" if row.form == "choices" else f"{row.key}: {shown}"
    outer = rows[row.path[0]]
    if outer is row:
        return text
    return f"{outer.key}: {{name: {outer.example}, {text}}}" if outer.form == "source" else f"{outer.key}: {{{text}}}"


def _section(field: FieldInfo, path: tuple[str, ...]) -> Section:
    parts = [*within(field.rebuild_annotation())]
    kinds = next((mark.kinds for mark in parts if isinstance(mark, Kind)), ())
    model = next((one for one in parts if isinstance(one, type) and issubclass(one, BaseModel)), None)
    given = next((mark for mark in field.metadata if isinstance(mark, Section)), Section())
    return replace(
        given,
        path=path,
        form=_form(field, kinds, model, many=any(typing.get_origin(one) is list for one in parts)),
        kinds=kinds,
        filled=any(getattr(mark, "min_length", None) for mark in parts),
        off=any(one is False for one in parts),
        model=model,
        inner={} if model is None else sections(model, path),
    )


def _form(field: FieldInfo, kinds: tuple[str, ...], model: type[BaseModel] | None, many: bool) -> Form:
    if kinds and model:
        return "source"
    if model:
        return "mappings" if many else "mapping"
    if not kinds:
        return "value"
    if typing.get_origin(field.annotation) is dict:
        return "named choices"
    if many:
        return "choices"
    return "value or choice" if typing.get_args(field.annotation) else "choice"


def within(annotation: object) -> Iterator[Any]:
    """An annotation and all that it is made of, marks included."""
    yield annotation
    for part in typing.get_args(annotation):
        yield from within(part)
