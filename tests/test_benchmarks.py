"""The benchmarks: their arithmetic on invented numbers, and one quick run without any peer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import measure, peers, report, scaling, workloads
from benchmarks.measure import Measurement

ROOT = Path(__file__).parent.parent

RESULT = report.Result(
    "tiny",
    "2-2, batch 1, sgd",
    [
        Measurement("ours", "ours", 1, [10.0, 20.0, 12.0], 1e-7),
        Measurement("ours", "ours", 2, [40.0, 40.0, 40.0], 1e-7),
        Measurement("quick", "peer", 1, [20.0, 40.0, 20.0], 2e-7),
        Measurement("quick", "peer", 2, [10.0, 10.0, 10.0], 2e-7),
        Measurement("wrong", "peer", 1, [1.0, 1.0, 1.0], 0.5),
        Measurement("wrong", "peer", 2, [1.0, 1.0, 1.0], 0.5),
        Measurement("unable", "peer", 1, note="it has no such layer"),
        Measurement("unable", "peer", 2, note="it has no such layer"),
        Measurement("products", "floor", 1, [5.0, 5.0, 5.0]),
        Measurement("products", "floor", 2, [5.0, 6.0, 7.0]),
    ],
)


def test_ratios_are_taken_within_rounds():
    one, two = (report.best(RESULT.measurements, system=s, threads=1) for s in ("ours", "quick"))
    assert report.ratio(one, two) == measure.Spread(0.5, 0.5, 0.55)
    assert report.ratio(one, None) is None


def test_who_computes_something_else_is_not_ranked():
    assert report.best(RESULT.measurements, kind="peer") is RESULT.measurements[3]


def test_the_table_has_a_row_per_system_and_says_who_could_not_and_who_was_wrong():
    lines = report.table(RESULT).splitlines()
    assert lines[2].split() == ["ours", "12.0", "(11.0–16.0)", "40.0", "(40.0–40.0)", "0.50", "1.20", "2.40", "1e-07"]
    assert lines[4].endswith("5e-01 WRONG, not ranked")
    assert lines[5].split(maxsplit=1) == ["unable", "— it has no such layer"]


def test_the_summary_names_the_best_of_both_sides():
    row = report.summary([RESULT]).splitlines()[2]
    found = row.removeprefix(RESULT.title).split()
    assert found == ["ours", "×1", "12.0", "quick", "×2", "10.0", "1.20", "(1.10–1.60)", "2.40", "(2.20–3.20)"]


def test_json_and_charts_are_written(tmp_path):
    report.write_json(tmp_path / "steps.json", {"workloads": [RESULT], "environment": report.environment()})
    document = json.loads((tmp_path / "steps.json").read_text(encoding="utf-8"))
    first = document["workloads"][0]["measurements"][0]
    assert (first["spread"]["median"], first["ranked"], first["microseconds"]) == (12.0, True, [10.0, 20.0, 12.0])
    report.chart([RESULT, RESULT], tmp_path / "steps")
    scaling.chart_scaling(
        {"batch": [(1, RESULT.measurements[:1]), (8, RESULT.measurements[1:2])]}, tmp_path / "scaling"
    )
    assert {p.name for p in tmp_path.iterdir()} == {
        "steps.json", "steps.svg", "steps.png", "scaling.svg", "scaling.png",
    }  # fmt: skip


def test_the_reference_is_the_tape_in_float64():
    from benchmarks.peers import trainer

    for name in ("tiny", "regression", "plugin", "conv"):
        workload = workloads.WORKLOADS[name]
        small = workloads.Workload(**{**vars(workload), "batch": 4, "epoch": 3})
        theta, data = small.parameters(np.float64), small.data(np.float64)
        plain = peers.load("plain").make(small, theta, data, 1, "")()
        training = trainer.make(small, small.parameters(np.float64), data, 1, "eager")
        np.testing.assert_allclose(training(), plain, rtol=1e-12)


def test_a_workload_survives_the_way_to_another_process():
    for workload in workloads.WORKLOADS.values():
        assert workloads.Workload.from_json(json.loads(json.dumps(asdict(workload)))) == workload


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_a_copy_of_the_parameters_fits_the_shapes(name):
    workload = workloads.WORKLOADS[name]
    wanted = [layer.size for layer in workload.layers if layer.kind in ("dense", "conv")]
    assert [len(bias) for _, bias in workload.parameters()] == wanted


def test_a_quick_run_measures_writes_and_tells(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "tiny", "--out", str(tmp_path)]
    command += ["--systems", "trainer-eager,trainer-numpy,plain,products"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "steps.json").read_text(encoding="utf-8"))
    measured = {m["system"]: m for m in document["workloads"][0]["measurements"]}
    assert all(len(m["microseconds"]) == 2 for m in measured.values())
    assert measured["trainer-numpy"]["deviation"] < 1e-6
    assert "÷ products" in done.stdout


def test_a_system_that_is_not_here_is_refused_with_those_that_are(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--systems", "caffe", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "there is no system 'caffe' here; there are trainer-eager, trainer-numpy" in done.stderr
