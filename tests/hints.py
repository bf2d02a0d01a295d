"""Doing what a message says: the text with each mistake mended as its message tells."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

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
    elif write := re.search(r"; write ('?)([^;,`]+?)\1(?:, with a space after the ':'| or (\{.+\}))?$", said):
        for new in filter(None, (write[2], write[3])):
            if "..." not in new and not new.startswith(("it ", "the ")):
                yield marked, new
