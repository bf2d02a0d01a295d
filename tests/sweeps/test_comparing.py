"""Groups of runs, the differences between them, and how sure one can be of those."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import trainer
from tools.intervals import SHAPES, covered
from trainer.errors import UsageError
from trainer.runs.bands import group_curves, mean_lines
from trainer.runs.groups import grouped
from trainer.sweeps.importance import importance
from trainer.sweeps.paired import paired

LINE = {
    "name": "line",
    "dataset": {"name": "linear", "rows": 60},
    "network": [{"dense": 1}],
    "cost": "mean_squared_error",
    "step_size": 0.1,
    "epochs": 3,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two step sizes, each with three seeds."""
    out = tmp_path_factory.mktemp("runs")
    for size in (0.01, 0.1):
        for seed in range(3):
            trainer.run(LINE, [f"step_size={size}", f"seed={seed}"], out=out)
    return out


@pytest.mark.parametrize("name", SHAPES)
def test_an_interval_holds_the_truth_in_93_to_97_of_100_comparisons(name):
    """Also of five and ten seeds, and of differences that are not normal."""
    draw, truth = SHAPES[name]
    shares = [covered(draw, truth, seeds, 1000, name) for seeds in (5, 10)]
    assert all(0.93 <= share <= 0.97 for share in shares), shares


def test_an_interval_is_that_of_students_t():
    one, other = np.array([0.9, 0.92, 0.95, 0.91]), np.array([0.88, 0.93, 0.92, 0.9])
    found = paired(one, other, "higher")
    reference = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert str(found) == "better in 3 of 4 seeds, +0.012 ± 0.027; that may be chance"
    assert paired(other, one, "higher").short == "−0.012 ± 0.027"


def test_what_cannot_be_compared_is_none_and_what_is_always_the_same_has_no_width():
    assert paired([1.0], [2.0]) is None
    assert paired([1.0, math.nan], [2.0, 1.0]) is None
    same = paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert str(same) == "better in 0 of 3 seeds and the same in 3, +0 ± 0; that may be chance"


def test_runs_of_one_config_are_a_group_and_the_best_is_compared_over_the_same_seeds(root):
    found = trainer.compare(root)
    assert found.keys == ("step_size",)
    assert [group.settings["step_size"] for group in found.groups] == [0.1, 0.01]
    values = [[trainer.run(LINE, [f"step_size={s}", f"seed={i}"], out=root).metrics["test_loss"][-1] for i in range(3)]
              for s in (0.1, 0.01)]  # fmt: skip
    reached = found.reached(found.best)
    assert (reached.mean, reached.deviation) == pytest.approx((np.mean(values[0]), np.std(values[0], ddof=1)))
    assert found.paired[0] is None
    assert found.paired[1].differences == pytest.approx(np.subtract(values[1], values[0]))
    frame = found.frame()
    assert list(frame["runs"]) == [3, 3]
    assert trainer.compare(root, where=["test_loss<1e9"]).keys == found.keys
    with pytest.raises(UsageError, match="the runs have no number called 'acuracy'"):
        trainer.compare(root, metric="acuracy")


@pytest.mark.parametrize(("thing", "called"), [(3, "3"), (None, "None"), (len, "builtin_function_or_method")])
def test_what_is_no_run_is_called_what_it_is(thing, called):
    with pytest.raises(UsageError, match=f"^{called} is no run, no folder of runs, no sweep and no frame$"):
        trainer.compare(thing)


def test_bands_are_mean_and_deviation_at_each_epoch(root):
    runs = [trainer.Run(path) for path in sorted(root.iterdir())]
    what, lines = group_curves(grouped([runs]))
    assert (what, len(lines)) == ("test loss", 2)
    losses = np.array([run.metrics["test_loss"] for run in runs if run.config["step_size"] == 0.01])
    np.testing.assert_allclose(lines[0].values, losses.mean(axis=0))
    np.testing.assert_allclose(lines[0].band, losses.std(axis=0, ddof=1))
    parts = mean_lines([run.metrics for run in runs])
    assert [line.name for line in parts] == ["train", "test"]


def test_what_mattered_is_told_from_what_did_not():
    rng = np.random.default_rng(0)
    settings = {"step_size": rng.uniform(size=40).tolist(), "name": rng.choice(["a", "b"], 40).tolist()}
    found = importance(settings, [math.sin(3 * value) for value in settings["step_size"]])
    assert list(found.shares) == ["step_size", "name"]
    assert found.shares["step_size"] > 0.95
    noise = importance(settings, rng.normal(size=40).tolist())
    assert noise.shares == {} or noise.r2 < 0.2
    assert importance({"step_size": [0.1, 0.2]}, [1.0, 2.0]) is None


def test_parallel_coordinates_are_the_same_bytes_each_time(root, tmp_path):
    found = trainer.compare(root)
    for name in ("one.png", "other.png", "one.svg", "table.csv"):
        assert found.save(tmp_path / name) == tmp_path / name
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    assert (tmp_path / "table.csv").read_text().splitlines()[0].startswith("step_size,runs,test_loss")
    with pytest.raises(UsageError, match="a comparison ends in"):
        found.save(tmp_path / "one.jpg")
