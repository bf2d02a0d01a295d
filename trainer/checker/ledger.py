"""The last report on each op, kept on disk under everything that it depends on.

`trainer ops check` writes here; `trainer ops list --json` and the documentation's table read.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from trainer.checker.report import Report
from trainer.checker.verdicts import digest_of
from trainer.data.cache import cache_folder
from trainer.engine.op import Op
from trainer.engine.rules import Rule
from trainer.plugins.registry import Component

__all__ = ["last", "line_of_op", "record"]


def record(op: Op, report: Report) -> None:
    """Remember what a check of this op found."""
    from trainer.files import atomic_write

    path = cache_folder() / "reports" / f"{digest_of(op)}.json"
    values = {
        "ok": report.ok, "checks": report.total, "samples": report.samples, "order": report.order,
        "dtypes": report.dtypes, "sources": report.sources,
    }  # fmt: skip
    with suppress(OSError):  # a cache that cannot be written forgets
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps(values))


def last(op: Op) -> dict[str, Any] | None:
    """What the last check of this very op found; None where it has changed since, or was never checked."""
    path = cache_folder() / "reports" / f"{digest_of(op)}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def line_of_op(component: Component) -> dict[str, Any]:
    """An op as plain data: what it is, what its rules keep, and what the last check of it said.

    `orders` is "any" where the rules can be differentiated themselves, "first" where they leave NumPy, and None where
    nobody has looked; so are `dtypes` and `verdict`.
    """
    op: Op = component.target
    rules = {name: op.rules.get(name) for name in op.inputs}
    found = last(op)
    return {
        "name": component.name,
        "plugin": component.plugin,
        "package": component.package,
        "inputs": list(op.inputs),
        "attributes": list(op.attributes),
        "differentiable": list(op.differentiable),
        "residuals": {name: list(rule.residuals) for name, rule in rules.items() if isinstance(rule, Rule)},
        "orders": found and {0: "none", 1: "first", 2: "any"}[found["order"]],
        "dtypes": found and found["dtypes"],
        "verdict": found and {"ok": found["ok"], "checks": found["checks"], "sources": found["sources"]},
    }
