"""Memory that is not there is one line that says what takes less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer import train
from trainer.cli import main
from trainer.errors import ConfigError

# 7 PiB are more than any process can address, so no system gives them.
PLUGIN = """\
import numpy as np
from trainer import hookimpl
from trainer.data import Dataset

def huge(rows: int = 10**15):
    x = np.empty(rows)
    return Dataset("huge", x, x, "regression")

@hookimpl
def register_datasets(register):
    register(huge)

"""
CONFIG = """\
plugins: [huge.py]
dataset: {name: linear, rows: 40}
network: [dense: 1]
cost: mean_squared_error
step_size: 0.1
epochs: 1
"""
ASKED = "there is not enough memory (7.11 PiB were asked for at once)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("huge.py").write_text(PLUGIN)
    Path("c.yaml").write_text(CONFIG)


def test_data_that_do_not_fit_are_refused_at_their_line_with_what_would() -> None:
    with pytest.raises(ConfigError) as caught:
        train("c.yaml", ["dataset=huge"])
    (line, *_) = str(caught.value).splitlines()
    assert line.startswith(f"command line: {ASKED} for the data: leave columns out with ignore, ")
    assert "inputs.npy, beside targets.npy in a folder" in line


def test_data_that_do_fit_in_a_folder_are_read_from_it() -> None:
    folder = Path("rows")
    folder.mkdir()
    np.save(folder / "inputs.npy", np.ones((40, 1), np.float32))
    np.save(folder / "targets.npy", np.ones(40, np.float32))
    assert train("c.yaml", ["dataset={path: rows}"]).training.data.mapped


def test_a_step_that_does_not_fit_is_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.training.loop.Training.records", lambda self: iter([np.empty(10**15)]))
    with pytest.raises(SystemExit) as ended:
        main(["run", "c.yaml", "-q"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        f"error: {ASKED}; a smaller batch_size takes less, fewer units do, and images of a smaller size\n"
    )
