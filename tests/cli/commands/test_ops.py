"""`trainer ops`: list the operations, show one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Trainer = Callable[..., Any]


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
