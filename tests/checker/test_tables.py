"""Tables of references that a plugin brings."""

from __future__ import annotations

import json
import math

import pytest

from trainer import check
from trainer.checker.tables import entries
from trainer.plugins import Plugins

PLUGIN = """
import math
import numpy as np
from trainer import hookimpl, op

@op(elementwise=True)
def log_cosh(x):
    "log cosh x"
    if np.iscomplexobj(x):
        raise TypeError("log_cosh is a function of real numbers")
    return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - math.log(2)

log_cosh.defvjp(x=lambda dy, x: RULE)
log_cosh.samples(lambda rng: [rng.normal(size=4)])

@hookimpl
def register_ops(register):
    register(log_cosh)
"""


@pytest.fixture
def log_cosh(tmp_path):
    """The op with a rule of one's choice, and a table of tanh beside it."""

    def load(rule):
        (tmp_path / "steep.py").write_text(PLUGIN.replace("RULE", rule))
        points = [-800.0, -1e-9, 1e-3, 800.0]
        entry = {"points": {"x": points}, "derivatives": {"x": [math.tanh(x) for x in points]}}
        (tmp_path / "references.json").write_text(json.dumps({"log_cosh": [entry]}))
        return Plugins(["steep.py"], folder=tmp_path, entry_points=False).get("ops", "log_cosh").target

    return load


def test_a_rule_that_overflows_far_out_is_found_there(log_cosh, tmp_path):
    op = log_cosh("dy * np.sinh(x) / np.cosh(x)")
    report = check(op)
    assert [f.check for f in report.failures] == ["table", "far out"], report
    assert report.failures[0].rows[3:6] == (
        ("worst", "∂y/∂x at x = -800.0"),
        ("got", "nan"),
        ("expected", f"-1.0, by the table {tmp_path / 'references.json'}"),
    )


def test_a_rule_that_does_not_passes(log_cosh):
    op = log_cosh("dy * np.tanh(x)")
    assert check(op).ok
    assert entries(op)[0].points == ((-800.0, -1e-9, 1e-3, 800.0),)


def test_an_op_without_a_table_has_no_entries(log_cosh):
    op = log_cosh("dy * np.tanh(x)")
    op.name = "another"
    assert entries(op) == []
