"""Write docs/ops.md: every op that ships, with its rules' residuals and what the checker says of it.

    python docs/make_ops_page.py

Runs the whole checker, so it takes some minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from trainer.checker.ledger import line_of_op, record
from trainer.checker.library import check_all, registered_ops
from trainer.plugins import Plugins, shared

PAGE = Path(__file__).parent / "ops.md"


def page(plugins: Plugins) -> str:
    """The page for what these plugins register, from the last reports."""
    rows = [line_of_op(component) for _, component in sorted(registered_ops(plugins).items())]
    differentiable = sum(bool(row["differentiable"]) for row in rows)
    head = (
        "# The ops that ship\n\n"
        f"{len(rows)} ops, {differentiable} of them differentiable. Written by `python docs/make_ops_page.py`; the "
        "same as data: `trainer ops list --json`.\n\n"
        "*Residuals* are the values that an op's rules keep from the forward call for the backward sweep, input by "
        "input. *Orders*: derivatives of any order, or of the first alone.\n\n"
        "| op | inputs | differentiable in | residuals | orders | dtypes | checks |\n|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(map(_row, rows)) + "\n"


def _row(row: dict[str, Any]) -> str:
    residuals = "; ".join(f"{name}: {', '.join(kept)}" for name, kept in row["residuals"].items() if kept)
    verdict = row["verdict"]
    passed = "" if verdict is None else f"{verdict['checks']} pass" if verdict["ok"] else "**fails**"
    differentiable = "all" if row["differentiable"] == row["inputs"] else ", ".join(row["differentiable"]) or "none"
    cells = [row["name"], ", ".join(row["inputs"]), differentiable, residuals]
    cells += [row["orders"] or "", ", ".join(row["dtypes"] or ()), passed]
    return f"| {' | '.join(cells)} |"


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
