"""Memory that is not there is one line that says what takes less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.hints import advised
from trainer import train
from trainer.cli import main
from trainer.config import load
from trainer.data import load as load_dataset
from trainer.errors import ConfigError
from trainer.experiment.builder import load_data
from trainer.types import Array, Shape

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
    assert str(caught.value).startswith(f"command line: {ASKED} for the data: leave columns out with ignore, ")


def limited(shape: Shape, dtype: npt.DTypeLike) -> Array:
    """`pages` of a computer that has little memory."""
    array = np.zeros(shape, dtype)
    if array.nbytes > 2000:
        raise MemoryError(f"Unable to allocate {array.nbytes / 1024:.2f} KiB for an array")
    return array


def test_what_is_said_of_data_that_do_not_fit_makes_them_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("wide.csv").write_text("x,city,y\n" + "".join(f"{i},town {i % 20},{i}.5\n" for i in range(100)))
    for i in range(20):
        Path(f"pets/{i % 2}").mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), 9 * i).save(f"pets/{i % 2}/{i}.png")
    table = load_dataset("wide.csv", {"categorical": "auto"})
    for reader in ("features", "image_folder", "stored"):
        monkeypatch.setattr(f"trainer.data.readers.{reader}.pages", limited)
    classes = "network: [flatten, dense: 2]\ncost: softmax_cross_entropy\n"
    Path("i.yaml").write_text(classes + "dataset: {path: pets}\nstep_size: 0.1\n")
    given = "dataset={path: wide.csv, categorical: auto}"
    for config, overrides in (("c.yaml", [given]), ("i.yaml", [])):
        with pytest.raises(ConfigError) as caught:
            load_data(load(config, overrides))
        advised(
            caught.value,
            "for the data: leave columns out with ignore, bring images to a smaller size, or save the inputs as "
            "inputs.npy, beside targets.npy in a folder, which are read from disk while it trains",
        )
    assert load_data(load("c.yaml", [given, "dataset.ignore=[city]"])).rows == 100
    assert load_data(load("i.yaml", ["dataset.size=[8, 8]"])).rows == 20
    Path("rows").mkdir()
    np.save("rows/inputs.npy", table.inputs.astype(np.float32))
    np.save("rows/targets.npy", table.targets.astype(np.float32))
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
