import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Trainer = Callable[..., Any]


def test_validate_shows_data_layers_and_work(trainer: Trainer, folder: Path) -> None:
    done = trainer("validate", "small.yaml", "network=[dense: 4, tanh, dense: 1]")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("small.yaml is valid.\n\n")
    for line in (
        "data      linear: 80 rows to train, 20 to test (random), regression",
        "cost      mean_squared_error",
        "optimizer sgd, step size 0.1",
        "training  3 epochs of 3 steps, 9 in all; float32, seed 0",
        "Scalar operations per step of 32 rows:",
    ):
        assert line in done.out.splitlines()
    rows = [line.split() for line in done.out.splitlines()[-6:]]
    assert rows[0] == ["layer", "output", "parameters", "forward", "backward"]
    assert rows[1] == ["input", "1"]
    assert rows[2][:4] == ["0", "dense", "4", "8"]
    assert rows[3][:4] == ["1", "tanh", "4", "0"]
    assert rows[4][:4] == ["2", "dense", "1", "5"]
    assert rows[5][:2] == ["total", "13"]
    forward = [int(row[4].replace(",", "")) for row in rows[2:5]]
    assert int(rows[5][2].replace(",", "")) == sum(forward)
    assert not (folder / "runs").exists()


def test_validate_refuses_a_bad_config_with_2(trainer: Trainer, folder: Path) -> None:
    done = trainer("validate", "small.yaml", "network=[dens: 4]")
    assert done.code == 2
    assert "did you mean 'dense'?" in done.err
    assert done.out == ""


def test_ops_list_has_a_line_for_each_op(trainer: Trainer) -> None:
    done = trainer("ops", "list")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["name", "inputs", "attributes", "derivatives", "plugin", "what"]
    names = [line.split()[0] for line in lines[1:-2]]
    assert names == sorted(names)
    assert re.fullmatch(r"\d+ ops, \d+ of them differentiable", lines[-1])
    assert int(lines[-1].split()[2]) >= 360
    assert {"multiply", "tanh", "relu", "concatenate"} <= set(names)
    multiply = next(line for line in lines if line.startswith("multiply "))
    assert multiply.split()[1:5] == ["x1,", "x2", "-", "all"]
    assert "casting=" not in done.out  # the signatures that NumPy's own docstrings begin with


def test_ops_show_says_what_each_rule_keeps_and_where_it_is_written(trainer: Trainer) -> None:
    done = trainer("ops", "show", "multiply")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "multiply(x1, x2)"
    rules = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("δ")}
    assert rules["δx1"][0] == "x2"
    assert rules["δx2"][0] == "x1"
    assert "trainer_ops/arithmetic.py:" in rules["δx1"][1]
    assert any(line.startswith("plugin  trainer_ops (tape-trainer ") for line in lines)
    assert "source  NumPy's multiply, made an op in trainer_ops.arithmetic" in lines


def test_ops_show_tells_zero_no_derivative_and_no_rule_apart(trainer: Trainer, folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from trainer import hookimpl, op\n"
        "@op\ndef strange(a, b, c, d, *, power=2):\n    'Four inputs.'\n    return a\n"
        "strange.defvjp(a=lambda dy: dy).zero('b').nondifferentiable('c')\n"
        "@hookimpl\ndef register_ops(register): register(strange)\n"
    )
    done = trainer("ops", "show", "strange", "--plugin", "mine.py")
    lines = done.out.splitlines()
    assert lines[0] == "strange(a, b, c, d, *, power=2)"
    assert lines[2] == "    Four inputs."
    rules = [line.split("  ") for line in lines if line.startswith("δ")]
    assert [[word.strip() for word in row if word][1] for row in rules] == [
        "nothing",
        "nothing: zero",
        "not differentiable",
        "no rule was written",
    ]
    assert "plugin  mine.py" in lines
    assert "source  mine.py:2" in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "multipy"], "error: unknown op 'multipy'; did you mean 'multiply'?\n"),
        (["lst"], "No such command 'lst'. Did you mean 'list'?"),
    ],
)
def test_a_typing_error_gets_the_name_that_was_meant(trainer: Trainer, arguments: list[str], message: str) -> None:
    done = trainer("ops", *arguments)
    assert done.code == 2
    assert message in done.err


def test_datasets_lists_sizes_and_options(trainer: Trainer) -> None:
    done = trainer("datasets")
    assert (done.code, done.err) == (0, "")
    *table, empty, count, last = done.out.splitlines()
    assert (empty, count, last) == (
        "",
        f"{len(table) - 1} datasets; one of them in full: trainer list datasets NAME",
        "files and folders are data sets too, their options: trainer list datasets csv|npz|npy|text|images|mapped",
    )
    lines = {line.split()[0]: line for line in table}
    assert {"digits", "iris", "moons", "linear"} <= set(lines)
    assert lines["digits"].split()[1:3] == ["1,797", "64"]
    assert "noise=0.1" in lines["moons"]
    assert "  5 labels  " in lines["multilabel_classification"]


def test_schema_is_json_with_every_layer_in_it(trainer: Trainer) -> None:
    done = trainer("schema")
    assert (done.code, done.err) == (0, "")
    schema = json.loads(done.out)
    assert "network" in schema["properties"]
    assert "dense" in done.out
    assert "tanh" in done.out


@pytest.mark.parametrize("with_plugin", [False, True])
def test_what_init_writes_runs(trainer: Trainer, folder: Path, with_plugin: bool) -> None:
    assert trainer("init", "new", *(["--plugin"] if with_plugin else [])).code == 0
    done = trainer("run", "new/mlp.yaml", "epochs=2", "-q")
    assert (done.code, done.err) == (0, "")
    again = trainer("init", "new")
    assert again.code == 2
    assert again.err == (
        "error: new/mlp.yaml exists already and stays as it is; name another: trainer init new/mlp-2.yaml\n"
    )
