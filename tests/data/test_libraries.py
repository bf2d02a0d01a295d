"""A library that is not installed is named with the extra that has it, and with it the same files are read."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import trainer
from tests.hints import Advice, brought
from trainer.data import load
from trainer.errors import UsageError
from trainer.experiment.predicting import write_predictions

pa = pytest.importorskip("pyarrow", reason="writes what is to be read")
h5py = pytest.importorskip("h5py", reason="writes what is to be read")

ROWS = b"a,b,y\n1,2,0.5\n3,4,1.5\n5,6,2.5\n"
ARFF = b"@relation d\n@attribute a real\n@attribute y real\n@data\n1,2\n3,4\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows in files of several kinds, and a run of them."""
    from pyarrow import parquet

    folder = tmp_path_factory.mktemp("libraries")
    folder.joinpath("d.csv").write_bytes(ROWS)
    folder.joinpath("d.csv.zst").write_bytes(pa.compress(ROWS, codec="zstd", asbytes=True))
    folder.joinpath("d.arff").write_bytes(ARFF)
    parquet.write_table(pa.table({"a": [1.0, 3.0], "b": [2.0, 4.0], "y": [0.5, 1.5]}), folder / "d.parquet")
    with h5py.File(folder / "d.h5", "w") as file:
        file["inputs"], file["targets"] = np.eye(2), np.arange(2.0)
    data = {"path": str(folder / "d.csv"), "test_fraction": 0}
    config = {"network": [{"dense": 1}], "cost": "mean_squared_error", "step_size": 0.01, "epochs": 1, "name": "run"}
    trained = trainer.train({**config, "dataset": data}, out=folder).folder
    assert trained is not None
    trained.rename(folder / "run")
    return folder


def predicted(rows: str, out: str) -> int:
    return write_predictions(trainer.load("run"), Path(rows), Path(out), print)[0]


LACKING = [
    Advice(
        lambda: load("d.csv.zst"),
        "is decompressed by pyarrow, which is not installed: pip install 'tape-trainer[tables]', or decompress it",
        (lambda: load("d.csv"),),
    ),
    Advice(
        lambda: load("d.h5"),
        "d.h5 is read by h5py, which is not installed: pip install 'tape-trainer[tables]'",
        (),
    ),
    Advice(
        lambda: load("d.parquet"),
        "d.parquet is read by pyarrow, which is not installed: pip install 'tape-trainer[tables]'",
        (),
    ),
    Advice(
        lambda: load("d.arff"),
        "d.arff is read by liac-arff, which is not installed: pip install 'tape-trainer[tables]'",
        (),
    ),
    Advice(
        lambda: predicted("d.parquet", "out.csv"),
        "d.parquet is read by pyarrow, which is not installed: pip install 'tape-trainer[tables]'",
        (lambda: predicted("d.csv", "out.csv"),),
    ),
    Advice(
        lambda: predicted("d.csv", "out.parquet"),
        "Parquet is written by pyarrow, which is not installed: pip install 'tape-trainer[tables]'",
        (lambda: predicted("d.csv", "out.npz"),),
    ),
]


@pytest.mark.parametrize("advice", LACKING, ids=[advice.said[:40] for advice in LACKING])
def test_what_is_said_to_install_has_what_lacks(advice: Advice, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (library,) = re.findall(r"([-\w]+), which is not installed", advice.said)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, library.removeprefix("liac-"), None)
        with pytest.raises(UsageError) as caught:
            advice.wrong()
        for way in advice.ways:
            way()
    assert advice.said in str(caught.value)
    (extra,) = re.findall(r"pip install 'tape-trainer\[(\w+)\]'", advice.said)
    assert library in brought(extra)
    assert advice.wrong()
