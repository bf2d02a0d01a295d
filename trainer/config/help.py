"""What a docstring says of each option, for editors and lists."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.plugins import Component

__all__ = ["help_of", "option_help"]

_OPTION = re.compile(r"( *)(\w+(?:, \w+)*): (\S.*)")


def help_of(component: Component) -> str:
    """A component's docstring without the indentation of its code; empty without one."""
    from trainer.engine.op import Op

    target = component.target.func if isinstance(component.target, partial) else component.target
    doc = (target.doc if isinstance(target, Op) else getattr(target, "__doc__", None)) or ""
    generated = inspect.isclass(target) and doc.startswith(target.__name__ + "(")  # by @dataclass, where there is none
    return "" if generated else inspect.cleandoc(doc)


def option_help(doc: str, names: Collection[str]) -> dict[str, str]:
    """The text of each of these options that a docstring has a line for, `name: text` or `name, name: text`.

    Lines that are indented further go on with it.

    >>> option_help("Dots.\\n\\nArgs:\\n    rows: how many,\\n        1000.\\n    noise: σ.", ["rows", "noise", "rng"])
    {'rows': 'how many, 1000.', 'noise': 'σ.'}
    """
    texts: dict[str, str] = {}
    open_names: list[str] = []
    indent = 0
    for line in doc.splitlines():
        option = _OPTION.fullmatch(line)
        if option and all(name in names for name in option[2].split(", ")):
            indent, open_names = len(option[1]), option[2].split(", ")
            texts |= dict.fromkeys(open_names, option[3])
        elif open_names and line.startswith(" " * (indent + 1)):
            texts |= {name: f"{texts[name]} {line.strip()}" for name in open_names}
        else:
            open_names = []
    return texts
