"""Some dozens of random graphs of every op that ships; `python tools/graphs.py` draws thousands."""

from __future__ import annotations

import warnings
from copy import copy

import numpy as np
import pytest

from tools import graphs, programs
from trainer.compiler.executors import best_backend
from trainer.plugins import shared


@pytest.mark.parametrize("block", range(10))
def test_random_graphs_have_the_gradient_that_the_complex_step_finds(block):
    for seed in range(5 * block, 5 * block + 5):
        error, graph = graphs.error_of(seed)
        assert error <= graphs.LIMIT, f"graph {seed} is off by {error:.1e}:\n{graph}"


@pytest.mark.parametrize("block", range(10))
def test_their_programs_take_other_numbers_labels_and_masks(block):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(5 * block, 5 * block + 5):
            verdict = programs.judge(programs.of_graph(seed, graphs.draw(seed)[0]), [best_backend()])
            assert verdict == programs.Verdict(), f"graph {seed}: {verdict}"


def test_a_rule_that_is_off_by_a_part_in_a_hundred_million_is_found(monkeypatch):
    few = tuple(shared().get("ops", name).target for name in ("tanh", "multiply", "add", "sin", "matmul"))
    monkeypatch.setattr(graphs, "ops", lambda: few)  # of few ops one comes into every graph
    rule = copy(few[0].rules["x"])
    rule.function = lambda dy, y: dy * (1 - y * y) * (1 + 1e-8)
    assert all(graphs.error_of(seed)[0] <= graphs.LIMIT for seed in range(5))
    monkeypatch.setattr(few[0], "_plans", {})
    monkeypatch.setitem(few[0].rules, "x", rule)
    assert max(graphs.error_of(seed)[0] for seed in range(5)) > graphs.LIMIT  # in one of them it counts for little
