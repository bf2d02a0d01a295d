"""Doing what a message says: the text with each mistake mended as its message tells."""

from __future__ import annotations

import copy
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from trainer.config.schema import Config

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


class Advice(NamedTuple):
    """What raises a message, the words of it that say what to do, and each of the things that they say."""

    wrong: Callable[[], object]
    said: str
    ways: tuple[Callable[[], object], ...]

    def followed(self, error: type[Exception]) -> list[Any]:
        """What comes of each thing that the message says, which is an `error` and has these words."""
        with pytest.raises(error) as caught:
            self.wrong()
        assert self.said in str(caught.value)
        return [way() for way in self.ways]


class Typed(NamedTuple):
    """Command lines of which the last says what to type, the words that say it, and each thing that they say."""

    wrong: list[str]
    said: str
    right: list[str]


def advised(message: object, said: str) -> str:
    """The words of a message by which a test does next what they say; a test counts on it that they are there."""
    assert said in str(message)
    return said


def brought(extra: str) -> set[str]:
    """The distributions that `pip install 'tape-trainer[EXTRA]'` installs besides the package."""
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    return {re.split(r"[^\w.-]", each)[0].lower() for each in extras[extra]}


_PROBLEM = re.compile(r"^(?:\S+?:(?P<line>\d+):(?P<column>\d+)|command line|\S+\.yaml): (?P<said>.+)$")


def followed(text: str, message: str, *, argument: bool = False) -> Iterator[tuple[str, str]]:
    """What is wrong, and the text in which that was mended, for each hint of a message that one can type.

    Args:
        text: a config, or with `argument` one of the command line.
    """
    lines = message.splitlines()
    for i, line in enumerate(lines):
        problem = _PROBLEM.match(line)
        caret = next((mark for mark in lines[i + 1 : i + 3] if re.fullmatch(r" *\^~*", mark)), None)
        if problem is None or line.startswith("command line") != argument:
            continue
        said = problem["said"]
        if missing := re.search(r"'\w+' is missing; for example (.+)$", said):
            yield said, f"{text}\n{missing[1]}\n"
        if (example := re.search(r"; for example ((\w+): .+)$", said)) and f"\n{example[2]}: " in text:
            yield said, re.sub(rf"^{example[2]}: .*$", example[1], text, flags=re.MULTILINE)
        if caret is None or (argument and lines[i + 1].strip() != text):
            continue
        start = caret.index("^") - (2 if argument else lines[i + 1].index("| ") + 2)
        if not argument:
            start += sum(len(row) + 1 for row in text.split("\n")[: int(problem["line"]) - 1])
        end = start + len(caret.strip()) if "for the shell" not in said else len(text)
        for old, new in _mended(said, text[start:end]):
            at = text.index(old, start)
            yield said, text[:at] + new + text[at + len(old) :]
        yield from ((said, new) for new in _rewritten(said, text, start, end))
        if argument and (moved := re.search(r"; write ([\w.]+)=\.\.\.$", said)):
            yield said, f"{moved[1]}={text.partition('=')[2]}"


def _mended(said: str, marked: str) -> Iterator[tuple[str, str]]:
    """What stands there, and what the message has in its place."""
    if meant := re.search(r"(?:did you mean|it is called) '([^']+)'", said):
        wrong = re.search(r"'([^']+)'(?=[^']*(?:'FOLDER)?[^']*; (?:did you|it is))", said)
        assert wrong is not None, said
        yield wrong[1], meant[1]
    elif quotes := re.search(r"; put it in quotes(?:, and these in quotes for the shell)?: (.+)$", said):
        yield marked, shlex.split(quotes[1])[0] if "shell" in said else quotes[1]
    elif write := re.search(r"[:;] write ('?)([^;,`]+?)\1(?:, with a space after the ':'| or (\{.+\}))?$", said):
        for new in filter(None, (write[2], write[3])):
            if "..." not in new and new != "key: value" and not new.startswith(("it ", "the ")):
                yield marked, new


