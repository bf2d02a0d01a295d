"""`key=value` arguments of the command line, put into the tree of the config.

The values are YAML and keep their place in the argument, so that the rest of this package treats them like lines of the
file: the same schema, the same errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.config.document import Node, Unreadable, parse
from trainer.config.schema import SECTIONS
from trainer.config.sections import Section
from trainer.config.source import Problems, Source, Span
from trainer.errors import Hint

__all__ = ["Override", "apply", "flat", "read", "spelt"]


# What one asks of a run rather than of a config, and so types without its section.
SHORT = {"folds": "dataset", "fold": "dataset", **dict.fromkeys(("trials", "sampler", "pruner"), "sweep")}

# What YAML gives a meaning alone, and a delimiter or the mark of a comment is: a shell takes quotes away.
_MARKS = tuple(",|#:%&*!?>@`")


@dataclass(frozen=True)
class Override:
    """One argument: the keys that lead to a value, each with its place, and the value."""

    keys: tuple[tuple[str, Span], ...]
    value: Node


def read(argument: str, problems: Problems) -> Override | None:
    """The parsed argument; None after a problem.

    Counted from the end, -1 is the last entry of a list.

    >>> override = read("network.0.dense=64", Problems())
    >>> [key for key, _ in override.keys], override.value.value
    (['network', '0', 'dense'], 64)
    """
    source = Source("command line", argument, argument=True)
    path, equals, value = argument.partition("=")
    if not equals or not path.strip():
        problems.add(Span(source, 0, 0, len(argument)), "an override is key=value, such as step_size=0.01")
        return None
    keys = []
    column = 0
    if path.strip() in SHORT:
        keys.append((SHORT[path.strip()], Span(source, 0, 0, len(path))))
    for key in path.split("."):
        keys.append((key.strip(), Span(source, 0, column, column + len(key))))
        column += len(key) + 1
    for key, span in keys:
        if not key:
            problems.add(span, "a key is missing before or after a '.'")
            return None
    if value in _MARKS:
        return Override(tuple(keys), Node(value, Span(source, 0, column, column + 1), written=value))
    # Blanks in place of the path keep the columns right.
    try:
        node = parse(source, problems, " " * column + value)
    except Unreadable:
        return None
    return Override(tuple(keys), node or Node(None, Span(source, 0, column, column + 1)))


def apply(root: Node, override: Override, problems: Problems, first_option: Callable[[str, str], str | None]) -> None:
    """Put the value into the tree, making the mappings that lead to it where there are none.

    Args:
        root: the config's mapping; changed in place.
        override: from `read`.
        problems: gets what is wrong with the path; what is wrong with the value is found with the rest of the config.
        first_option: of (section, name), the option that the 64 of `{dense: 64}` sets; None for an unknown name.
    """
    node = root
    names = [name for name, _ in override.keys]
    for depth, (key, span) in enumerate(override.keys):
        last = depth == len(override.keys) - 1
        value = override.value if last else Node({}, span)
        if isinstance(node.value, list) and not key.removeprefix("-").isdecimal() and depth > 1:
            option = first_option(_section(names).key, names[depth - 1])  # the [...] of {residual: [...]}
            if option is not None:
                node.value = {option: Node(node.value, node.span, node.span)}
        if isinstance(node.value, list):
            if key[:1] == "-" and key[1:].isdecimal() and int(key[1:]) <= len(node.value):
                key = names[depth] = str(len(node.value) + int(key))
            if not _enter(node, key, span, names[:depth], problems):
                return
            index = int(key)
            if last or index == len(node.value):
                node.value[index : index + 1] = [value]
            node = node.value[index]
            continue
        _open(node, key, names[:depth], first_option)
        value.key_span = span
        if last or key not in node.value:
            node.value[key] = value
        node = node.value[key]


def _enter(node: Node, key: str, span: Span, path: Sequence[str], problems: Problems) -> bool:
    count = len(node.value)
    if key.isdecimal() and int(key) <= count:
        return True
    entries = f"{count} {'entry' if count == 1 else 'entries'}"
    problems.add(span, f"{'.'.join(path)} has {entries}, counted from 0; {count} appends one, found '{key}'")
    return False


def _open(node: Node, key: str, path: Sequence[str], first_option: Callable[[str, str], str | None]) -> None:
    """Make a mapping of a node that `key` is to be set in, and keep what it says as far as it goes with `key`."""
    if _is_choice(path):  # of two names that of the command line counts
        keeps = node.value == key or (isinstance(node.value, dict) and key in node.value)
        if isinstance(node.value, str) or not keeps:
            node.value = {key: Node(None, node.span, node.span)} if keeps else {}
    elif not isinstance(node.value, dict):  # the 64 of {dense: 64}
        option = first_option(_section(path).key, path[-1]) if len(path) > 1 else _section(path).short
        short = Node(node.value, node.span, node.span, node.written)
        node.value = {option: short} if option and node.value is not None else {}


def _section(path: Sequence[str]) -> Section:
    """The section whose names stand at a path; an inner one has names of its own."""
    outer = SECTIONS.get(path[0], Section(path=(path[0],)))
    return outer.inner.get(path[1], outer) if len(path) > 1 else outer


def _is_choice(path: Sequence[str]) -> bool:
    """Whether a name stands at a path; an entry of another list, such as a penalty, is a mapping of its own keys."""
    if not path:
        return False
    section = _section(path)
    if path[-1].isdecimal():
        return section.form in ("choices", "named choices")
    one = section.form in ("choice", "value or choice")
    return one and (len(path) == 1 or path[-1] == section.key)  # also the cost of a part of several


def flat(config: object, path: str = "") -> list[tuple[str, Any]]:
    """A config's settings by their paths, as on the command line: network.0.dense.units.

    >>> flat({"seed": 0, "network": [{"dense": 3}]})
    [('seed', 0), ('network.0.dense', 3)]
    """
    if isinstance(config, dict):
        items = [(str(key), value) for key, value in config.items()]
    elif isinstance(config, list):
        items = [(str(i), value) for i, value in enumerate(config)]
    else:
        return [(path, config)]
    return [pair for key, value in items for pair in flat(value, f"{path}.{key}" if path else key)]


def spelt(hint: Hint) -> str:
    """What a hint is as an argument of the command line.

    >>> spelt(Hint("dtype", "float64", "more digits")), spelt(Hint("standardize", True, "inputs of one scale"))
    ('compute.dtype=float64', 'dataset.standardize=true')
    """
    owners = (key for key, row in SECTIONS.items() if row.model is not None and hint.setting in row.model.model_fields)
    owner = "" if hint.setting in SECTIONS else next((f"{key}." for key in owners), "")
    value = str(hint.value).lower() if isinstance(hint.value, bool) else hint.value
    return f"{owner}{hint.setting}={value:g}" if isinstance(value, float) else f"{owner}{hint.setting}={value}"
