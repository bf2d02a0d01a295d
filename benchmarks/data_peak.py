"""The memory of a run at its most, in units of the array that it is trained on: what reading and preparing data copies.

python -m benchmarks.data_peak                 every kind of file, some 128 MiB each
python -m benchmarks.data_peak --mib 64 npz    those whose names have "npz" in them

A small network is trained for an epoch on rows in each kind of file, and on a few such rows, which tell what the
process takes without data. The difference is told in units of the array: the larger of what it takes as the file
stores its numbers, and as float32.
"""

from __future__ import annotations

import argparse
import gzip
import json
import struct
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peak import peak
from benchmarks.report import environment, grid

FEATURES = 256  # of a row of a table
FEW = 40  # rows that a run without data has
SIDE = 28  # of a small picture
LARGE = 512  # of a large one
STANDARDIZED = {"standardize": True}

Case = tuple[str, int, Callable[[Path, int], dict[str, Any]]]  # its name, bytes of a row, and what writes so many rows


def _numbers(rows: int, features: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(0).standard_normal((rows, features), np.float64).astype(dtype)


def _pixels(rows: int, *shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (rows, *shape), np.uint8)


def _npz(dtype: Any, packed: bool = False, **options: Any) -> Callable[[Path, int], dict[str, Any]]:
    def write(folder: Path, rows: int) -> dict[str, Any]:
        x = _numbers(rows, FEATURES, dtype)
        (np.savez_compressed if packed else np.savez)(folder / "rows.npz", inputs=x, targets=x[:, 0].astype(float))
        return {"path": "rows.npz", **options}

    return write


def _pictures(folder: Path, rows: int) -> dict[str, Any]:
    x = _pixels(rows, SIDE, SIDE, 1)
    np.savez(folder / "rows.npz", inputs=x, targets=np.arange(rows) % 10)
    return {"path": "rows.npz", "standardize": True}


def _parts(ending: str, dtype: Any = np.uint8, **options: Any) -> Callable[[Path, int], dict[str, Any]]:
    def write(folder: Path, rows: int) -> dict[str, Any]:
        pictures = _pixels(rows, SIDE * SIDE).astype(dtype)
        parts = {"inputs.picture": pictures, "inputs.likes": _numbers(rows, 4, np.float64)}
        arrays, path = {**parts, "targets": np.arange(rows) * 0.1}, folder / f"rows{ending}"
        if ending == ".npz":
            np.savez(path, **arrays)
        else:
            _write_hdf5(path, {name.replace(".", "/"): array for name, array in arrays.items()})
        return {"path": path.name, **options}

    return write


def _npy(folder: Path, rows: int) -> dict[str, Any]:
    np.save(folder / "rows.npy", _numbers(rows, FEATURES))
    return {"path": "rows.npy"}


def _pair(folder: Path, rows: int) -> dict[str, Any]:
    np.save(folder / "x.npy", _numbers(rows, FEATURES))
    np.save(folder / "y.npy", np.arange(rows) * 0.1)
    return {"path": "x.npy", "targets": "y.npy", "mapped": False}


def _idx(folder: Path, rows: int) -> dict[str, Any]:
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(struct.pack(">4I", 0x0803, rows, SIDE, SIDE) + _pixels(rows, SIDE, SIDE).tobytes())
    with gzip.open(folder / "train-labels-idx1-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(struct.pack(">2I", 0x0801, rows) + (np.arange(rows) % 10).astype(np.uint8).tobytes())
    return {"path": "train-images-idx3-ubyte.gz"}


def _images(side: int) -> Callable[[Path, int], dict[str, Any]]:
    def write(folder: Path, rows: int) -> dict[str, Any]:
        from PIL import Image

        for row in range(rows):
            place = folder / "images" / f"class{row % 10}"
            place.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(row).integers(0, 256, (side, side, 3), np.uint8)
            Image.fromarray(noise).save(place / f"{row}.bmp")
        return {"path": "images/"}

    return write


def _csv(folder: Path, rows: int, unit: str = "") -> dict[str, Any]:
    with (folder / "rows.csv").open("w") as file:
        file.write(",".join([*(f"x{i}" for i in range(FEATURES)), "y"]) + "\n")
        for row in _numbers(rows, FEATURES).tolist():
            file.write(",".join(f"{value:.5f}{unit}" for value in row) + f",{row[0]:.5f}\n")
    return {"path": "rows.csv"}


def _csv_with_category(folder: Path, rows: int) -> dict[str, Any]:
    dataset = _csv(folder, rows)
    head, *lines = (folder / "rows.csv").read_text().splitlines()
    cities = (f"city {i % 5}" for i in range(rows))
    mixed = [f"city,{head}", *(f"{city},{line}" for city, line in zip(cities, lines, strict=True))]
    (folder / "rows.csv").write_text("\n".join(mixed) + "\n")
    return {**dataset, "categorical": "city"}


def _units(folder: Path, rows: int) -> dict[str, Any]:
    return {**_csv(folder, rows, " kg"), "units": ["kg"]}


def _parquet(dtype: Any, *mixed: str) -> Callable[[Path, int], dict[str, Any]]:
    def write(folder: Path, rows: int) -> dict[str, Any]:
        import pyarrow as pa
        from pyarrow import parquet

        x = _numbers(rows, FEATURES, dtype)
        columns = {f"x{i}": x[:, i] for i in range(FEATURES)}
        others = {"count": np.arange(rows) % 100, "city": [f"city {i % 5}" for i in range(rows)]}
        parquet.write_table(pa.table({**{name: others[name] for name in mixed}, **columns}), folder / "rows.parquet")
        return {"path": "rows.parquet", **({"categorical": "city"} if "city" in mixed else {})}

    return write


def _hdf5(folder: Path, rows: int) -> dict[str, Any]:
    _write_hdf5(folder / "rows.h5", {"inputs": _numbers(rows, FEATURES), "targets": np.arange(rows) * 0.1})
    return {"path": "rows.h5"}


def _write_hdf5(path: Path, arrays: dict[str, Any]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


CASES: tuple[Case, ...] = (
    ("npz float32", 4 * FEATURES, _npz(np.float32)),
    ("npz float32, standardize", 4 * FEATURES, _npz(np.float32, **STANDARDIZED)),
    ("npz float32, half of the rows for the test", 4 * FEATURES, _npz(np.float32, test_fraction=0.5)),
    ("npz float32, deflated", 4 * FEATURES, _npz(np.float32, packed=True)),
    ("npz float64, standardize", 8 * FEATURES, _npz(np.float64, **STANDARDIZED)),
    ("npz int16", 4 * FEATURES, _npz(np.int16)),
    ("npz uint8 pictures, standardize", 4 * SIDE * SIDE, _pictures),
    ("npz inputs.NAME, pictures and doubles", 4 * (SIDE * SIDE + 4), _parts(".npz")),
    ("npz inputs.NAME, float32 and doubles", 4 * (SIDE * SIDE + 4), _parts(".npz", np.float32)),
    ("npz inputs.NAME, standardize", 4 * (SIDE * SIDE + 4), _parts(".npz", **STANDARDIZED)),
    ("npy table", 4 * FEATURES, _npy),
    ("npy pair, mapped: false", 4 * FEATURES, _pair),
    ("IDX, gzip", 4 * SIDE * SIDE, _idx),
    ("small images", 4 * SIDE * SIDE * 3, _images(SIDE)),
    ("large images", 4 * LARGE * LARGE * 3, _images(LARGE)),
    ("parquet float32", 4 * FEATURES, _parquet(np.float32)),
    ("parquet float64", 8 * FEATURES, _parquet(np.float64)),
    ("parquet float32 and counts", 4 * FEATURES, _parquet(np.float32, "count")),
    ("parquet float32 and a category", 4 * FEATURES, _parquet(np.float32, "city")),
    ("hdf5 float32", 4 * FEATURES, _hdf5),
    ("hdf5 inputs.NAME, float32 and doubles", 4 * (SIDE * SIDE + 4), _parts(".h5", np.float32)),
    ("csv", 8 * FEATURES, _csv),
    ("csv and a category", 8 * FEATURES, _csv_with_category),
    ("csv, units", 8 * FEATURES, _units),
)


def write(case: Case, rows: int, folder: Path) -> None:
    """The rows of a case, and a config for them."""
    dataset = case[2](folder, rows)
    classes = dataset["path"].endswith(("images/", ".gz")) or case[2] is _pictures
    config = {
        "dataset": dataset,
        "network": ["flatten", {"dense": 10}] if classes else [{"dense": 1}],
        "cost": "softmax_cross_entropy" if classes else "mean_squared_error",
        "batch_size": max(1, min(64, 2**20 // case[1])),  # which is gathered, too: of large pictures one
        "step_size": 1e-9,
        "epochs": 1,
    }
    (folder / "config.yaml").write_text(json.dumps(config))


def measured(case: Case, rows: int) -> int:
    """Bytes of a run at its most, on so many rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: what a process had counts as its children's most as well.
        writing = get_context("fork").Process(target=write, args=(case, rows, folder))
        writing.start()
        writing.join()
        return peak([sys.executable, "-m", "trainer", "run", "config.yaml"], folder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_peak", description=__doc__.partition("\n")[0])
    parser.add_argument("--mib", type=int, default=128, help="of an array (128)")
    parser.add_argument("kinds", nargs="*", help="words that the names of the cases have")
    arguments = parser.parse_args()
    table = [["data", "array", "at its most, without what a run takes", "÷ array"]]
    for case in CASES:
        if arguments.kinds and not any(kind in case[0] for kind in arguments.kinds):
            continue
        rows = max(FEW, arguments.mib * 2**20 // case[1])
        few = FEW // 2 if case[1] > 2**20 else FEW
        taken = measured(case, rows) - measured(case, few)
        array = (rows - few) * case[1]
        table.append([case[0], f"{array / 2**20:,.0f} MiB", f"{taken / 2**20:,.0f} MiB", f"{taken / array:.2f}"])
        print(*table[-1], sep="  ", file=sys.stderr, flush=True)
    about = environment()
    print(grid(table))
    print(f"\n{about['processor']}, {about['cores']} cores, Python {about['python']}; {about['date'][:10]}")


if __name__ == "__main__":
    main()
