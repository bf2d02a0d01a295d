import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from trainer.cli import main


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


SMALL = """\
# A line through a hundred points.
dataset: {name: linear, rows: 100, noise: 0.1}
network:
  - dense: 1
cost: mean_squared_error
step_size: 0.1
metrics: []
epochs: 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with a small config in it, small.yaml."""
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trainer(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """The command, in this process and without a terminal."""

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        sys.stdout.flush()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capfd.readouterr())

    return run


@pytest.fixture
def command() -> list[str]:
    """The start of a command line for a process of its own."""
    return [sys.executable, "-c", "from trainer.cli import main; main()"]
