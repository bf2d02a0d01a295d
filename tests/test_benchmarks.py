"""The benchmarks: their arithmetic on invented numbers, and one quick run without any peer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import measure, peers, readme, report, scaling, workloads
from benchmarks.measure import Measurement

ROOT = Path(__file__).parent.parent

RESULT = report.Result(
    "tiny",
    "2-2, batch 1, sgd",
    [
        Measurement("ours", "ours", 1, [10.0, 20.0, 12.0], [9.0, 9.0, 9.0], [0.25, 0.5, 0.25], deviation=1e-7),
        Measurement("ours", "ours", 2, [40.0, 40.0, 40.0], [50.0, 50.0, 50.0], deviation=1e-7),
        Measurement("torch", "peer", 1, [20.0, 40.0, 20.0], [18.0, 18.0, 20.0], deviation=2e-7),
        Measurement("torch", "peer", 2, [10.0, 10.0, 10.0], [15.0, 15.0, 15.0], deviation=2e-7),
        Measurement("jax", "peer", 1, [19.0, 19.0, 19.0], [19.0, 19.0, 19.0], deviation=2e-7),
        Measurement("jax", "peer", 2, [19.0, 19.0, 19.0], [19.0, 19.0, 19.0], deviation=2e-7),
        Measurement("wrong", "peer", 1, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], deviation=0.5),
        Measurement("wrong", "peer", 2, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], deviation=0.5),
        Measurement("unable", "peer", 1, note="it has no such layer"),
        Measurement("unable", "peer", 2, note="it has no such layer"),
        Measurement("products", "floor", 1, [5.0, 5.0, 5.0], [5.0, 5.0, 5.0]),
        Measurement("products", "floor", 2, [5.0, 6.0, 7.0], [5.0, 6.0, 7.0]),
    ],
)
ABOUT = {
    "date": "2026-11-30T07:00:00+00:00", "processor": "Some processor", "cores": 2, "load": [0.25, 1.0, 1.0],
    "python": "3.14.0", "versions": {"tape-trainer": "0.1.0", "numpy": "2.4.6", "torch": "2.14.1"}, "system": "Linux",
}  # fmt: skip


def test_ratios_are_taken_within_rounds():
    one, two = (report.best(RESULT.measurements, system=s, threads=1) for s in ("ours", "torch"))
    assert report.ratio(one, two) == measure.Spread(0.5, 0.5, 0.55)
    assert report.ratio(one, two, "busy") == measure.Spread(0.5, 0.475, 0.5)
    assert report.ratio(one, None) is None


def test_who_computes_something_else_is_not_ranked():
    assert report.best(RESULT.measurements, kind="peer") is RESULT.measurements[3]


def test_the_best_by_the_clock_need_not_be_the_best_by_processors():
    assert report.best(RESULT.measurements, kind="peer", threads=1).system == "jax"
    assert report.best(RESULT.measurements, "busy", kind="peer", threads=1).system == "torch"


def test_the_table_has_a_row_per_system_and_says_who_could_not_and_who_was_wrong():
    lines = report.table(RESULT).splitlines()
    found = [
        "ours",
        "12.0",
        "(11.0–16.0)",
        "9.00",
        "40.0",
        "(40.0–40.0)",
        "50.0",
        "0.50",
        "1.20",
        "2.40",
        "25%",
        "1e-07",
    ]
    assert lines[2].split() == found
    assert lines[5].endswith("5e-01 WRONG, not ranked")
    assert lines[6].split(maxsplit=1) == ["unable", "— it has no such layer"]


def test_the_summary_names_the_best_of_both_sides():
    row = report.summary([RESULT]).splitlines()[2]
    found = row.removeprefix(RESULT.title).split()
    assert found == ["ours", "×1", "12.0", "torch", "×2", "10.0", "1.20", "(1.10–1.60)", "2.40", "(2.20–3.20)"]


def test_the_table_of_the_readme_is_of_processors_on_one_thread_and_of_the_clock_on_all_cores():
    document = readme.distilled([RESULT], ABOUT)
    assert document["rows"]["tiny"] == {
        "title": "2-2, batch 1, sgd",
        "1": {"ours": 0.009, "peer": "PyTorch", "theirs": 0.018, "ratio": 0.5},
        "2": {"ours": 0.04, "peer": "PyTorch", "theirs": 0.01, "ratio": 4.0},
        "evaluating": "25%",
    }
    lines = readme.rendered(document).splitlines()
    assert lines[2] == (
        "| step: 2-2, batch 1, sgd; 25% of it evaluation | 0.00900 | PyTorch 0.0180 | 0.50 | 0.0400 | PyTorch 0.0100 | "
        "4.00 |"
    )
    assert lines[-1] == (
        "Some processor, 2 cores, load 0.2 before; Python 3.14.0, numpy 2.4.6, torch 2.14.1; 2026-11-30. Milliseconds, "
        "medians: of the processor on one thread, of the clock on several."
    )


def test_the_table_is_of_the_threads_that_were_measured():
    one = [m for m in RESULT.measurements if m.threads == 1]
    head, _, row, *_ = readme.rendered(readme.distilled([report.Result("tiny", "2-2", one)], ABOUT)).splitlines()
    assert head == "|  | one thread | best peer | ratio |"
    assert row == "| step: 2-2; 25% of it evaluation | 0.00900 | PyTorch 0.0180 | 0.50 |"


def test_there_is_no_table_without_a_peer():
    alone = report.Result("tiny", "2-2", RESULT.measurements[:2])
    with pytest.raises(RuntimeError, match="tiny: without what ours and a peer take on 1 there is no table"):
        readme.distilled([alone], ABOUT)


def test_the_readme_has_the_table_of_the_file_of_results():
    document = json.loads(readme.FILE.read_text(encoding="utf-8"))
    assert list(document["rows"]) == list(readme.ROWS)
    assert readme.between(readme.README.read_text(encoding="utf-8"))[1] == readme.rendered(document)


def test_writing_leaves_the_rest_of_the_readme_alone_and_twice_is_once(tmp_path, monkeypatch):
    page, file = tmp_path / "README.md", tmp_path / "results.json"
    page.write_text(f"before\n\n{readme.BEGIN}\nold\n{readme.END}\n\nbehind\n", encoding="utf-8")
    monkeypatch.setattr(readme, "README", page)
    monkeypatch.setattr(readme, "FILE", file)
    texts = []
    for _ in range(2):
        readme.write([RESULT], ABOUT)
        texts.append(page.read_text(encoding="utf-8"))
    table = readme.rendered(json.loads(file.read_text(encoding="utf-8")))
    assert texts == [f"before\n\n{readme.BEGIN}\n\n{table}\n\n{readme.END}\n\nbehind\n"] * 2


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


def small(name):
    """A workload of few steps and rows, in float64 the same on every system to the last digits."""
    given = vars(workloads.WORKLOADS[name])
    few = {"batch": 4, "epoch": 3, "checked": 3, "test": 8 if given["test"] else 0}
    return workloads.Workload(**{**given, **few}).to_check()


def test_the_tape_is_the_reference_where_nobody_wrote_one_by_hand():
    from benchmarks.peers import trainer

    for name in ("lstm", "transformer", "batch_norm", "digits"):
        workload = small(name)
        theta, data = workload.parameters(), workload.data()
        found = trainer.make(workload, theta, data, 1, "numpy")()
        assert measure.deviation(found, measure.reference(workload)) < 1e-5
        assert len(found) == 3 + (2 if workload.in_epochs else 0)
        with pytest.raises(peers.Unsupported, match="not measured with "):
            peers.load("plain").make(workload, theta, data, 1, "")


def test_nothing_of_what_is_checked_is_left_to_chance():
    workload = workloads.WORKLOADS["batch_norm"]
    assert "dropout" in workload.kinds
    assert "dropout" not in workload.to_check().kinds
    assert len(workload.to_check().data().batches) == workload.checked


def test_a_whole_epoch_has_rows_that_no_step_sees():
    workload = small("digits")
    data = workload.data()
    assert (len(data.inputs), sorted(data.batches.ravel())) == (20, list(range(12)))


def test_a_workload_survives_the_way_to_another_process():
    for workload in workloads.WORKLOADS.values():
        assert workloads.Workload.from_json(json.loads(json.dumps(asdict(workload)))) == workload


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_a_copy_of_the_parameters_fits_the_network_here(name):
    from benchmarks.peers import trainer

    workload = small(name)
    network = trainer.arguments(workload, workload.data())["network"]
    found = [array.shape for arrays in workload.parameters() for array in arrays]
    assert found == [part.shape for part in network.parts]


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
