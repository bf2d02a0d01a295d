"""Checking by name, file and package, the commands that print it, and the plugin that `trainer ops new` writes."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.hints import advised
from trainer.checker.library import check_names, check_source, exit_code, registered_ops, select
from trainer.checker.scaffold import write_op
from trainer.cli import main
from trainer.errors import PluginError, UsageError
from trainer.plugins import shared

WRONG = """
from trainer import hookimpl, op

wrong = op(lambda x: x * x, name="wrong").defvjp(x=lambda dy, x: 3 * x * dy)
wrong.samples(lambda rng: [rng.normal(size=3)])

@hookimpl
def register_ops(register):
    register(wrong)
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Runs the command in an empty folder: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


def test_by_name():
    reports = check_names(shared(), ["tanh", "swish"], quick=True)
    assert [r.name for r in reports] == ["tanh", "swish"]
    assert exit_code(reports) == 0


def test_by_file(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    reports = check_source("wrong.py", folder=tmp_path, quick=True)
    assert [r.ok for r in reports] == [False]
    assert exit_code(reports) == 1


def test_by_package_plugin_or_module():
    everything = registered_ops(shared())
    assert select(shared(), []) == everything
    assert select(shared(), ["tape-trainer"]) == everything
    assert select(shared(), ["trainer_ops"]) == everything
    assert "tanh" in select(shared(), ["trainer_ops.trigonometric"])
    assert "swish" not in select(shared(), ["trainer_ops.trigonometric"])


def test_a_name_that_is_nothing():
    with pytest.raises(PluginError) as caught:
        select(shared(), ["matmull"])
    assert str(caught.value) == "there is no op, plugin or package 'matmull'; did you mean 'matmul'?"
    with pytest.raises(PluginError) as caught:
        select(shared(), ["qqqqqq"])
    assert str(caught.value) == (
        "there is no op, plugin or package 'qqqqqq'; `trainer ops list` names the ops, and a file ends in .py"
    )


def test_a_plugin_without_ops(tmp_path):
    (tmp_path / "costs.py").write_text(
        "from trainer import hookimpl\n@hookimpl\ndef register_costs(register): register(lambda p, t: p, name='c')\n"
    )
    with pytest.raises(PluginError) as caught:
        check_source("costs.py", folder=tmp_path)
    said = advised(
        caught.value,
        "plugin 'costs.py' registers no op; write one: @hookimpl, and under it def register_ops(register): "
        "register(my_op)",
    )
    hook, under = re.findall(r"(@hookimpl|def .+)(?:,|$)", said)
    mine = "from trainer import op\n@op\ndef my_op(x): return x * x\nmy_op.defvjp(x=lambda dy, x: 2 * dy * x)\n"
    (tmp_path / "mine.py").write_text(f"{(tmp_path / 'costs.py').read_text()}{mine}{hook}\n{under}\n")
    (report,) = check_source("mine.py", folder=tmp_path, quick=True)
    assert (report.name, report.ok) == ("my_op", True)


def test_the_command_for_one_op_prints_its_report(run):
    code, out, _ = run("ops", "check", "tanh", "--quick")
    assert code == 0
    assert out == "tanh passes 24 checks on 1 sample; derivatives of order 1 and 2; by complex step\n"


def test_the_command_for_several_ends_with_a_count(run):
    code, out, _ = run("ops", "check", "tanh", "sin", "--quick")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "tanh passes 24 checks on 1 sample; derivatives of order 1 and 2; by complex step"
    assert lines[-1].startswith("48 checks of 2 ops in ")
    assert lines[-1].endswith(" s: all pass")


def test_the_command_fails_for_a_wrong_op(run, tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    code, out, _ = run("ops", "check", "wrong.py")
    assert code == 1
    assert "first order: the rule for 'x' is not the derivative" in out
    code, out, _ = run("ops", "check", "wrong.py", "tanh")
    assert code == 1
    assert out.splitlines()[-1].endswith("1 fail: wrong")


def test_the_command_for_a_name_that_is_nothing(run):
    code, _, err = run("ops", "check", "matmull")
    assert code == 2
    assert err == "error: there is no op, plugin or package 'matmull'; did you mean 'matmul'?\n"


def test_a_new_op_passes_its_check_and_its_tests(run, tmp_path):
    code, out, _ = run("ops", "new", "soft_bend")
    assert code == 0
    assert out == (
        "wrote soft_bend.py and test_soft_bend.py\n\nNext:\n"
        "    trainer ops check soft_bend.py\n    pytest test_soft_bend.py\n"
    )
    code, out, _ = run("ops", "check", "soft_bend.py")
    assert code == 0, out
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_soft_bend.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_whoever_has_no_pytest_is_told_where_to_get_it(run, monkeypatch):
    monkeypatch.setattr("trainer.cli.commands.ops.find_spec", lambda name: None)
    _, out, _ = run("ops", "new", "soft_bend")
    assert out.endswith("trainer ops check soft_bend.py\n    pip install pytest\n    pytest test_soft_bend.py\n")
    package = advised(out, "pip install pytest").split()[-1]
    assert package in packages_distributions()["pytest"]  # with which the lines below it work, as above


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Soft", "'Soft' cannot name an op: use lower-case letters, digits and underscores, as in soft_sign"),
        ("lambda", "'lambda' cannot name an op: use lower-case letters, digits and underscores, as in soft_sign"),
        ("np", "'np' is a name that the file itself uses; choose another"),
        ("tanh", "there is an op 'tanh' already (trainer ops show tanh); choose another name"),
    ],
)
def test_a_name_that_a_new_op_cannot_have(run, name, message):
    assert run("ops", "new", name) == (2, "", f"error: {message}\n")


def test_a_new_op_overwrites_nothing(tmp_path):
    (tmp_path / "test_bend.py").write_text("mine")
    with pytest.raises(UsageError) as caught:
        write_op("bend", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'test_bend.py'} exists and stays as it is; choose another name, or move it away"
    )
    assert (tmp_path / "test_bend.py").read_text() == "mine"
    assert not (tmp_path / "bend.py").exists()
    with pytest.raises(UsageError, match=r"does not exist; make it first: mkdir"):
        write_op("bend", tmp_path / "nowhere")
