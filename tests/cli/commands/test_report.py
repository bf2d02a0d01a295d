"""`trainer report` and `trainer plot`: a file, or the terminal, and what cannot be drawn."""

from __future__ import annotations

import json

import pytest
import yaml


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two runs of one config with two step sizes, and one without an epoch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    for name, size, losses in (("0-a", 0.1, (3.0, 2.0, 1.0)), ("1-a", 0.5, (2.0, 1.5, 0.5, 0.25)), ("2-b", 0.1, ())):
        folder = tmp_path / "runs" / f"20260101-00000{name}"
        folder.mkdir(parents=True)
        (folder / "status.json").write_text(json.dumps({"status": "finished", "seconds": 1.0, "reason": None}))
        (folder / "resolved.yaml").write_text(yaml.safe_dump({"name": "a", "step_size": size}))
        rows = [f"{i},{loss},{loss / 4}" for i, loss in enumerate(losses, 1)]
        if rows:
            (folder / "metrics.csv").write_text("\n".join(["epoch,train_loss,test_accuracy", *rows, ""]))
    return tmp_path / "runs"


def test_a_report_lies_in_the_run_and_one_of_several_here(root, trainer):
    assert trainer("report", "0-a").out == "runs/20260101-000000-a/report.html\n"
    assert trainer("report", "0-a", "1-a").out == "report.html\n"
    assert "<h1>2 runs compared</h1>" in (root.parent / "report.html").read_text()
    assert trainer("report", "last", "--no-data", "-o", "b.html").out == "b.html\n"
    assert "<h1>20260101-000002-b</h1>" in (root.parent / "b.html").read_text()


def test_a_page_under_the_name_of_another_format_is_refused(root, trainer):
    done = trainer("report", "0-a", "-o", "b.pdf")
    assert (done.code, done.err) == (2, "error: a report ends in .html, and b.pdf does not\n")
    assert not (root.parent / "b.pdf").exists()


def test_one_run_named_twice_is_one(root, trainer):
    assert trainer("report", "0-a", "20260101-000000-a").out == "runs/20260101-000000-a/report.html\n"


@pytest.mark.parametrize(
    ("width", "heading"),
    [
        (60, ["train loss          o a, step_size=0.1   v a, step_size=0.5"]),
        (44, ["train loss", "o a, step_size=0.1", "v a, step_size=0.5"]),
    ],
)
def test_curves_of_several_runs_stand_over_one_another(root, trainer, monkeypatch, width, heading):
    monkeypatch.setenv("COLUMNS", str(width))
    drawn = trainer("plot", "0-a", "1-a").out
    assert drawn.splitlines()[: len(heading)] == heading
    assert {"o", "v"} <= set("".join(line.split("|")[-1] for line in drawn.splitlines()[3:-2]))
    assert max(map(len, drawn.splitlines())) <= width
    assert drawn.splitlines()[-1].split() == ["1", "epoch", "4"]


@pytest.mark.parametrize("metric", ["accuracy", "test_accuracy"])
def test_another_number_is_drawn_by_its_name(root, trainer, metric):
    assert trainer("plot", "0-a", "1-a", "--metric", metric).out.startswith("test accuracy")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_the_same_bytes_twice_and_names_every_run(root, trainer, ending):
    contents = []
    for name in ("one", "two"):
        assert trainer("plot", "0-a", "1-a", "-o", f"{name}.{ending}").out == f"{name}.{ending}\n"
        contents.append((root.parent / f"{name}.{ending}").read_bytes())
    assert contents[0] == contents[1]
    if ending == "svg":
        for words in (b"2 runs", b"train loss per epoch", b"a, step_size=0.1   1<", b"a, step_size=0.5   0.25<"):
            assert words in contents[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plot", "0-a", "-o", "x.gif"], "a picture ends in .png or .svg, and x.gif does not"),
        (["plot", "2-b"], "runs/20260101-000002-b has no finished epoch yet, so there is nothing to draw"),
        (
            ["plot", "0-a", "-m", "acuracy"],
            "runs/20260101-000000-a has no number called 'acuracy'; did you mean 'accuracy'?",
        ),
        (["plot", "zzz"], "there is no run 'zzz' in runs; what there is: trainer runs"),
        (["report", "zzz"], "there is no run 'zzz' in runs; what there is: trainer runs"),
    ],
)
def test_what_cannot_be_is_said(root, trainer, arguments, said):
    done = trainer(*arguments)
    assert (done.code, done.err) == (2, f"error: {said}\n")


def test_a_curve_takes_two_epochs_and_a_terminal_that_is_wide_enough(root, trainer, monkeypatch):
    metrics = root / "20260101-000000-a" / "metrics.csv"
    metrics.write_text("epoch,train_loss\n1,inf\n2,2.0\n")
    said = "error: a curve takes two epochs with a finite loss, and there are fewer\n"
    assert trainer("plot", "0-a").err == said
    monkeypatch.setenv("COLUMNS", "20")
    assert trainer("plot", "1-a").err == "error: 20 columns are too few for a picture; -o FILE draws one\n"


def test_a_page_cannot_be_written_where_there_is_no_folder(root, trainer):
    done = trainer("report", "0-a", "-o", "there/is/none.html")
    assert done.code == 1
    assert "there/is/none.html" in done.err
