"""Derivatives known to many digits, at points where other references are blunt: near kinks and poles, far out in tails.

A plugin may bring a file `references.json` beside the module that defines its ops; the checker finds it there. It maps
an op's name to a list of entries:

    {"erf": [{"points": {"x": [0.5, 6.0]}, "derivatives": {"x": [0.8787825789354448, 2.6173...e-16]}}]}

`points` has one list per input, all of one length; `derivatives` has ∂y/∂input at these points, for the inputs that are
known; `attributes`, `relative` (the tolerance, 1e-12) and `absolute` (0) may be added.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.engine.op import Op

__all__ = ["FILE", "Entry", "entries"]

FILE = "references.json"


@dataclass(frozen=True)
class Entry:
    """Points and derivatives for one op.

    Attributes:
        points: per input the values at which it is evaluated, in the order of the op's inputs.
        derivatives: by an input's position, the derivatives there.
        attributes: the op's static attributes.
        relative, absolute: what a rule may differ by.
        file: where the table is, for messages.
    """

    points: tuple[tuple[float, ...], ...]
    derivatives: dict[int, tuple[float, ...]]
    attributes: dict[str, Any]
    relative: float
    absolute: float
    file: str


def entries(op: Op) -> list[Entry]:
    """What the plugin's table says about an op; nothing where there is no table."""
    file = getattr(sys.modules.get(op.module), "__file__", None)
    if file is None:
        return []
    path = str(Path(file).with_name(FILE))
    found = []
    for item in _table(path).get(op.name, []):
        points = tuple(tuple(item["points"][name]) for name in op.inputs)
        derivatives = {op.inputs.index(n): tuple(values) for n, values in item["derivatives"].items()}
        tolerance = item.get("relative", 1e-12), item.get("absolute", 0.0)
        found.append(Entry(points, derivatives, item.get("attributes", {}), *tolerance, path))
    return found


@lru_cache
def _table(path: str) -> dict[str, list[dict[str, Any]]]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(json.loads(text))
