"""Pages of runs: they open without a network, hold everything that can be read, and stay small."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml

import trainer
from trainer.experiment.report import report
from trainer.runs import load
from trainer.runs.checking import accept
from trainer.runs.lock import locked

VOID = {"meta", "link", "br", "img"}
HEADER = "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,step_size,seconds,rows_per_second"


class Page(HTMLParser):
    """What a page is made of; an element that is closed by another, or an address that it asks for, fails."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: dict[str, str] = {}  # of each section, by its heading
        self.figures: list[str] = []
        self._section = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith("on"), f"{name} runs a script"
            if name in ("src", "href", "srcset", "action", "data", "xlink:href"):
                assert value.startswith("data:"), f"{tag} asks for {value}"
        if tag == "svg" and ("role", "img") in attributes:
            self.figures.append(dict(attributes)["aria-label"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        assert self.open[-1:] != ["script"]
        if self.open[-1:] == ["h2"]:
            self._section = data
            self.words[data] = ""
        elif self._section and data.strip():
            self.words[self._section] += data.strip() + "|"

    @property
    def sections(self) -> list[str]:
        return list(self.words)


@pytest.fixture
def make(tmp_path):
    """A run folder, written by hand."""

    def made(name="20260101-000000-a", epochs=20, status="finished", losses=None, config=None, **about):
        folder = tmp_path / name
        folder.mkdir()
        told = {"status": status, "reason": None, "epochs": epochs, "started": "2026-01-01T10:00:00.123+00:00"}
        (folder / "status.json").write_text(json.dumps({**told, "seconds": 75.0, **about}))
        (folder / "resolved.yaml").write_text(yaml.safe_dump(config or {"name": "a", "seed": 0}))
        (folder / "environment.json").write_text(json.dumps({"packages": {"numpy": "9.9"}, "git": "abc"}))
        (folder / "log.txt").write_text(
            "2026-01-01T10:00:00.000+00:00  rings: 8 rows to train\n"
            "2026-01-01T10:00:00.001+00:00  warning: a <large> step\n    of 3\n"
        )
        values = losses or [2 * 0.9**i for i in range(epochs)]
        rows = [f"{i},{3 * i},{v!r},0.5,{1.5 * v!r},0.25,0.1,{i / 10},99.0" for i, v in enumerate(values, 1)]
        (folder / "metrics.csv").write_text("\n".join([HEADER, *rows, ""]))
        return load(folder)

    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Short runs, by what is changed in their config."""
    base = {"dataset": {"name": "iris", "standardize": True}, "network": [{"dense": 3}], "epochs": 3}
    kept = {}

    def get(**changes):
        key = json.dumps(changes)
        if key not in kept:
            config = {**base, "cost": "softmax_cross_entropy", "step_size": 0.1, **changes}
            kept[key] = trainer.Run(trainer.train(config, out=tmp_path_factory.mktemp("runs")).folder)
        return kept[key]

    return get


def test_a_page_has_every_part_of_a_run(trained):
    run = trained()
    page = Page(report([run]))
    assert page.sections == [
        "Curves", "Numbers", "What was taken for what", "Predicted worst", "Where and with what", "Config",
    ]  # fmt: skip
    assert [figure.split(" over ")[0] for figure in page.figures] == [
        "loss of train and test", "accuracy of train and test", "step size of step_size",
    ]  # fmt: skip
    accuracy = run.metrics["test_accuracy"][-1]
    assert f"accuracy {accuracy:#.4g}" in page.words["What was taken for what"]
    assert "|versicolor|" in page.words["What was taken for what"]
    assert "row|is|was predicted|cost|" in page.words["Predicted worst"]
    assert "softmax_cross_entropy" in page.words["Config"]
    assert "numpy" in page.words["Where and with what"]


def test_the_same_run_gives_the_same_bytes_and_a_call_writes_them(trained, tmp_path):
    run = trained()
    assert report([load(run.path)]) == report([run])
    assert run.report() == run.path / "report.html"
    assert run.report(tmp_path / "there.html").read_text() == (run.path / "report.html").read_text() == report([run])


def test_the_worst_rows_are_those_of_the_largest_cost(trained):
    words = Page(report([trained()])).words["Predicted worst"].split("|")
    costs = [float(cost) for cost in words[7:-1:4]]
    assert costs == sorted(costs, reverse=True)
    assert len(costs) == 12


def test_numbers_are_predicted_and_shown_as_numbers(trained):
    run = trained(
        dataset={"name": "linear", "rows": 50}, network=[{"dense": 1}], cost="mean_squared_error", metrics=["r2"]
    )
    page = Page(report([run]))
    assert "What was taken for what" not in page.sections
    assert "10|test rows of linear: loss" in page.words["Predictions"].replace(" test", "|test")
    assert page.words["Predicted worst"].startswith("row|is|was predicted|cost|")


def test_rows_that_are_pictures_are_shown_as_pictures(trained):
    image = {"dataset": "digits", "network": [{"reshape": [8, 8, 1]}, "flatten", {"dense": 10}], "epochs": 1}
    assert Page(report([trained(**image)])).tags.count("img") == 12
    encoder = {
        "dataset": {"name": "digits", "reconstruct": True}, "network": [{"dense": 64}], "cost": "mean_squared_error",
        "metrics": [], "epochs": 1, "step_size": 1e-4,
    }  # fmt: skip
    assert "row|cost|" in Page(report([trained(**encoder)])).words["Predicted worst"]


def test_a_run_without_test_rows_has_none_to_judge_by(trained):
    page = Page(report([trained(dataset={"name": "iris", "test_fraction": 0})]))
    said = "No rows were kept from training, so there are none to judge by.|"
    assert page.words["What was taken for what"] == said
    assert "Predicted worst" not in page.sections


def test_with_validation_rows_the_test_is_measured_once_and_shown(trained):
    page = Page(report([trained(dataset={"name": "iris", "validation_fraction": 0.2})]))
    assert "Of the test rows, once, at the end: loss " in page.words["Numbers"]
    assert "of the lowest validation loss" in page.words["Curves"]
    assert "30 test rows of iris" in page.words["What was taken for what"]


def test_the_data_set_is_left_alone_where_that_is_asked(trained):
    run = trained(metrics=["confusion_matrix"])
    page = Page(report([run], data=False))
    assert "test rows" not in page.words["What was taken for what"]  # the matrix that the run itself left
    assert "|versicolor|" in page.words["What was taken for what"]
    assert "Predicted worst" not in page.sections


def test_a_page_says_how_a_run_ended_and_what_it_warned_of(make):
    run = make(
        status="diverged", epochs=5, reason="the loss is <inf>", losses=[1.0, 5.0, 1e200, float("inf"), float("nan")]
    )
    html = report([run])
    page = Page(html)
    assert "<b>diverged</b>, 5 epochs in 1 min 15 s, begun 2026-01-01 10:00:00 UTC" in html
    assert "the loss is &lt;inf&gt;" in html
    assert page.words["Warnings"] == "a <large> step\nof 3|"
    assert "train: not finite in 2 epochs, first in 4" in page.words["Curves"]
    assert "rings: 8 rows to train" in html


def test_a_run_that_goes_on_is_shown_as_far_as_it_has_come(make):
    run = make(status="running", epochs=2)
    with locked(run.path):
        assert "<b>running</b>, 2 epochs" in report([load(run.path)])
    assert "<b>crashed</b>, 2 epochs" in report([load(run.path)])
    first = make("20260101-000001-b", status="running", epochs=0)
    page = Page(report([first]))
    assert page.words["Curves"] == "No epoch was finished.|"


def test_a_dataset_that_is_no_longer_there_is_said(trained):
    run = trained(seed=3)
    text = (run.path / "resolved.yaml").read_text()
    (run.path / "resolved.yaml").write_text(text.replace("name: iris", "path: gone.csv"))
    accept(run.path)
    said = Page(report([load(run.path)])).words["What was taken for what"]
    assert said.startswith("No rows were predicted: ")
    assert "gone.csv" in said


FILES = ["status.json", "resolved.yaml", "environment.json", "metrics.csv", "log.txt"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{", b"[]", b""])
@pytest.mark.parametrize("file", FILES)
def test_what_is_missing_or_damaged_hides_nothing_else(make, file, content):
    run = make()
    other = make("20260101-000001-b")
    (run.path / file).unlink()
    if content is not None:
        (run.path / file).write_bytes(content)
    html = report([load(run.path) if file != "status.json" else type(run)(run.path)])
    page = Page(html)
    assert page.sections[-1] == "Config"
    expected = {"resolved.yaml": "seed: 0", "metrics.csv": "0.5000", "log.txt": "rings", "environment.json": "9.9"}
    for still, words in expected.items():
        assert (words in html) or still == file
    assert len(page.figures) == (0 if file == "metrics.csv" else 3)
    both = Page(report([type(run)(run.path), other]))
    assert both.sections == ["Runs", "What differs", "What they reached", "Curves"] or file == "resolved.yaml"


def test_names_are_text_wherever_they_stand(make):
    evil = "<script>alert('1')</script>\"&"
    run = make("20260101-000000-<b>&\"'", config={"name": evil, evil: evil, "seed": 1}, reason=evil)
    (run.path / "log.txt").write_text(f"2026-01-01T10:00:00.001+00:00  warning: {evil}\n")
    (run.path / "environment.json").write_text(json.dumps({"packages": {evil: evil}, "command": [evil]}))
    text = io.StringIO()
    csv.writer(text).writerows([["", evil, "b"], [evil, 1, 2], ["b", 0, 3]])
    (run.path / "confusion_matrix.csv").write_text(text.getvalue())
    metrics = (run.path / "metrics.csv").read_text().replace("train_accuracy", "train_<i>x</i>")
    (run.path / "metrics.csv").write_text(metrics)
    other = make("20260101-000001-<b>&\"'", config={"name": evil, evil: "\0\x01", "seed": 2})
    for html in (report([load(run.path)]), report([load(run.path), other])):
        page = Page(html)
        assert not {"script", "b>", "i"} & set(page.tags)
        assert "&lt;" in html
        assert "\0" not in html


def test_few_classes_have_a_matrix_and_many_the_largest_confusions(make):
    for many, said in ((4, "A row for each class that is"), (40, "rows|of class|were taken for|7|c3|c5|")):
        run = make(f"20260101-0000{many}-a")
        matrix = np.diag(np.full(many, 50))
        matrix[3, 1] = 7 if many == 4 else 2
        matrix[3, 5 % many] = 7
        rows = [["", *(f"c{i}" for i in range(many))], *([f"c{i}", *row] for i, row in enumerate(matrix.tolist()))]
        with (run.path / "confusion_matrix.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        assert said in Page(report([run])).words["What was taken for what"]
    (run.path / "confusion_matrix.csv").write_text(",a,b\na,1\n")
    assert "confusion_matrix.csv" in Page(report([run])).words["What was taken for what"]


def test_a_page_stays_small_however_long_the_runs_were(make):
    draw = np.random.default_rng(0)
    runs = [make(f"20260101-00000{i}-a", epochs=30_000, losses=draw.random(30_000).tolist()) for i in range(2)]
    for size, html in ((2e6, report(runs[:1])), (2e6, report(runs))):
        assert len(html.encode()) < size / 8  # sixteen times as many epochs add nothing but digits
        Page(html)
    assert "over 30,000 epochs" in Page(report(runs[:1])).figures[0]


def test_a_page_of_many_metrics_and_many_runs_stays_small(make):
    run = make(epochs=1000)
    values = np.random.default_rng(0).random((1000, 60))
    header = ",".join(["epoch", *(f"{part}_m{i}" for i in range(30) for part in ("train", "test"))])
    rows = [f"{i}," + ",".join(map(repr, row)) for i, row in enumerate(values.tolist(), 1)]
    (run.path / "metrics.csv").write_text("\n".join([header, *rows, ""]))
    page = report([run])
    assert len(page) < 1e6
    assert "and 18 more metrics" in page
    assert len(report([run] * 60)) < 2e6


def test_runs_are_compared_in_what_differs_and_what_they_reached(make):
    one = make(config={"name": "a", "step_size": 0.1, "seed": 0})
    other = make("20260101-000001-a", epochs=30, config={"name": "a", "step_size": 0.5, "seed": 0})
    html = report([one, other])
    page = Page(html)
    assert page.sections == ["Runs", "What differs", "What they reached", "Curves"]
    assert page.words["What differs"] == "step_size|a, step_size=0.1|0.1|a, step_size=0.5|0.5|"
    assert "epochs|test loss|train loss|" in page.words["What they reached"]
    assert page.figures[0] == "test loss of a, step_size=0.1 and a, step_size=0.5 over 30 epochs"
    assert html.count('class="key"') == 4
    same = make("20260101-000002-a", config={"name": "a", "step_size": 0.1, "seed": 0})
    assert Page(report([one, same])).words["What differs"] == "The configs are the same.|"


def test_what_was_logged_of_steps_is_drawn_over_them(make, tmp_path):
    config = {"dataset": {"name": "moons", "rows": 60}, "network": [{"dense": 2}], "cost": "softmax_cross_entropy"}
    run = trainer.run({**config, "step_size": 0.1, "epochs": 2, "log": {"steps": 2}}, out=tmp_path / "runs")
    html = report([run], data=False)
    steps = html[html.index("<h2>Steps</h2>") : html.index("<h2>Numbers</h2>")]
    assert steps.count("<svg") == 5
    for what in ("loss of a step", "step size", "norm of the gradient", "norm of the update", "norm of θ"):
        assert f'aria-label="{what} of {what} over' in steps
    assert ">step 2<" in steps
    assert "Steps</h2>" not in report([trainer.run({**config, "step_size": 0.1, "epochs": 2}, out=tmp_path / "plain")])
