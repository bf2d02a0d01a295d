"""Tables of numbers among columns of other kinds: what is made of one while it goes back has all its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.data import load
from trainer.data.pages import pages
from trainer.data.readers.features import Feature, encode_features

ROWS, COLUMNS = 4000, 100
CITIES = ("Bonn", "Oslo", "Rome")
RNG = np.random.default_rng(0)
NUMBERS = RNG.standard_normal((ROWS, COLUMNS), np.float32)
CITY, COUNT = np.arange(ROWS) * 7 % 3, np.arange(ROWS) % 90
OPTIONS = {"target": "x7", "weight": "x2", "group": "street", "categorical": "city"}
INPUTS = [j for j in range(COLUMNS) if j not in (2, 7)]


def columns() -> dict[str, list[object]]:
    """Target and weight lie between inputs, and so does a category; every number is one of single precision."""
    numbers = {f"x{j}": NUMBERS[:, j].tolist() for j in range(COLUMNS)}
    numbers["x2"] = (np.abs(NUMBERS[:, 2]) + 1).tolist()
    found: dict[str, list[object]] = {"city": [CITIES[i] for i in CITY], "count": COUNT.tolist()}
    for place, (name, values) in enumerate(numbers.items()):
        if place == 50:
            found["street"] = [f"street {i % 40}" for i in range(ROWS)]
        found[name] = values
    return found


def written(folder: Path, kind: str) -> Path:
    path, given = folder / f"rows.{kind}", columns()
    if kind == "csv":
        lines = [",".join(given), *(",".join(map(str, row)) for row in zip(*given.values(), strict=True))]
        path.write_text("\n".join(lines) + "\n")
        return path
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    typed = {name: pa.array(values, pa.float32() if name.startswith("x") else None) for name, values in given.items()}
    parquet.write_table(pa.table(typed), path)
    return path


@pytest.mark.parametrize("encode", ["one_hot", "index"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_numbers_among_other_columns_are_those_of_the_file(kind, encode, tmp_path):
    data = load(written(tmp_path, kind), {**OPTIONS, "encode": encode})
    city = CITY[:, None] == np.arange(3) if encode == "one_hot" else CITY[:, None]
    expected = np.concatenate([city, COUNT[:, None], NUMBERS[:, INPUTS].astype(np.float64)], axis=1)
    np.testing.assert_array_equal(data.numbers(), expected)
    np.testing.assert_array_equal(data.targets, NUMBERS[:, 7].astype(np.float64))
    np.testing.assert_array_equal(data.weights, (np.abs(NUMBERS[:, 2]) + 1).astype(np.float64))
    assert len(np.unique(data.groups)) == 40
    assert data.inputs.dtype == (np.float64 if kind == "csv" else np.float32)


@pytest.mark.parametrize(
    ("beside", "dtype"),
    [
        (COUNT, np.float32),
        (np.where(COUNT, COUNT, np.nan), np.float32),
        (COUNT + 2.0**24, np.float64),
        (COUNT / 3, np.float64),
        (COUNT * 1e300, np.float64),
    ],
    ids=["counts", "and what is missing", "beyond its whole numbers", "fractions", "beyond it"],
)
def test_single_precision_is_kept_where_it_has_every_number(beside, dtype):
    found = encode_features([Feature("x", NUMBERS[:, 0]), Feature("y", beside * 1.0)], "one_hot", "it").inputs
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[:, 1].astype(np.float64), beside)


@pytest.mark.parametrize("consumed", [False, True])
def test_a_table_is_given_back_by_whom_it_belongs_to_alone(consumed):
    table = pages((ROWS, COLUMNS), np.float64)
    table[...] = NUMBERS
    features = [Feature("city", CITY, CITIES), *(Feature(f"x{j}", table[:, j]) for j in INPUTS)]
    found = encode_features(features, "one_hot", "it", consumed).inputs
    np.testing.assert_array_equal(found[:, 3:], NUMBERS[:, INPUTS])
    if not consumed:  # it is a frame's, say, whose owner goes on with it
        np.testing.assert_array_equal(table, NUMBERS)