def _rewritten(said: str, text: str, start: int, end: int) -> Iterator[str]:
    """The text in which other words than those from `start` to `end` change, too; for "..." any value will do."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start) if "\n" in text[start:] else len(text)
    line, indented = text[line_start:line_end], " " * (start - line_start)
    if needed := re.search(r"; write ((?:'[^']+' or )?'[^']+\.\.\.\}*')$", said):
        entry = re.compile(rf"{re.escape(text[start:end])}(?::(?: \{{[^}}]*\}})?)?")
        for way in re.findall(r"'([^']+)'", needed[1]):
            new = way.removeprefix("dataset: ").replace("...", "2")
            yield text[:start] + entry.sub(new, text[start:], count=1)
    if without := re.search(r"; write it without '(.+)'$", said):
        at = text.rindex(without[1], 0, end)
        yield text[:at] + text[at + len(without[1]) :]
    if below := re.search(r"; write it below '(\w+:)', indented$", said):
        rest = text[:line_start] + text[line_end + 1 :]
        there = re.search(rf"^{below[1]}\n", rest, re.MULTILINE)
        assert there is not None, said
        yield f"{rest[: there.end()]}  {line}\n{rest[there.end() :]}"
    if into := re.search(r" belongs to \w+; write ((\w+): \{.+\})$", said):
        rest, there = text[:line_start] + text[line_end + 1 :], re.compile(rf"^{into[2]}: .*$", re.MULTILINE)
        yield there.sub(into[1], rest) if there.search(rest) else f"{rest}{into[1]}\n"
    if "; begin each with '- ' on a line of its own" in said:
        yield f"{text[: start - 2]}- {text[start:]}"
    if said.endswith("; begin each of its entries with '- '"):
        yield text[:line_start] + re.sub(rf"^{indented}(?=\S)", f"{indented}- ", text[line_start:], flags=re.MULTILINE)
    if listed := re.search(r"found a mapping; write (\[.+\])$", said):
        yield text[:start] + listed[1] + text[end:]
    if value := re.search(r"; put the value after the '([:=])'$", said):
        at = text.index(value[1], line_start) + 1
        yield f"{text[:at]} 2{text[at:]}".replace("= ", "=")
    if option := re.search(r"; write ((\w+: )\{.+\}) if it is an option of", said):
        at = text.rindex(option[2], 0, start)
        yield text[:at] + option[1] + text[line_end:]
    yield from ((text[:line_start] + new + text[line_end:]) for new in _punctuated(said, line, start - line_start))


def _punctuated(said: str, line: str, column: int) -> Iterator[str]:
    """A line with what YAML wants of it, and a line more where it begins one."""
    before, after = line[:column], line[column:]
    if closed := re.search(r"; write '([]}])' after it, and ',' between its items$", said):
        yield line + closed[1]
    if said.endswith("; write it before this one"):
        yield f"{before}, {after}"
    if said.endswith("; write 'key: value'"):
        yield re.sub(" ?= ?| ", ": ", line, count=1)
    if "; use single quotes, in which" in said:
        yield line.replace('"', "'")
    if said.endswith("; put the value in quotes"):
        yield f"{before}'{after}'"
    if said.endswith("; begin it on the next, indented"):
        yield f"{before.rstrip()}\n  {after}"
    if "; put each 'key: value' on a line of its own, indented like its neighbours, and quote text" in said:
        first, _, second = before.rpartition(" ")
        yield f"{first}\n{re.match(' *', line)[0]}{second}{after}"
        key, value = line.split(": ", 1)
        yield f"{key}: '{value}'"


_TAIL = re.compile(r"(?:^|[;:,.] |\bor )(?:leave|say|use|write|add|put|give|keep|begin|Write) ")
_OUT = re.compile(r"leave (?!it |one |the |reverse )([\w.]+)(?: and ([\w.]+))? out|do not name it under ([\w.]+)")
_SET = re.compile(
    r"(?<![\w.])(?<!- )(?<!leave `)(?<!put ')(?P<key>(?!there|right)[a-z_]+(?:\.[a-z_]+)*): "
    r"(?P<value>\[(?:[^][]|\[[^]]*\])*\]|\{(?:[^{}]|\{[^}]*\})*\}|'(?:[^']|'')*'|\"[^\"]*\"|[^\s,;:()`]+)(?![\w:])"
)


def begun(message: str) -> str:
    """What a message finds wrong, without what it says to do."""
    found = _TAIL.search(message)
    return message[: found.start()] if found else message


def ways(message: str) -> Iterator[dict[str, object]]:
    """What a message says to set, each way by itself: values by their keys, None for a key to be left out.

    >>> [*ways("they are numbers: use cost: huber, or one_hot: true under dataset and leave task out")]
    [{'cost': 'huber'}, {'one_hot': True, 'task': None}]
    >>> [*ways("1e39 is too large. Try a wider type (compute.dtype=float64), or a smaller step size (step_size=0.1).")]
    [{'compute.dtype': 'float64'}, {'step_size': 0.1}]
    """
    message, _, tried = message.splitlines()[0].partition(". Try ")
    yield from (
        {key: yaml.safe_load(value)} for key, value in re.findall(r"\(([\w.]+)=([^)\s]+)\)(?=, or |\.$)", tried)
    )
    for way in re.split(r",? or |; or ", message.removeprefix(begun(message))):
        told: dict[str, object] = {}
        for each in sorted([*_OUT.finditer(way), *_SET.finditer(way)], key=re.Match.start):
            if each.re is _OUT:
                told |= dict.fromkeys(filter(None, each.groups()))
                continue
            if each["key"] in told:
                yield told
                told = {}
            told[each["key"]] = yaml.safe_load(each["value"])
        if told:
            yield told


_SECTIONS = {
    "part": "stop",
    "train": "evaluate",
    **dict.fromkeys(("dtype", "threads", "executor", "shards"), "compute"),
}


def obeyed(config: dict[str, Any], way: dict[str, object]) -> dict[str, Any]:
    """The config in which that was written: below `dataset:` what is no key of its own, or of `compute:`."""
    new = copy.deepcopy(config)
    for key, value in way.items():
        *sections, last = key.split(".")
        if last in config.get("metrics", ()):
            new["metrics"] = [{last: value} if each == last else each for each in config["metrics"]]
            continue
        if last not in Config.model_fields and not sections:
            sections = [_SECTIONS.get(last, "dataset")]
        place = new
        for section in sections:
            if isinstance(place.get(section), str):
                place[section] = {"name": place[section]}
            place = place.setdefault(section, {})
        if value is None:
            del place[last]
        else:
            place[last] = value
    return new


def relaid(config: dict[str, Any], message: str) -> Iterator[dict[str, Any]]:
    """The config with its layers as a message says, each way by itself.

    What is put after "it" stands behind the last layer that gives sequences, and what is put before "it" in front of
    the layer that the message is about.
    """
    layers = config["network"]
    names = [next(iter(layer)) if isinstance(layer, dict) else layer for layer in layers]
    dense = max((i for i, name in enumerate(names) if name == "dense"), default=0)
    about = re.search(r"layer (\d+) \(", message)
    behind = max((i for i, name in enumerate(names) if name in ("lstm", "gru")), default=dense - 1) + 1
    for way in re.finditer(
        r"(?P<how>put|end it in|end the network in|leave|or put|make one row of the positions with|`? or) "
        r"[`'](?:- )?(?P<layer>[^`']+)[`'](?P<where> before a dense layer| before it| after it| out)?",
        message,
    ):
        layer = yaml.safe_load(way["layer"])
        if way["how"].startswith("end"):
            new = [*layers[:-1], layer] if "dense" in layer else [*layers, layer]
        elif way["how"] == "leave":
            (key,) = layer if isinstance(layer, dict) else [layer]
            new = [copy.deepcopy(layer) for layer, name in zip(layers, names, strict=True) if name != key]
            if len(new) == len(layers):
                new[behind - 1][names[behind - 1]].pop(key)
        else:
            at = {" before a dense layer": dense, " before it": int(about[1]) if about else 0}.get(way["where"], behind)
            new = [*layers[:at], layer, *layers[at:]]
        yield {**config, "network": new}
    for out in re.finditer(r"leave (\w+) out$", message):
        new = copy.deepcopy(layers)
        holders = [each for layer in new if isinstance(layer, dict) for each in layer.values() if out[1] in str(each)]
        for options in holders:
            del options[out[1]]
        if holders:
            yield {**config, "network": new}
    example = re.search(r"(?:for example|as in) (\w+): (\[.+\])", message)
    if example and about:
        name, options = names[int(about[1])], {example[1]: yaml.safe_load(example[2])}
        new = [*layers]
        new[int(about[1])] = options if name in options else {name: options}
        yield {**config, "network": new}
