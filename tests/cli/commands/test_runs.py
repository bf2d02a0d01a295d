"""`trainer runs`: what there is, one of it, what differs, and away with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from trainer.cli.paths import find_run
from trainer.errors import UsageError
from trainer.runs.lock import locked


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three runs, written by hand: what is listed is what stands in their files."""
    monkeypatch.chdir(tmp_path)
    made = {
        "20260101-100000-a": ("finished", [(0.9, 0.5), (0.6, 0.7)], {"step_size": 0.1, "network": [{"dense": 3}]}),
        "20260101-100001-b": ("finished", [(0.8, 0.6), (0.3, 0.9)], {"step_size": 0.5, "network": [{"dense": 3}]}),
        "20260101-100002-a": ("running", [], {"step_size": 0.1, "network": [{"dense": 8}]}),
    }
    for name, (status, epochs, config) in made.items():
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "status.json").write_text(json.dumps({"status": status, "seconds": 75.0, "reason": None}))
        (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
        lines = [f"{i},{i},{a},{a},{b}" for i, (a, b) in enumerate(epochs, 1)]
        if lines:
            header = "epoch,step,train_loss,test_loss,test_accuracy"
            (folder / "metrics.csv").write_text("\n".join([header, *lines, ""]))
    return tmp_path / "runs"


def test_a_list_says_how_each_went_and_what_it_reached(root, trainer):
    assert trainer("runs").out == (
        "run                status    epochs        time  test_accuracy  test_loss  loss\n"
        "20260101-100000-a  finished       2  1 min 15 s         0.7000     0.6000\n"
        "20260101-100001-b  finished       2  1 min 15 s         0.9000     0.3000\n"
        "20260101-100002-a  crashed        0  1 min 15 s              -          -\n"
    )
    assert trainer("runs", "ls").out == trainer("runs").out


def test_conditions_orders_and_limits(root, trainer):
    names = [
        line.split()[0][-1:] for line in trainer("runs", "--sort", "-test_accuracy", "-n", "0").out.splitlines()[1:]
    ]
    assert names == ["a", "b", "a"]
    found = trainer("runs", "-w", "test_accuracy>0.8").out.splitlines()
    assert [line.split()[0] for line in found if line.startswith("2026")] == ["20260101-100001-b"]
    assert found[-1] == "1 of 3 runs; all of them: --limit 0"
    assert trainer("runs", "-w", "status=diverged").out == "no run in runs has status=diverged\n"


def test_what_is_asked_for_is_shown_beside_what_always_is(root, trainer):
    listed = trainer("runs", "-w", "train_loss<=0.6", "--sort", "epochs").out.splitlines()
    assert listed[0].split()[-4:] == ["test_accuracy", "test_loss", "train_loss", "loss"]
    assert listed[1].split()[-3:] == ["0.7000", "0.6000", "0.6000"]
    assert trainer("runs", "--sort", "test_loss").out.splitlines()[0] == trainer("runs").out.splitlines()[0]


def test_a_comparison_shows_what_differs_and_what_was_reached(root, trainer):
    assert trainer("compare", "100000-a", "b").out == (
        "               20260101-100000-a  20260101-100001-b\n"
        "step_size                    0.1                0.5\n"
        "status                  finished           finished\n"
        "train_loss                0.6000             0.3000\n"
        "test_loss                 0.6000             0.3000\n"
        "test_accuracy             0.7000             0.9000\n"
    )
    assert "network.0.dense                  3                  8" in trainer("compare", "100000-a", "last").out
    assert trainer("compare", "b").err == (
        "error: comparing takes two runs or more; one of them in full: trainer runs show RUN\n"
    )


def test_one_run_is_shown_with_its_curve_and_config(root, trainer):
    shown = trainer("runs", "show", "b").out
    assert shown.startswith("runs/20260101-100001-b\nfinished, 2 epochs in 1 min 15 s\ntrain loss 0.3000\n")
    assert "loss" in shown
    assert shown.endswith("network:\n- dense: 3\nstep_size: 0.5\n")


def test_removing_asks_first_and_leaves_what_is_being_trained(root, trainer):
    with locked(root / "20260101-100002-a"):
        assert "is being trained; stop it first" in trainer("runs", "rm", "last", "--yes").err
    assert trainer("runs", "rm", "b", "--yes").out == "removed runs/20260101-100001-b\n"
    assert not (root / "20260101-100001-b").exists()
    assert (root / "20260101-100002-a").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", "2 runs in runs end in 'a', such as 20260101-100000-a, 20260101-100002-a; write more of the name"),
        ("20260101-100001-c", "there is no run '20260101-100001-c' in runs; did you mean '20260101-100001-b'?"),
        ("zzz", "there is no run 'zzz' in runs; what there is: trainer runs"),
    ],
)
def test_a_name_that_fits_no_run_or_several(root, name, message):
    with pytest.raises(UsageError) as caught:
        find_run(name, Path("runs"))
    assert str(caught.value) == message
