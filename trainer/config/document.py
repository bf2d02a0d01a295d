"""YAML as a tree that knows where everything stands; a strict and safe part of YAML.

PyYAML's scanner and parser do the reading, and their events come here instead of to PyYAML's constructor, because:

- `1e-3` is a number here, as in YAML 1.2 and JSON, and `010` is ten; `yes`, `1:30` and `2024-01-01` are text.
- A key that comes twice is an error. So are tags, merge keys, a second document, and whatever is nested or repeated
  (by aliases) without bound. Nothing here takes time or memory that grows faster than the text.
- The parser is PyYAML's in Python: the one in C crashes the process on 30 KB of `[`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from trainer.config.source import Problems, Source, Span

__all__ = ["Node", "Unreadable", "parse", "scalar"]

MAX_CHARACTERS = 65_536
MAX_DEPTH = 50
MAX_NODES = 10_000

_INTEGER = re.compile(r"[-+]?[0-9](_?[0-9])*")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9](_?[0-9])*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "+.inf", ".Inf", "+.Inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN"), float("nan")),
}
REMEMBERED, SHORT = 16, 1 << 14  # texts whose events are kept, and how many characters each has at most
_read: dict[str, list[Any]] = {}
_MARKUP = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent)


class Unreadable(Exception):
    """The text has a problem after which nothing that follows can be understood."""


@dataclass
class Node:
    """A value of the config.

    Attributes:
        value: text, number, bool or None; a list of nodes; or a dict of them by key.
        span: where the value stands. Of a block on several lines, where it begins.
        key_span: where the key stands that it is the value of.
        written: how a scalar was written, `1e-3`; quoted text is without its quotes.
    """

    value: Any
    span: Span
    key_span: Span | None = None
    written: str = ""

    def plain(self) -> object:
        """The value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    @property
    def on_its_line(self) -> str:
        """A scalar, or a list or mapping in brackets, as it is written; "" for what stands below, and for nothing."""
        text = self.span.source.lines[self.span.line][self.span.column : self.span.end].rstrip()
        if not isinstance(self.value, dict | list):
            return text
        return text if text[:1] + text[-1:] == ("{}" if isinstance(self.value, dict) else "[]") else ""

    @property
    def name_span(self) -> Span:
        """Where the name stands in `name`, `{name: value}` and `{name: {key: value}}`; otherwise `span`."""
        if isinstance(self.value, dict) and self.value:
            first = next(iter(self.value.values()))
            return first.key_span or self.span
        return self.span


def scalar(text: str) -> object:
    """What unquoted text means.

    >>> [scalar(text) for text in ("1e-3", "1_000", "true", "null", "yes", "010")]
    [0.001, 1000, True, None, 'yes', 10]
    """
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INTEGER.fullmatch(text) and len(text) < 1000:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def parse(source: Source, problems: Problems, text: str | None = None) -> Node | None:
    """The tree of a text; None for an empty one.

    Args:
        source: what the nodes' places refer to.
        problems: gets what is wrong.
        text: what to parse where that is not all of the source; lines and columns must be those of the source.

    Raises Unreadable after a problem that leaves nothing to work with.
    """
    text = source.text if text is None else text
    if len(text) > MAX_CHARACTERS:
        problems.add(source, f"has {len(text):,} characters; a config has at most {MAX_CHARACTERS:,}")
        raise Unreadable
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if unprintable:
        before = text[: unprintable.start()]
        line = before.count("\n")
        span = Span(source, line, len(before) - before.rfind("\n") - 1, 0)
        problems.add(span, f"the character U+{ord(unprintable[0]):04X} cannot stand in a config; is this a text file?")
        raise Unreadable
    try:
        return _Tree(source, problems, text).document()
    except yaml.MarkedYAMLError as error:
        _add_syntax_problem(source, problems, error)
        raise Unreadable from None


def events(text: str) -> Iterator[Any]:
    """PyYAML's events of a text. The last texts are remembered: a sweep, and a service, read one over and over."""
    if (known := _read.pop(text, None)) is not None:
        _read[text] = known  # behind the others: the one that was not asked for longest goes first
        yield from known
        return
    seen = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        seen.append(event)
        yield event
    if len(text) <= SHORT:
        _read[text] = seen
        if len(_read) > REMEMBERED:
            _read.pop(next(iter(_read)), None)


