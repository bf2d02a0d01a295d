"""`trainer --help` and plugins' commands, with plugins installed as a stranger's would be: by metadata on the path."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

PUBLISH = """
from trainer import hookimpl

def publish(name: str, times: int = 1):
    "Write a network in another format."
    print("published", name * times)

@hookimpl
def register_commands(register):
    register(publish, name={name!r})
"""


HOOK = "from trainer import hookimpl\n@hookimpl\n"


@pytest.fixture
def site(tmp_path: Path) -> Callable[[str, str], None]:
    """Installs a module as a plugin."""

    def install(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[trainer]\n{name} = {name}\n")

    return install


@pytest.fixture
def installed(tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "COLUMNS": "100",
        }
        command = [sys.executable, "-c", "from trainer.cli import main; main()", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return run


def test_help_lists_our_commands_and_loads_no_engine(installed: Run) -> None:
    done = installed("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("run", "validate", "ops", "datasets", "schema", "init"):
        assert f" {command} " in done.stdout
    code = "import sys\nfrom trainer.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    heavy = ["numpy", "pydantic", "matplotlib", "yaml", "trainer.engine.tensor"]
    check = subprocess.run(
        [sys.executable, "-c", code + f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert check.stderr == "[]\n"


def test_a_command_imports_no_other(installed: Run) -> None:
    code = (
        "import sys\nfrom trainer.cli import main\ntry: main(['schema', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('trainer.cli.commands.')], file=sys.stderr)"
    )
    check = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert check.stderr == "['trainer.cli.commands.schema']\n"


def test_what_a_command_begins_with_is_never_searched_for_garbage() -> None:
    code = (
        "import gc\nfrom trainer.cli import main\nassert gc.isenabled() and gc.get_freeze_count() > 10_000\n"
        "from trainer.engine.uncollected import uncollected\n"
        "with uncollected(): assert not gc.isenabled()\n"
        "gc.disable()\n"
        "with uncollected(): pass\n"
        "assert not gc.isenabled()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plugins_command_is_listed_helped_and_run(installed: Run, site: Callable[[str, str], None]) -> None:
    site("my_publish", PUBLISH.format(name="publish"))
    listed = installed("--help")
    assert "Commands from plugins" in listed.stdout
    assert "Write a network in another format." in listed.stdout
    assert "--times" in installed("publish", "--help").stdout
    done = installed("publish", "ab", "--times", "2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "published abab\n", "")


def test_a_typing_error_in_a_plugins_command_gets_its_name(installed: Run, site: Callable[[str, str], None]) -> None:
    site("my_publish", PUBLISH.format(name="publish"))
    done = installed("publihs")
    assert done.returncode == 2
    assert "No such command 'publihs'. Did you mean 'publish'?" in done.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no licence')", "failed to import: RuntimeError: no licence"),
        ("import does_not_exist", "failed to import: ModuleNotFoundError: No module named 'does_not_exist'"),
        ("raise SystemExit(3)", "failed to import: SystemExit: 3"),
        (HOOK + "def register_comands(register): ...", "'register_comands'; did you mean 'register_commands'?"),
        (HOOK + "def register_commands(register): 1 / 0", "register_commands raised ZeroDivisionError"),
        (PUBLISH.format(name="run"), "the command 'run' is trainer's own; register it under another name"),
        (
            PUBLISH.replace(": int", ": 'Missing'").format(name="announce"),
            "the command 'announce' cannot be used: ",
        ),
    ],
)
def test_help_works_on_and_names_the_plugin_that_is_broken(
    installed: Run, site: Callable[[str, str], None], code: str, said: str
) -> None:
    site("bad_plugin", code)
    site("good_plugin", PUBLISH.format(name="publish"))
    done = installed("--help")
    assert done.returncode == 0
    assert " validate " in done.stdout
    assert " publish " in done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("warning: plugin 'bad_plugin'")
    assert said in done.stderr


def test_our_own_commands_do_not_wait_for_plugins(installed: Run, site: Callable[[str, str], None]) -> None:
    site("slow_plugin", "print('imported')")
    done = installed("run", "--help")
    assert done.returncode == 0
    assert "imported" not in done.stdout


def test_plugins_lists_what_each_brought_and_what_is_wrong(installed: Run, site: Callable[[str, str], None]) -> None:
    site("bad_plugin", "raise RuntimeError('no licence')")
    site("my_publish", PUBLISH.format(name="publish"))
    done = installed("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    table, problem, last = done.stdout.strip().split("\n\n")
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
    assert rows[0] == ["plugin", "package", "registered", "problems"]
    assert [row[0] for row in rows[1:]] == ["trainer", "trainer_datasets", "trainer_ops", "my_publish", "bad_plugin"]
    assert rows[-2] == ["my_publish", "my_publish 1.0", "1 command", "-"]
    assert rows[-1] == ["bad_plugin", "bad_plugin 1.0", "nothing", "1"]
    assert problem.startswith("plugin 'bad_plugin' (bad_plugin 1.0) failed to import: RuntimeError: no licence")
    assert last == "5 plugins; one of them in full: trainer plugins NAME"


def test_one_plugin_is_shown_with_its_hooks_file_and_problems(
    installed: Run, site: Callable[[str, str], None], tmp_path: Path
) -> None:
    site("my_publish", PUBLISH.format(name="publish") + "\n" + HOOK + "def register_layer(register): ...\n")
    done = installed("plugins", "my_publish")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "my_publish (my_publish 1.0)",
        "",
        "hook               registered",
        "register_commands  publish",
        "register_layer     -",
        "",
        f"written in  {tmp_path / 'my_publish.py'}",
        (
            "problem     plugin 'my_publish' (my_publish 1.0) implements an unknown hook 'register_layer'; "
            "did you mean 'register_layers'?"
        ),
    ]


def test_a_plugin_that_is_not_installed_gets_the_name_that_was_meant(installed: Run) -> None:
    done = installed("plugins", "trainer_op")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no plugin 'trainer_op' is installed; did you mean 'trainer_ops'?\n"
