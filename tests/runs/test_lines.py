"""What is drawn of runs: which columns are curves, what a thinned one keeps, where a loss is lowest."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.runs.columns import names_of
from trainer.runs.lines import Line, lines_of, lowest, scale_of

METRICS = {
    "epoch": [1, 2, 3],
    "train_loss": [3.0, 2.0, 1.0],
    "test_loss": [3.0, 1.5, 2.5],
    "test_f1_macro": [0.1, float("nan"), 0.3],
    "step_size": [0.1, 0.1, 0.1],
}


def test_a_metric_has_a_curve_for_each_part_and_a_column_one():
    assert [(line.name, line.colour) for line in lines_of(METRICS)] == [("train", 0), ("test", 2)]
    assert [line.name for line in lines_of(METRICS, "f1_macro")] == ["test"]
    assert [line.name for line in lines_of(METRICS, "step_size")] == ["step_size"]
    assert [line.name for line in lines_of(METRICS, "test_loss")] == ["test_loss"]
    assert lines_of(METRICS, "accuracy") == []
    assert names_of(list(METRICS)) == ["loss", "f1_macro", "step_size"]


@pytest.mark.parametrize("n", [1, 2, 100, 151, 1000, 99_991])
def test_a_thinned_curve_has_few_points_and_every_extreme(n):
    values = np.random.default_rng(n).normal(size=n)
    values[n // 2] = 50.0
    values[n // 3] = -50.0
    line = Line("noise", np.arange(1, n + 1), values, 0)
    thin = line.thinned(50)
    assert len(thin.values) <= 3 * 50 + 2
    assert (thin.values.max(), thin.values.min()) == (values.max(), values.min())
    assert (thin.epochs[0], thin.epochs[-1]) == (1, n)
    assert np.array_equal(thin.values, values[thin.epochs - 1])
    assert (np.diff(thin.epochs) > 0).all()
    assert scale_of([thin]) == scale_of([line])


def test_a_gap_stays_a_gap_and_every_piece_keeps_its_own_extremes():
    values = np.tile(np.arange(100.0), 100)
    values[5050] = np.nan
    thin = Line("teeth", np.arange(10_000), values, 0).thinned(100)
    assert np.isnan(thin.values).sum() == 1
    for start in range(0, 10_000, 100):
        piece = thin.values[(thin.epochs >= start) & (thin.epochs < start + 100)]
        assert (np.nanmin(piece), np.nanmax(piece)) == (0.0, 99.0)


def test_what_is_not_finite_or_as_good_as_infinite_is_a_gap():
    (line,) = lines_of({"epoch": [1, 2, 3, 4], "train_loss": [1.0, np.inf, np.nan, 1e300]})
    assert line.points == [(1, 1.0)]
    assert (line.finite, line.last) == (1, 1.0)


def test_the_lowest_loss_is_of_rows_that_choose_then_of_the_test_then_of_the_training():
    assert lowest(lines_of(METRICS)) == ("test", 1, 2, 1.5, 3)
    assert lowest(lines_of({**METRICS, "validation_loss": [1.0, 2.0, 0.5]})) == ("validation", 2, 3, 0.5, 3)
    assert lowest(lines_of({**METRICS, "test_loss": [np.nan] * 3})) == ("train", 2, 3, 1.0, 3)
    assert lowest([]) is None
