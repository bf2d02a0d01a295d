"""A value of a config's file, changed where it stands: comments, order and spelling of everything else stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.config.document import Node, Unreadable, parse
from trainer.config.source import Problems, Source
from trainer.errors import UsageError
from trainer.files import atomic_write

__all__ = ["edited", "write_value"]


def write_value(file: Path, keys: Sequence[str], value: float) -> str:
    """Write a number where these keys lead, and say at which place. Raises UsageError where that cannot be done."""
    text = file.read_bytes().decode()  # newlines stay what they are
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    changed, line = edited(text.removeprefix("\ufeff"), keys, value)
    atomic_write(file, mark + changed)
    return f"{file}:{line}"


def edited(text: str, keys: Sequence[str], value: float) -> tuple[str, int]:
    """The text with a number where these keys lead, and in which line that is; what has no line gets the last one.

    A short spelling, the 0.1 of `{cosine: 0.1}`, is found by its inner key, too. Raises UsageError where the text
    would not say what it should.

    >>> edited("step_size: {cosine: 0.1}  # ε", ["step_size", "cosine", "start"], 0.03)
    ('step_size: {cosine: 0.03}  # ε', 1)
    """
    node: Node | None = _tree(text)
    before = None if node is None else node.plain()
    found: list[str] = []
    for key in keys:
        if node is None or not isinstance(node.value, dict) or key not in node.value:
            break
        node = node.value[key]
        found.append(key)
    lines = text.splitlines(keepends=True)
    if not found and len(keys) == 1:
        end = "\r\n" if "\r\n" in text else "\n"
        whole = text if not text or text.endswith(("\n", "\r")) else text + end
        changed, at = f"{whole}{keys[0]}: {value:g}{end}", len(whole.splitlines()) + 1
    elif node is not None and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        span = node.span
        line = lines[span.line]
        lines[span.line] = f"{line[: span.column]}{value:g}{line[span.end :]}"
        changed, at = "".join(lines), span.line + 1
    else:
        raise UsageError(f"the file has no number at {'.'.join(keys)}; write {value:g} there by hand")
    wanted, now = _set(before, found or list(keys), value), _tree(changed)
    if now is None or now.plain() != wanted:
        raise UsageError(f"{'.'.join(keys)} stands where it cannot be changed alone; write {value:g} there by hand")
    return changed, at


def _tree(text: str) -> Node | None:
    problems = Problems()
    try:
        node = parse(Source("the file", text), problems)
    except Unreadable:
        node = None
    return None if problems else node


def _set(tree: object, keys: Sequence[str], value: float) -> object:
    if not keys:
        return value
    inner = tree if isinstance(tree, Mapping) else {}
    return {**inner, keys[0]: _set(inner.get(keys[0]), keys[1:], value)}
