"""Write docs/ops.md: every op that ships, with its rules' residuals and what the checker says of it.

    python docs/make_ops_page.py

Runs the whole checker, so it takes some minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.checker.ledger import line_of_op, record
from trainer.checker.library import check_all, registered_ops
from trainer.plugins import Plugins, shared

PAGE = Path(__file__).parent / "ops.md"
KINDS = {"real": ("float32", "float64"), "complex": ("complex64", "complex128")}


def page(plugins: Plugins) -> str:
    """The page for what these plugins register, from the last reports."""
    rows = [line_of_op(component) for _, component in sorted(registered_ops(plugins).items())]
    differentiable = sum(bool(row["differentiable"]) for row in rows)
    head = (
        "# The ops that ship\n\n"
        f"{len(rows)} ops, {differentiable} of them differentiable. Written by `python docs/make_ops_page.py`; the "
        "same as data: `trainer ops list --json`.\n\n"
        "*Residuals* are the values that an op's rules keep from the forward call for the backward sweep, input by "
        "input. *Orders*: derivatives of any order, or of the first alone. *Numbers*: real, complex or both, each in "
        "single and in double precision. *Checks*: how many of the checker's the op passes.\n\n"
        "| op | inputs | differentiable in | residuals | orders | numbers | checks |\n|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(map(_row, rows)) + "\n"


def _row(row: dict[str, Any]) -> str:
    residuals = "; ".join(f"{name}: {', '.join(kept)}" for name, kept in row["residuals"].items() if kept)
    verdict = row["verdict"]
    passed = "" if verdict is None else str(verdict["checks"] or "") if verdict["ok"] else "**fails**"
    differentiable = "all" if row["differentiable"] == row["inputs"] else ", ".join(row["differentiable"]) or "none"
    cells = [row["name"], ", ".join(row["inputs"]), differentiable, residuals]
    cells += [row["orders"] or "", _numbers(row["dtypes"] or ()), passed]
    return f"| {' | '.join(cells)} |"


def _numbers(dtypes: Sequence[str]) -> str:
    """What kinds of numbers these are; the dtypes themselves, where one of a kind is missing."""
    whole = {kind for kind, of in KINDS.items() if set(of) <= set(dtypes)}
    named = [*(kind for kind in KINDS if kind in whole), *(d for d in dtypes if not any(d in KINDS[k] for k in whole))]
    return ", ".join(named)


def main() -> int:
    """Check everything, then write."""
    ops = registered_ops(shared())
    bad = 0
    for name, report in zip(ops, check_all(ops), strict=True):
        record(ops[name].target, report)
        if not report.ok:
            bad += 1
            sys.stdout.write(f"{report}\n\n")
    PAGE.write_text(page(shared()), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: {len(ops)} ops, {bad} of them fail\n")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
