"""Every block of the README does what it says: Python runs, YAML trains, commands work, printed text is what comes."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file name that a block's first line gives it."""
        found = re.match(r"# (\S+\.(?:py|yaml))\n", self.text)
        return found[1] if found else None


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)]
TRAINER = [sys.executable, "-m", "trainer"]


def blocks(language):
    return [b for b in BLOCKS if b.language == language]


def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the README gives names to, and the configs."""
    for block in BLOCKS:
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path


@pytest.mark.parametrize("block", [b for b in blocks("python") if not b.file], ids=lambda b: b.text.split("\n", 1)[0])
def test_python_blocks_run(block, folder):
    script = folder / "block.py"
    script.write_text(block.text, encoding="utf-8")
    result = run([sys.executable, str(script)], folder)
    assert result.returncode == 0, result.stderr
    if "record.replay()" in block.text:
        printed = next(b.text for b in blocks("text") if "δy" in b.text)
        assert result.stdout.endswith(printed)


def test_one_short_script_trains_stops_resumes_plots_and_predicts(folder):
    (block,) = [b for b in blocks("python") if "KeyboardInterrupt" in b.text]
    assert len(block.text.splitlines()) <= 25
    script = folder / "block.py"
    script.write_text(block.text, encoding="utf-8")
    result = run([sys.executable, str(script)], folder)
    assert result.stdout.splitlines()[:2] == ["6", "8"], result.stderr
    assert len(result.stdout.splitlines()) == 3
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_plugin_file_runs_on_its_own():
    block = next(b for b in blocks("python") if b.file == "swish.py")
    assert "@my_swish.vjp" in block.text


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda b: b.file or b.text.split("\n", 1)[0])
def test_yaml_blocks_train(block, folder):
    path = folder / (block.file or "block.yaml")
    path.write_text(block.text, encoding="utf-8")
    result = run([*TRAINER, "run", str(path)], folder)
    assert result.returncode == 0, result.stderr
    assert list(folder.glob("runs/*/parameters.safetensors"))


@pytest.mark.parametrize(
    "line", [line for b in blocks("sh") for line in b.text.splitlines() if line.startswith("trainer ")]
)
def test_shell_lines_work(line, folder):
    result = run([*TRAINER, *line.split()[1:]], folder)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "line",
    [
        c
        for row in re.findall(r"^\| (`trainer .*?) \|", README, re.MULTILINE)
        for c in re.findall(r"`trainer (.*?)`", row)
    ],
)
def test_the_commands_in_the_table_work(line, folder):
    if line.split()[0] in ("resume", "evaluate", "explain", "report", "plot"):  # which are about runs that there are
        for config in ("mlp", "moons"):
            assert run([*TRAINER, "run", f"configs/{config}.yaml", "epochs=1", "--quiet"], folder).returncode == 0
    result = run([*TRAINER, *line.split(">")[0].split()], folder)
    assert result.returncode == 0, result.stderr


def test_the_example_of_a_mistake_is_what_the_command_prints(folder):
    text = next(b.text for b in blocks("text") if b.text.startswith("bad.yaml"))
    (folder / "bad.yaml").write_text(
        "dataset: {name: digits}\nnetwork:\n  - dense: 64\n  - rellu\ncost: softmax_cross_entropy\n", encoding="utf-8"
    )
    result = run([*TRAINER, "validate", "bad.yaml"], folder)
    assert result.returncode == 2
    assert text in result.stderr


def test_the_set_up_commands_are_the_ones_that_ci_runs():
    commands = [b.text.strip() for b in blocks("sh") if "venv" in b.text]
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/trainer run configs/mlp.yaml")
    assert commands[1].endswith(".venv/bin/pytest -n auto")
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_module_runs_as_the_command_does(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["trainer", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_module("trainer", run_name="__main__")
