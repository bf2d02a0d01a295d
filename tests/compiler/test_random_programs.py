"""Some dozens of random programs, each called three times with other values; `tools/programs.py` draws thousands."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tools import programs
from trainer.compiler.packed import Packed

COUNT = 80


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("block", range(0, COUNT, 10))
def test_a_random_program_is_its_function_with_other_values_labels_and_masks_too(block):
    refused = 0
    for seed in range(block, block + 10):
        verdict = programs.judge(programs.drawn(seed))
        assert not verdict.differs, f"program {seed} differs in {verdict.differs}"
        refused += bool(verdict.refused)
    assert refused <= 2


@pytest.mark.parametrize("seed", [2, 12, 39])
def test_it_is_in_a_process_of_its_own_that_has_recorded_nothing_yet(seed):
    assert programs.fresh(seed)


def test_an_index_that_froze_would_be_found(monkeypatch):
    arguments = Packed.arguments

    def of_the_first_call(self, leaves):
        self.first = getattr(self, "first", None) or [np.array(leaf) for leaf in leaves]
        return arguments(self, [leaves[0], *self.first[1:]])

    monkeypatch.setattr(Packed, "arguments", of_the_first_call)
    assert any(programs.judge(programs.drawn(seed)).differs for seed in range(COUNT))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.float64(0.0), np.float64(-0.0)),
        (np.float64(1.0), np.array(1.0)),
        (np.ones(2), np.ones(2, np.float32)),
        ([np.ones(2)], (np.ones(2),)),
        ({"a": np.ones(2)}, {"a": np.ones(2) + 1e-16 * np.arange(2) * 4}),
        (np.ones(2), programs.Refusal(ValueError("no"))),
        (programs.Refusal(IndexError("no")), programs.Refusal(ValueError("no"))),
    ],
)
def test_what_counts_as_another_result(one, other):
    assert programs.same(one, one)
    assert programs.same(other, other)
    assert not programs.same(one, other)
    assert programs.same(np.array([np.nan]), -np.array([np.nan]))