class _Tree:
    """Builds nodes from PyYAML's events."""

    def __init__(self, source: Source, problems: Problems, text: str) -> None:
        self.source = source
        self.problems = problems
        self.anchors: dict[str, Node | None] = {}
        self.count = 0
        # A document's start and end are no values; a second start is caught in `document`.
        self.events: Iterator[Any] = (event for event in events(text) if not isinstance(event, _MARKUP))

    def document(self) -> Node | None:
        if next(self.events, None) is None:
            return None
        root = self.node(next(self.events), 0)
        another = next(self.events, None)
        if another is not None:
            self.problems.add(self.span(another), "a second document begins here; a config is one: remove this line")
        return root

    def span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        same = end.line == start.line and end.column > start.column
        return Span(self.source, start.line, start.column, end.column if same else 10**9)

    def node(self, event: Any, depth: int) -> Node:
        self.counted(event)
        span = self.span(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, span)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.add(span, f"'{tag}' is a tag, and tags are not supported; write the plain value")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]
            node = Node(scalar(event.value) if plain else event.value, span, written=event.value)
        else:
            if depth == MAX_DEPTH:
                self.problems.add(replace(span, end=0), f"nested more than {MAX_DEPTH} deep; a config needs 5")
                raise Unreadable
            node = (
                self.sequence(span, depth) if isinstance(event, yaml.SequenceStartEvent) else self.mapping(span, depth)
            )
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def sequence(self, span: Span, depth: int) -> Node:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return Node(items, self.whole(span, event))

    def mapping(self, span: Span, depth: int) -> Node:
        items: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key_span = self.span(event)
            key = self.key(event, depth)
            value = self.node(next(self.events), depth + 1)
            value.key_span = key_span
            if key is None:
                continue
            if key in items:
                first = items[key].key_span
                assert first is not None
                self.problems.add(key_span, f"'{key}' comes twice, first on line {first.line + 1}; keep one of the two")
            else:
                items[key] = value
        return Node(items, self.whole(span, event))

    def key(self, event: object, depth: int) -> str | None:
        """A key is text, whatever it looks like."""
        if not isinstance(event, yaml.ScalarEvent):
            self.node(event, depth + 1)
            self.problems.add(self.span(event), "a key is a name, and this is not one")
            return None
        self.counted(event)
        if event.value == "<<" and event.implicit[0]:
            self.problems.add(self.span(event), "merge keys (<<) are not supported; write the keys out")
            return None
        return str(event.value)

    def alias(self, event: Any, span: Span) -> Node:
        if event.anchor not in self.anchors:
            self.problems.add(span, f"*{event.anchor} repeats what &{event.anchor} marks, and there is none before it")
            raise Unreadable
        target = self.anchors[event.anchor]
        if target is None:
            self.problems.add(span, f"*{event.anchor} stands inside &{event.anchor}: it would contain itself")
            raise Unreadable
        return self.copied(target, event)

    def copied(self, node: Node, event: object) -> Node:
        self.counted(event)
        value = node.value
        if isinstance(value, dict):
            value = {key: self.copied(item, event) for key, item in value.items()}
        elif isinstance(value, list):
            value = [self.copied(item, event) for item in value]
        return replace(node, value=value)

    def counted(self, event: object) -> None:
        self.count += 1
        if self.count > MAX_NODES:
            what = "this alias makes" if isinstance(event, yaml.AliasEvent) else "this makes"
            self.problems.add(self.span(event), f"{what} more than {MAX_NODES:,} values; a config needs a few dozen")
            raise Unreadable

    def whole(self, span: Span, end: Any) -> Span:
        """A bracketed list or mapping from its opening to its closing bracket; of a block its first character."""
        same = end.end_mark.line == span.line
        return replace(span, end=end.end_mark.column if same else span.column + 1)


# What PyYAML says, and what it means to a person who wrote a config. The first that is contained in the message counts.
_SYNTAX = {
    "unknown escape": 'no such escape in double quotes; use single quotes, in which "\\" is a plain character',
    "found character '\\t'": "a tab; YAML is indented with spaces",
    "mapping values are not allowed": (
        "a second ':' in one entry; put each 'key: value' on a line of its own, indented like its neighbours, "
        "and quote text that contains ': '"
    ),
    "could not find expected ':'": "no ':' after the key; write 'key: value'",
    "expected ',' or ']'": "the list that begins here is not closed; write ']' after it, and ',' between its items",
    "expected ',' or '}'": "the mapping that begins here is not closed; write '}' after it, and ',' between its items",
    "expected <block end>": "not indented like its neighbours; entries of one list or mapping begin in one column",
    "sequence entries are not allowed": "a list cannot begin on the line of its key; begin it on the next, indented",
    "quoted scalar": "the quote that begins here is not closed",
    "that cannot start any token": "a value cannot begin with this character; put the value in quotes",
}

_WITHIN = re.compile(r"\s*(\w+): +(\w+: +[^#]*\w)\s*")  # a mapping that begins on the line of its key


def _add_syntax_problem(source: Source, problems: Problems, error: yaml.MarkedYAMLError) -> None:
    said = f"{error.context or ''} {error.problem or ''}"
    message = next((ours for theirs, ours in _SYNTAX.items() if theirs in said), f"this is not YAML: {error.problem}")
    # In some cases the place that matters is where the thing began, not where the parser gave up.
    begins = any(words in said for words in ("quoted scalar", "expected ',' or", "could not find expected ':'"))
    at, since = error.problem_mark, error.context_mark
    mark = (since if begins and "unknown escape" not in said else None) or at or since
    if mark is None:
        problems.add(source, message)
        return
    place = mark.line, mark.column
    if at and since and at.line == since.line and (got := re.search(r"expected ',' or .*, but got '(.+)'", said)):
        if got[1] in ("<scalar>", "[", "{", ":"):
            before = re.sub(r"[^\s,{[]+$", "", source.lines[at.line][: at.column]) if got[1] == ":" else ""
            message = "a ',' is missing between two items; write it before this one"
            place = at.line, len(before) or at.column
    elif at and "mapping values" in said and (within := _WITHIN.fullmatch(source.lines[at.line])):
        message = (
            f"a second ':' in one entry; what is within {within[1]} goes into braces, {within[1]}: {{{within[2]}}}, "
            f"or on lines of its own below it, indented; quote text that contains ': '"
        )
    elif at and "mapping values are not allowed" in said and ":" not in source.lines[at.line][: at.column]:
        line = next((i for i in range(at.line - 1, -1, -1) if source.lines[i].strip()), at.line)  # which goes on here
        if ":" not in source.lines[line] and (key := source.lines[line].lstrip())[0] != "-":
            message = _SYNTAX["could not find expected ':'"]
            place = line, len(source.lines[line]) - len(key)
    problems.add(Span(source, *place, place[1] + 1), message)
