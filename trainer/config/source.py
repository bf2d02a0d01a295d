"""Where a piece of a config stands, and how a problem with it is shown.

    configs/mlp.yaml:7:5: unknown name 'rellu' in network; did you mean 'relu'?
      7 |   - rellu
              ^~~~~

A problem with an override shows the command-line argument in place of the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from trainer.errors import ConfigError, Problem

__all__ = ["Problems", "Source", "Span"]

# What YAML counts as the end of a line.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_WIDTH = 110


@dataclass(frozen=True, eq=False)
class Source:
    """A text with a name: a config file, or (with `argument`) one command-line argument."""

    name: str
    text: str
    argument: bool = False

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines, each as wide as its characters are many."""
        return [re.sub(r"\s", " ", line) for line in _LINE_BREAK.split(self.text)]


@dataclass(frozen=True)
class Span:
    """Part of one line; line and columns count from 0, `end` is the column after the last."""

    source: Source
    line: int
    column: int
    end: int

    @property
    def place(self) -> str:
        """`configs/mlp.yaml:7:5`, or `command line` for an override."""
        return self.source.name if self.source.argument else f"{self.source.name}:{self.line + 1}:{self.column + 1}"

    def excerpt(self) -> str:
        """The source line with a caret under the span; of a very long line the part around it."""
        lines = self.source.lines
        line = lines[self.line] if self.line < len(lines) else ""
        column = min(self.column, len(line))
        end = max(min(self.end, len(line.rstrip())), column + 1)
        if len(line) > _WIDTH:
            start = max(0, column - _WIDTH // 2)
            line, column, end = line[start : start + _WIDTH], column - start, min(end - start, _WIDTH)
        margin = "  " if self.source.argument else f"  {self.line + 1} | "
        return f"{margin}{line.rstrip()}\n{' ' * (len(margin) + column)}^{'~' * (end - column - 1)}"

    def show(self, message: str) -> str:
        """The message with its place before it and the excerpt below it."""
        return f"{self.place}: {message}\n{self.excerpt()}"

    def problem(self, message: str) -> Problem:
        """The message with its place, as data."""
        line = None if self.source.argument else self.line + 1
        return Problem(message, self.source.name, line, self.column + 1, self.excerpt())

    def error(self, message: str) -> ConfigError:
        """The message with its place as an error."""
        return ConfigError(self.show(message), [self.problem(message)])


class Problems:
    """Collects what is wrong, so that a person hears of everything at once.

    >>> problems = Problems()
    >>> problems.add(Span(Source("a.yaml", "epochs: 0"), 0, 8, 9), "too few")
    >>> print(problems.error())
    a.yaml:1:9: too few
      1 | epochs: 0
                  ^
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[tuple[bool, int, int], Problem]] = {}

    def add(self, where: Span | Source, message: str) -> None:
        """Note a problem with a part of a source, or with a source as a whole."""
        if isinstance(where, Span):
            order = where.source.argument, where.line, where.column
            self._found.setdefault(where.show(message), (order, where.problem(message)))
        else:
            problem = Problem(message, where.name, None, None, "")
            self._found.setdefault(f"{where.name}: {message}", ((where.argument, -1, 0), problem))

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> ConfigError:
        """All problems in one error, in the order of the file; those of the command line last."""
        texts = sorted(self._found, key=lambda text: self._found[text][0])
        return ConfigError("\n\n".join(texts), [self._found[text][1] for text in texts])
