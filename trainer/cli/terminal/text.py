"""Text as a stream can show it: in its characters, and folded by words to the width of its terminal."""

from __future__ import annotations

import re
import textwrap

__all__ = ["cut", "folded", "spelt"]

# What people read in the place of a character that their terminal lacks; others are shown by their number.
_SPELLINGS = {
    "…": "...", "×": "x", "−": "-", "–": "-", "→": "->", "←": "<-", "±": "+-", "·": "*", "≤": "<=", "≥": ">=", "’": "'",
    "θ": "theta", "δ": "delta", "ε": "epsilon", "Σ": "sum", "σ": "sigma", "∇": "grad", "µ": "u", "½": "1/2", "²": "^2",
    "√": "sqrt", "π": "pi", "␣": "_", "⏎": "/", "⇥": ">",
}  # fmt: skip
_LABEL = re.compile(r" *(\S+ {2,})?")
_CARET = re.compile(r" *\^~*$")


def spelt(text: str, encoding: str) -> str:
    r"""The text in the characters of an encoding.

    >>> spelt("28 × 28, θ − ε", "latin-1"), spelt("28 × 28 €", "ascii")
    ('28 × 28, theta - epsilon', '28 x 28 \\u20ac')
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_spelt(character, encoding) for character in text)
    return text


def _spelt(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return _SPELLINGS.get(character) or character.encode("ascii", "backslashreplace").decode()
    return character


def cut(text: str, columns: int, end: str = "…") -> str:
    """The text, or what of it fits: before a word where that leaves most of it, within one otherwise.

    >>> cut("a table of classes", 12), cut("categorical_accuracy", 12)
    ('a table of…', 'categorical…')
    """
    if len(text) <= columns:
        return text
    room = max(columns - len(end), 0)
    at = text.rfind(" ", 0, room + 1)
    return text[: at if 2 * at > room else room].rstrip(" ,;:") + end[: max(columns, 1)]


def folded(text: str, width: int) -> str:
    """The text in lines of at most `width` columns, broken between words; what follows is indented as its line is, or
    as the text after a label is.

    A word that is longer stays whole, so that a path can be copied. A line of a config with a caret below it shows the
    part that the caret is at.

    >>> print(folded("  a rather long line of words\\nand another", 20))
      a rather long line
      of words
    and another
    """
    lines = text.split("\n")
    if max(map(len, lines)) <= width:
        return text
    shown: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if _CARET.match(line) and shown:
            continue  # shown with the line that it stands below
        if _CARET.match(following):
            shown += _around(line, following, width)
        elif len(line) <= width:
            shown.append(line)
        else:
            hanging = _LABEL.match(line)
            indent = " " * (hanging.end() if hanging and hanging.end() < width // 2 else 0)
            begin = line[: len(indent)]
            shown += textwrap.wrap(
                line[len(indent) :], width, initial_indent=begin, subsequent_indent=indent, break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip
    return "\n".join(shown)


def _around(line: str, caret: str, width: int) -> list[str]:
    """A line of a source and the caret below it, without what does not fit before and after."""
    margin = re.match(r" *(\d+ \| )?", line)
    assert margin is not None
    start = margin.end()
    room = max(width - start, 10)
    at = len(caret) - len(caret.lstrip())
    first = max(min(len(caret) - start - room, at - start), 0)  # how much is left out before
    marks = caret[at : start + first + room]
    return [line[:start] + line[start + first : start + first + room], " " * (at - first) + marks]
