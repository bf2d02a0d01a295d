"""Where in the sources a message tells somebody what to type, and which tests type it.

A hint is a text that is no docstring and no help of an option, in which a clause begins with what to do and names what
can be typed: a key with its value, a command, an option, a name, an expression. It is known by its text, not by its
line: where a value is filled in, anything may stand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Place", "places", "taken"]

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "trainer", ROOT / "ops" / "trainer_ops", ROOT / "datasets" / "trainer_datasets"]

# Of text that is no message: helps of options and schemas, what a program writes into another, and statements of SQL.
_NO_MESSAGES = ("Option", "Argument", "Typer", "Field", "option", "execute", "add_template")
_NO_MODULES = ("frozen.py", "scaffold.py", "make.py", "init.py", "picture.py")

_DO = (
    "write|say|use|add|leave|give|put|take|keep|name|pass|try|install|rename|save|make|choose|begin|register|call|declare|"
    "set|freeze|start|train|list|multiply|reshape|end|see|sum|load|look|build|resume|wait|fetch|find|remove|cut|let|"
    "ask|quote|store|copy|spell|restore|reduce|lower|bring|fill|mend|Draw|Write|Make|Put|"
    "Register|Pass|Try|Begin|Start"
)
_TYPED = (
    r"[\w.{}]+: [\w\[{'\"]|[\w.{}]+=[\w\[{'\".]|--\w|`[^`]+`|\b(?:np|trainer)\.\w|@\w|\bdef |\.astype\(|\bt\.value|"
    r"\blambda\b|\w\(\w*\)|\{\}|'[^']+'"
)
_HINT = re.compile(
    rf"(?:^|[;:,.(] |\bor |\band )(?:{_DO}) (?!(?:is|are|was|has|of|IN)\b)[^;]*?(?:{_TYPED})|"
    rf"\bleave \S[^;,:]* out\b|\bit is called '|\bdid you mean |\bpip install |"
    rf"(?:^|[^-\w'])trainer [a-z][a-z-]+\b(?! is| forks| limits)|"
    r"; for example |\bas in \S+: |\bit is an option of the command: "
)  # fmt: skip

FEW = 16  # letters: "; leave one out" is said of many things, so where it is the hint the whole text has to be there
_FILLED = re.compile(r"\{\d*\}")  # also what `str.format` fills in


class Place(NamedTuple):
    """A text with a hint: where it stands, as one writes it, and what it says once it is filled in."""

    module: str
    text: str
    pattern: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.module}: {self.text}"


def places() -> Iterator[Place]:
    """Each text of the sources that holds a hint."""
    for folder in SOURCES:
        for file in sorted(folder.rglob("*.py")):
            if file.name in _NO_MODULES:
                continue
            module = file.relative_to(ROOT).as_posix()
            for node in _texts(ast.parse(file.read_text(encoding="utf-8"))):
                text = _text(node)
                found = _HINT.search(text) if " " in text else None
                if found:
                    hint = text[found.start() :]
                    told = hint if len(_FILLED.sub("", hint)) >= FEW else text
                    pieces = [re.escape(piece.strip()) for piece in _FILLED.split(told.strip("\n ;,:."))]
                    yield Place(module, text, re.compile(".{0,300}?".join(pieces), re.DOTALL))


def _texts(tree: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Texts but for docstrings, parts of texts, and what is told elsewhere than in messages."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _NO_MESSAGES:
            continue
        if isinstance(node, ast.JoinedStr):
            yield node
            for value in node.values:
                if isinstance(value, ast.FormattedValue):
                    yield from _texts(value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node
        else:
            yield from _texts(node)


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)


def taken() -> Iterator[str]:
    """What tests ask a message for before they do it: the second argument of `advised`, `Advice` and `Typed`."""
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("advised", "Advice", "Typed"):
                yield from (_text(each) for each in _texts(ast.Module([ast.Return(node.args[1])], [])))
