"""The pytest plugin, run by pytest within pytest."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

OPS = """
from trainer import hookimpl, op

square = op(lambda x: x * x, name="square_here").defvjp(x=lambda dy, x: 2 * x * dy)
cube = op(lambda x: x**3, name="cube_here").defvjp(x=lambda dy, x: 3 * x * x * dy * FACTOR)
for one in (square, cube):
    one.samples(lambda rng: [rng.normal(size=3)])

@hookimpl
def register_ops(register):
    register(square)
    register(cube)
"""


@pytest.fixture
def project(pytester):
    """A project with a plugin file and settings that name it."""

    def make(factor="1", settings="trainer_ops = my_ops.py"):
        (pytester.path / "my_ops.py").write_text(OPS.replace("FACTOR", factor))
        (pytester.path / "pytest.ini").write_text(f"[pytest]\n{settings}\n")
        (pytester.path / "test_own.py").write_text("def test_own(): pass\n")
        return pytester

    return make


def run(pytester, *options):
    return pytester.runpytest("-p", "trainer.checker.pytest_plugin", "-p", "no:cacheprovider", *options)


def test_each_op_is_a_test_beside_the_projects_own(project):
    result = run(project(), "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["test_own.py::test_own PASSED*", "my_ops.py::op cube_here PASSED*", "my_ops.py::op square_here PASSED*"]
    )


def test_a_wrong_op_shows_the_report_and_no_traceback(project):
    result = run(project(factor="(1 + 1e-9)"))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["cube_here fails 1 of * checks on 1 sample", "first order: the rule for 'x' is not*"])
    result.stdout.no_fnmatch_line("*run.py*")


def test_options_select_among_them(project):
    run(project(), "-k", "cube_here").assert_outcomes(passed=1, deselected=2)
    run(project(), "-m", "trainer_op", "--trainer-quick").assert_outcomes(passed=2, deselected=1)


def test_a_plugin_that_cannot_be_loaded_is_a_usage_error(project):
    result = run(project(settings="trainer_ops = my_opps.py"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: plugin file 'my_opps.py' does not exist in *; did you mean 'my_ops.py'?"])


def test_without_the_setting_nothing_is_added(project):
    run(project(settings="")).assert_outcomes(passed=1)


def test_conftest_can_enable_it(project):
    pytester = project()
    (pytester.path / "conftest.py").write_text('pytest_plugins = ["trainer.checker.pytest_plugin"]\n')
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=3)
