"""Every key of a config, as a person looks it up: what it takes, its default, what it means.

All of it is read off the schema, and off the readers of files that are installed, so that a new key is here as soon as
there is one.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trainer.config.help import help_of, option_help
from trainer.config.schema import DEFAULT_OPTIMIZER, Choice, Config
from trainer.config.sections import Kind, Section, sections, within
from trainer.config.synonyms import KEYS, exactly, unknown
from trainer.data.readers.registry import Formats
from trainer.errors import UsageError
from trainer.limits import expected
from trainer.plugins import available
from trainer.plugins.registry import Parameter
from trainer.wording import either

__all__ = ["Entry", "entries", "entry"]


class Entry(NamedTuple):
    """A key of a config.

    path: the keys that lead to it, `stop.patience`, as in an override.
    takes: its values, in words.
    default: as YAML has it; "none", or "required" where something has to be said.
    meaning: a sentence or two.
    example: it in a config; empty where `takes` says enough.
    also: what other libraries call it.
    """

    path: str
    takes: str
    default: str
    meaning: str
    example: str
    also: tuple[str, ...]


def entries() -> list[Entry]:
    """All keys in the order of the schema, those of a section after it, and what reads files after those of dataset."""
    found = list(_entries(Config, sections(Config)))
    paths = [each.path for each in found]
    behind = 1 + max(place for place, path in enumerate(paths) if path.startswith("dataset."))
    found[behind:behind] = [each for each in _of_readers() if each.path not in paths]
    return found


def entry(name: str) -> list[Entry]:
    """The entries of a key, by its path, its last part or what other libraries call it; several where it is in several.

    Raises UsageError with the nearest name for one that is none.

    >>> [found.path for found in entry("lr")], [found.path for found in entry("patience")]
    (['step_size'], ['stop.patience'])
    """
    found = entries()
    if "." in name:
        whole = [each for each in found if each.path == name]
        if whole:
            return whole
    names = list(dict.fromkeys(each.path.rpartition(".")[2] for each in found))
    known = exactly(name, names, KEYS)
    if known is None:
        hint = unknown(name, [*names, *(each.path for each in found)], KEYS).hint or "trainer help lists them all"
        raise UsageError(f"a config has no key '{name}'; {hint}")
    return [each for each in found if each.path.rpartition(".")[2] == known]


def _entries(model: type[BaseModel], rows: Mapping[str, Section]) -> Iterator[Entry]:
    for key, field in model.model_fields.items():
        if field.exclude:  # what the loader found out
            continue
        row = rows[key]
        yield Entry(
            ".".join(row.path),
            _takes(field, row),
            _default(field, row),
            field.description or "",
            row.right if row.example else "",
            tuple(word for word, meanings in KEYS.items() if key in meanings and row.path[0] in (key, "dataset")),
        )
        if row.model is not None:
            yield from _entries(row.model, row.inner)


def _of_readers() -> Iterator[Entry]:
    """The options of what reads a file or a folder; where several have one, the words of the first count."""
    having: dict[str, list[tuple[str, Parameter, str]]] = {}
    for kind, row in Formats(available()).items():
        texts = option_help(help_of(row.component), row.options)
        for parameter in row.component.parameters:
            having.setdefault(parameter.name, []).append((kind, parameter, texts.get(parameter.name, "")))
    for name, found in having.items():
        kinds, parameters, meanings = zip(*found, strict=True)
        meaning = next(filter(None, meanings), "")
        required, default = parameters[0].required, parameters[0].default
        yield Entry(
            f"dataset.{name}",
            either(dict.fromkeys(filter(None, (expected(each.annotation) for each in parameters)))) or "a value",
            "required" if required else "none" if default is None else _yaml(default),
            f"{meaning[:1].upper()}{meaning[1:]} Of {either(kinds, 'and')}.".lstrip(),
            "",
            tuple(word for word, keys in KEYS.items() if name in keys),
        )


def _takes(field: FieldInfo, row: Section) -> str:
    """The values of a key in words."""
    if row.form in ("mapping", "mappings", "source"):
        assert row.model is not None
        several = ", or a list of such mappings" if row.form == "mappings" else ""
        off = ", or false" if row.off else ""
        keys = [key for key, inner in row.model.model_fields.items() if not inner.exclude]
        return f"a mapping of {either(keys, 'and')}{several}{off}"
    if not row.kinds:
        return expected(field.rebuild_annotation()) or "a value"
    one, several_words = Kind(*row.kinds).words
    if row.form == "choices":
        return f"a list of {several_words} by name, with their options"
    if row.form == "named choices":
        return f"lists of {several_words}, by names of their own"
    named = f"{one} by name, with its options"
    if row.form != "value or choice":
        return named
    (plain, *_) = (each for each in typing.get_args(field.annotation) if Choice not in within(each))
    return f"{expected(plain)}, or {named}"


def _default(field: FieldInfo, row: Section) -> str:
    if row.path == ("optimizer",):  # which the loader fills in, from what is installed
        return DEFAULT_OPTIMIZER
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if value is None or value in ([], {}):
        return "none"
    return _yaml(value)


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False).removesuffix("...\n").strip()
