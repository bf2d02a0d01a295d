"""Thousands of runs are listed, filtered and sorted by what their two small files say."""

from __future__ import annotations

import json
import math

import pytest

from trainer.errors import UsageError
from trainer.runs.listing import Condition, Summary, runs_in, select
from trainer.runs.lock import locked


@pytest.fixture
def root(tmp_path):
    """Three finished runs, one without an epoch, one that says it runs, and a folder that is no run."""
    rows = {"a": [0.5, 0.9], "b": [0.7, 0.8], "c": [0.6, math.nan], "d": [], "e": [0.1]}
    for i, (name, accuracies) in enumerate(rows.items()):
        folder = tmp_path / f"20260101-00000{i}-{name}"
        folder.mkdir()
        status = "running" if name in "de" else "finished"
        (folder / "status.json").write_text(json.dumps({"status": status, "seconds": float(i)}))
        lines = ["epoch,test_accuracy", *(f"{k},{value!r}" for k, value in enumerate(accuracies, 1))]
        if accuracies:
            (folder / "metrics.csv").write_text("\n".join(lines) + "\n3,0.")  # the last line is being written
    (tmp_path / "notes").mkdir()
    (tmp_path / "20270101-000000-file").write_text("no folder")
    return tmp_path


def names(runs):
    return "".join(run.name[-1] for run in runs)


def summaries(root):
    return [Summary(path) for path in runs_in(root)]


def test_runs_come_by_age_and_other_things_do_not(root):
    assert names(summaries(root)) == "abcde"


def test_a_run_that_nobody_trains_has_crashed_at_once(root):
    folder = root / "20260101-000004-e"
    with locked(folder):
        assert Summary(folder).status == "running"
    assert Summary(folder).status == "crashed"


def test_the_last_whole_line_counts(root):
    run = summaries(root)[0]
    assert run.last == {"epoch": 2.0, "test_accuracy": 0.9}
    assert run.series("test_accuracy") == [0.5, 0.9]
    assert run.series("nothing") == []
    assert run.value("epochs") == 2


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["test_accuracy>0.85"], "a"),
        (["test_accuracy <= 0.8"], "be"),
        (["status=finished"], "abc"),
        (["status != finished", "epochs>0"], "e"),
        (["seconds>=2", "status=finished"], "c"),
        (["name=20260101-000001-b"], "b"),
    ],
)
def test_conditions(root, where, found):
    assert names(select(summaries(root), [Condition.parse(text) for text in where])) == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [("test_accuracy", "cdeba"), ("-test_accuracy", "cdabe"), ("-name", "edcba"), ("seconds", "abcde")],
)
def test_orders_put_runs_without_the_number_first(root, sort, found):
    assert names(select(summaries(root), sort=sort)) == found


def test_the_last_ones_are_shown(root):
    assert names(select(summaries(root), sort="test_accuracy", limit=2)) == "ba"
    assert names(select(summaries(root), limit=0)) == ""


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (
            lambda runs: select(runs, sort="-test_acuracy"),
            "no run has a number called 'test_acuracy'; did you mean 'test_accuracy'?",
        ),
        (
            lambda runs: select(runs, [Condition.parse("zzz>1")]),
            "no run has a number called 'zzz'; there are status, name, seconds, epochs, epoch, test_accuracy",
        ),
        (
            lambda runs: select(runs, [Condition.parse("test_accuracy>high")]),
            "test_accuracy is a number, and 'high' is none",
        ),
        (
            lambda runs: Condition.parse("test_accuracy"),
            "'test_accuracy' is no condition; write NAME, one of <= >= != < > =, and a value: test_accuracy>=0.9",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(root, attempt, message):
    with pytest.raises(UsageError) as caught:
        attempt(summaries(root))
    assert str(caught.value) == message


def test_a_folder_without_runs(tmp_path):
    assert runs_in(tmp_path) == []
    with pytest.raises(UsageError) as caught:
        runs_in(tmp_path / "runs")
    hint = "trainer run CONFIG makes one, or say which: trainer runs --in FOLDER"
    assert str(caught.value) == f"there is no folder {tmp_path / 'runs'} with runs in it; {hint}"


def test_what_was_measured_once_at_the_end_is_asked_for_like_any_number(root):
    folder = root / "20260101-000001-b"
    about = {"status": "finished", "test": {"f1": 0.75, "test_accuracy": "?"}}
    (folder / "status.json").write_text(json.dumps(about))
    assert names(select(summaries(root), [Condition.parse("test_f1>0.7")])) == "b"
    assert names(select(summaries(root), sort="-test_f1", limit=1)) == "b"
    assert Summary(folder).series("test_f1") == []
    assert Summary(folder).series("test_accuracy") == [0.7, 0.8]


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_status_hides_no_other_run(root, content):
    (root / "20260101-000001-b" / "status.json").write_text(content)
    assert [run.status for run in summaries(root)] == ["finished", "unreadable", "finished", "crashed", "crashed"]
