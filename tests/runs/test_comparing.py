"""Runs beside one another: what differs, names that tell them apart, and curves of the same rows."""

from __future__ import annotations

import shlex

import pytest
import yaml

from tests.hints import advised
from trainer.cli import main
from trainer.errors import DataError, UsageError
from trainer.runs import load
from trainer.runs.comparing import curves, differences, labels, step_curves


@pytest.fixture
def make(tmp_path):
    """A run folder, by its name, its config, and the rows of its metrics."""

    def made(name, config=None, header="epoch,train_loss,test_loss", rows=("1,2.0,3.0", "2,1.0,2.5"), under=""):
        folder = tmp_path / under / name
        folder.mkdir(parents=True)
        (folder / "status.json").write_text('{"status": "finished"}')
        (folder / "resolved.yaml").write_text(yaml.safe_dump(config or {"seed": 0}))
        (folder / "metrics.csv").write_text("\n".join([header, *rows, ""]))
        return load(folder)

    return made


A, B = "20260101-000000-mlp", "20260101-000001-mlp"


@pytest.mark.parametrize(
    ("names", "configs", "called"),
    [
        ([A, "20260101-000001-wide"], [{}, {"step_size": 2}], ["mlp", "wide"]),
        ([A, B], [{"name": "mlp", "step_size": 0.1}, {"name": "mlp", "step_size": 0.5}],
         ["mlp, step_size=0.1", "mlp, step_size=0.5"]),
        ([A, B], [{"seed": 0}, {"seed": 0}], [A, B]),
        ([A, B], [{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 2}], [A, B]),
        ([A, B, "20260101-000002-mlp"], [{"seed": 0}, {"seed": 1}, {"seed": 1}], [A, B, "20260101-000002-mlp"]),
    ],
)  # fmt: skip
def test_names_tell_runs_apart(make, names, configs, called):
    runs = [make(name, config) for name, config in zip(names, configs, strict=True)]
    assert labels(runs, differences(runs)) == called


def test_folders_of_one_name_are_told_apart_by_their_paths(make):
    runs = [make(A, under="here"), make(A, under="there")]
    assert labels(runs, differences(runs)) == [str(run.path) for run in runs]


def test_settings_that_differ_come_with_what_each_run_has(make):
    runs = [make(A, {"seed": 0, "network": [{"dense": 3}]}), make(B, {"seed": 0, "network": [{"dense": 8}, "relu"]})]
    assert differences(runs) == {"network.0.dense": [3, 8], "network.1": [None, "relu"]}


def test_several_runs_are_compared_on_the_same_rows(make):
    one = make(A, header="epoch,train_loss,test_loss")
    other = make(B, header="epoch,train_loss,validation_loss")
    what, lines = curves([one, other], ["one", "other"])
    assert what == "train loss"
    assert [(line.name, line.colour, line.values.tolist()) for line in lines] == [
        ("one", 0, [2.0, 1.0]),
        ("other", 1, [2.0, 1.0]),
    ]
    assert curves([one, make("c")], ["one", "c"])[0] == "test loss"
    assert curves([one, other], ["one", "other"], "train_loss")[0] == "train loss"


def test_one_run_has_a_curve_for_each_part(make):
    what, lines = curves([make(A)], [])
    assert (what, [line.name for line in lines]) == ("loss", ["train", "test"])


@pytest.mark.parametrize(
    ("headers", "metric", "said"),
    [
        (["epoch,train_loss,test_loss"], "los", "{A} has no number called 'los'; did you mean 'loss'?"),
        (
            ["epoch,train_loss,step_size"],
            "zzz",
            "{A} has no number called 'zzz'; there are: loss, step_size, train_loss",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(make, headers, metric, said):
    runs = [make(name, header=header) for name, header in zip((A, B), headers, strict=False)]
    with pytest.raises(UsageError) as caught:
        curves(runs, [A, B][: len(runs)], metric)
    assert str(caught.value) == said.format(A=runs[0].path)


def test_runs_without_rows_in_common_are_drawn_one_by_one_as_it_says(make, capfd):
    one = make("a run", header="epoch,train_loss,train_r2")
    other = make(B, header="epoch,validation_r2,test_r2")
    with pytest.raises(UsageError) as caught:
        curves([one, other], [A, B], "r2")
    said = advised(
        caught.value,
        f"the runs measured r2 of different rows: train_r2 in {one.path}, validation_r2 and test_r2 in {other.path}; "
        f"draw each by itself, trainer plot '{one.path}' -m r2",
    )
    assert str(caught.value) == said
    typed = said.partition("; ")[2].partition("trainer ")[2]
    for line in (typed, typed.replace(str(one.path), str(other.path))):
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(line))
        assert not ended.value.code
        assert "r2" in capfd.readouterr().out


def test_a_run_without_an_epoch_has_no_curve(make):
    run = make(A, rows=())
    with pytest.raises(UsageError) as caught:
        curves([run], [])
    assert str(caught.value) == f"{run.path} has no finished epoch yet, so there is nothing to draw"


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("resolved.yaml", b"a: [", "{path} is not YAML: while parsing a flow node"),
        ("resolved.yaml", b"- 1", "{path} holds no mapping but list of 1"),
        ("resolved.yaml", b"\xff", "{path} cannot be read: 'utf-8' codec"),
        ("resolved.yaml", None, "there is no resolved.yaml in {path.parent}"),
        ("status.json", b"[]", "{path} holds no mapping but list of 0"),
        ("status.json", b"{", "{path} is not JSON: "),
        ("metrics.csv", b"epoch\n\xff\n", "{path}: 'utf-8' codec"),
        ("metrics.csv", b"epoch\n99999999999999999999\n", "{path}: Python int too large"),
    ],
)
def test_what_is_missing_or_damaged_is_said_with_its_path(make, file, content, said):
    run = make(A)
    path = run.path / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    part = {"resolved.yaml": "config", "status.json": "about", "metrics.csv": "metrics"}[file]
    with pytest.raises(DataError) as caught:
        getattr(run, part)
    assert str(caught.value).startswith(said.format(path=path))


def _logged(run, gradients):
    rest = '"update": 1, "theta": 3, "seconds": 1'
    line = '{{"step": {}, "epoch": 1, "loss": 2.0, "step_size": 0.1, "gradient": {}, ' + rest + "}}\n"
    (run.path / "metrics.jsonl").write_text("".join(line.format(10 * i, g) for i, g in enumerate(gradients, 1)))
    return run


def test_what_was_logged_of_steps_is_a_curve_over_the_steps(make):
    what, (line,) = step_curves([_logged(make(A), ["3.5", "null", "0.25"])], [], "gradient")
    assert (what, line.name, line.epochs.tolist()) == ("norm of the gradient", "norm of the gradient", [10, 20, 30])
    assert line.points == [(10, 3.5), (30, 0.25)]
    runs = [_logged(make(B), ["1", "2"]), _logged(make("20260101-000002-mlp"), ["3"])]
    _, lines = step_curves(runs, ["one", "other"], "theta")
    assert [(line.name, line.colour, line.values.tolist()) for line in lines] == [("one", 0, [3, 3]), ("other", 1, [3])]


def test_what_steps_do_not_have_is_said(make):
    with pytest.raises(UsageError, match=r"steps have no number called 'gradent'; did you mean 'gradient'\?"):
        step_curves([_logged(make(A), ["1"])], [], "gradent")
    with pytest.raises(UsageError, match=r"logged no steps; with log.steps=10 a run writes down every tenth"):
        step_curves([make(B)], [], "loss")
