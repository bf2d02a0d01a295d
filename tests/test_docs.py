"""The pages under docs/ are about the project as it is."""

from __future__ import annotations

import re
from pathlib import Path

from trainer.checker.library import registered_ops
from trainer.engine.rules import Rule
from trainer.plugins import shared

ROOT = Path(__file__).parent.parent


def test_the_table_of_ops_lists_what_ships_and_what_its_rules_keep():
    text = (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")
    rows = {cells[1]: cells[2:] for line in text.splitlines() if (cells := [c.strip() for c in line.split("|")])[1:2]}
    ours = {n: c for n, c in registered_ops(shared()).items() if (c.package or "").startswith("tape-trainer ")}
    assert set(rows) - {"op", "---"} == set(ours), "run python docs/make_ops_page.py"
    for name, component in ours.items():
        op = component.target
        assert rows[name][0] == ", ".join(op.inputs)
        kept = {n: r.residuals for n in op.inputs if isinstance(r := op.rules.get(n), Rule) and r.residuals}
        assert rows[name][2] == "; ".join(f"{n}: {', '.join(values)}" for n, values in kept.items())
        assert "fails" not in rows[name][-2]


def test_at_least_360_ops_are_differentiable():
    assert sum(bool(c.target.differentiable) for c in registered_ops(shared()).values()) >= 360


def test_the_table_of_edges_names_tests_that_exist():
    text = (ROOT / "docs" / "edges.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`(test_\w+\.py)`", text)):
        assert list((ROOT / "tests").rglob(name)), name
