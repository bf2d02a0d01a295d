"""A frame in memory is the data set that the CSV file of the same cells is, and a run knows that it came from there."""

from __future__ import annotations

import math
from ast import literal_eval
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import yaml

import trainer
from tests.hints import advised
from trainer.data import load
from trainer.data.readers.memory import columns_of, read_frame
from trainer.errors import ConfigError, DataError

pd = pytest.importorskip("pandas", reason="frames of pandas are given")
pl = pytest.importorskip("polars", reason="frames of polars are given")

COLUMNS: dict[str, list[Any]] = {
    "age": [20, 31, 42, 53],
    "city": ["Köln", "Rome", "Rome", "Köln"],
    "height": [1.5, 0.1, -2.25, 1e-30],
    "garden": [True, False, True, False],
    "sold": [date(2022, 7, 2), date(2023, 1, 31), date(2024, 2, 29), date(2024, 3, 1)],
    "kind": ["b", "a", "a", "b"],
}
OPTIONS: dict[str, Any] = {"categorical": ["city"], "dates": ["sold"]}
MAKE = {
    "mapping": dict,
    "mapping of arrays": lambda c: {k: np.array(v) if k in ("age", "height", "garden") else v for k, v in c.items()},
    "mapping of series": lambda c: {k: pd.Series(v) for k, v in c.items()},
    "pandas": pd.DataFrame,
    "pandas nullable": lambda c: pd.DataFrame(c).convert_dtypes(),
    "pandas of Arrow": lambda c: pd.DataFrame(c).convert_dtypes(dtype_backend="pyarrow"),
    "pandas with categories": lambda c: pd.DataFrame(c).astype({"city": "category", "kind": "category"}),
    "pandas with times": lambda c: pd.DataFrame(c).astype({"sold": "datetime64[s]"}),
    "pandas with another index": lambda c: pd.DataFrame(c, index=[9, 9, 3, 1]),
    "polars": pl.DataFrame,
    "polars with categories": lambda c: pl.DataFrame(c).with_columns(pl.col("city", "kind").cast(pl.Categorical)),
}


def read(frame: Any, **options: Any) -> Any:
    columns = columns_of(frame)
    return read_frame(columns, columns.fingerprint(), **options)


def csv(tmp_path, columns, options):
    rows = [
        ",".join(columns),
        *(",".join("" if v is None else str(v) for v in row) for row in zip(*columns.values(), strict=True)),
    ]
    (tmp_path / "d.csv").write_text("\n".join(rows), encoding="utf-8")
    return load(tmp_path / "d.csv", options)


def same(one, other):
    assert one.inputs.tobytes() == other.inputs.tobytes()
    assert one.targets.tobytes() == other.targets.tobytes()
    for name in ("class_names", "feature_names", "categories", "booleans", "target_names", "task"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("make", MAKE)
def test_a_frame_is_the_data_set_that_the_csv_file_is(make, tmp_path):
    if make == "pandas of Arrow":
        pytest.importorskip("pyarrow", reason="keeps these columns")
    frame = MAKE[make](COLUMNS)
    same(read(frame, **OPTIONS), csv(tmp_path, COLUMNS, OPTIONS))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_a_frame_that_stands_alone_is_one_without_options(frame):
    rows = frame({"x": np.arange(20.0), "y": np.arange(20.0) / 7})
    base: dict[str, Any] = {"network": [{"dense": 1}], "cost": "mean_squared_error", "step_size": 0.001, "epochs": 2}
    alone, given = (trainer.train({**base, "dataset": dataset}) for dataset in (rows, {"frame": rows}))
    assert alone.parameters["0.weights"].tobytes() == given.parameters["0.weights"].tobytes()
    lazy = rows.lazy() if frame is pl.DataFrame else pl.LazyFrame(rows)
    with pytest.raises(DataError) as caught:
        trainer.train({**base, "dataset": lazy})
    advised(caught.value, "the frame is a LazyFrame, which has no rows yet; give frame.collect()")
    assert trainer.train({**base, "dataset": lazy.collect()}).epoch.epoch == 2


@pytest.mark.parametrize("make", [make for make in MAKE if make not in ("mapping of arrays", "pandas with times")])
def test_what_is_missing_is_said_at_its_row_and_can_be_allowed(make, tmp_path):
    if make == "pandas of Arrow":
        pytest.importorskip("pyarrow", reason="keeps these columns")
    columns = {
        **COLUMNS,
        "age": [20, None, 42, 53],
        "height": [1.5, None, 2, 3],
        "city": ["Köln", "Rome", None, "Köln"],
    }
    frame = MAKE[make](columns)
    for ignored, row, column in (
        (["height", "city"], 2, "age"),
        (["age", "city"], 2, "height"),
        (["age", "height"], 3, "city"),
    ):
        options = {**OPTIONS, "ignore": ignored, "categorical": [] if "city" in ignored else ["city"]}
        with pytest.raises(DataError) as raised:
            read(frame, **options)
        assert str(raised.value).startswith(f"the frame: row {row}: column {column!r}: an empty cell is a missing ")
    allowed = {**OPTIONS, "missing": "allow"}
    same(read(frame, **allowed), csv(tmp_path, columns, allowed))


@pytest.mark.parametrize("mark", [None, math.nan, pd.NA, pd.NaT])
def test_every_mark_of_what_is_missing_is_one(mark):
    for frame in (
        {"x": [1, mark, 3], "y": [1.5, 2, 3]},
        pd.DataFrame({"x": pd.Series([1, mark, 3], dtype=object), "y": [1.5, 2, 3]}),
    ):
        np.testing.assert_array_equal(read(frame, missing="allow").inputs.ravel(), [1, np.nan, 3])
        with pytest.raises(DataError, match="row 2: column 'x': an empty cell is a missing value"):
            read(frame)


def test_types_that_a_csv_file_has_not_are_cells_like_others():
    price = [Decimal("1.50"), Decimal("-3")]
    for frame in (pd.DataFrame({"price": price, "y": [1.5, 2]}), pl.DataFrame({"price": price, "y": [1.5, 2]})):
        assert read(frame).inputs.ravel().tolist() == [1.5, -3]
    codes = pd.DataFrame({"x": [1, 2], "code": pd.Categorical(["007", "7"])})
    assert read(codes).class_names == ("007", "7")
    at = [datetime(2022, 7, 2, 13), datetime(2024, 2, 29, 6)]
    for frame in (pd.DataFrame({"at": at, "y": [1.5, 2]}), pl.DataFrame({"at": at, "y": [1.5, 2]})):
        assert read(frame, dates=["at"]).inputs[:, -1].tolist() == [13, 6]
    with pytest.raises(
        DataError, match="row 1: column 'x': a cell is a number, a text, a date, or true or false, not a"
    ):
        read({"x": [pd.Timedelta(1), pd.Timedelta(2)], "y": [1.5, 2]})


OTHERS: dict[str, list[Any]] = {
    "a list": [[1], [2, 3]],
    "a mapping": [{"a": 1}, {"a": 2}],
    "bytes": [b"u", b"v"],
    "times": [timedelta(1), None],
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("made", [dict, pd.DataFrame, pl.DataFrame])
def test_a_column_of_what_is_no_cell_can_be_left_out(made, kind):
    frame = made({"x": [1.0, 2.0], "other": OTHERS[kind], "y": [1.5, 2.5]})
    with pytest.raises(DataError, match=r"column 'other': a cell is .*; leave the column out, ignore: \[other\]"):
        read(frame)
    left = read(frame, ignore=["other"])
    assert left.feature_names == ("x",)
    assert left.account is not None
    assert [column.missing for column in left.account.columns] == [0, sum(cell is None for cell in OTHERS[kind]), 0]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((3, 2)), "the frame is one of pandas or polars, or a mapping of names to columns, not a ndarray"),
        (pl.LazyFrame({"x": [1]}), "the frame is a LazyFrame, which has no rows yet; give frame.collect()"),
        (pd.DataFrame([[1, 2.5]], columns=["x", "x"]), "the frame has two columns 'x'; rename one"),
        (pd.DataFrame([[1, 2.5]]), "the frame: the name 0 of a column is no text; rename it, '0'"),
        ({"x": [1, 2], "y": [1.5]}, "the frame: column 'y' has 1 row, and 'x' has 2"),
        ({"x": np.zeros((2, 2)), "y": [1.5, 2]}, "the frame: column 'x' has shape (2, 2), and a column has one "),
        ({"x": "ab", "y": [1.5, 2]}, "the frame: column 'x' is a str, and not one value for each row"),
        ({"x": [1, 2]}, "the frame has one column, and a data set needs a target column beside"),
        ({"x": [], "y": []}, "the frame has no rows; a data set needs at least one"),
        ({}, "the frame has no rows; a data set needs at least one"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused_in_a_line(frame, message):
    with pytest.raises(DataError) as raised:
        read(frame)
    assert str(raised.value).startswith(message)


def test_a_column_is_renamed_as_it_is_said():
    frame = pd.DataFrame([[1, 2.5], [2, 3.5]])
    with pytest.raises(DataError) as caught:
        read(frame)
    said = advised(caught.value, "the frame: the name 0 of a column is no text; rename it, '0'")
    with pytest.raises(DataError, match="the name 1 of a column is no text; rename it, '1'"):
        read(frame.rename(columns={0: literal_eval(said.rpartition(" ")[2])}))
    assert read(frame.rename(columns=str)).feature_names == ("0",)


def test_a_fingerprint_is_of_names_types_and_values():
    base = {"x": [1, 2], "y": ["a", "b"]}
    others = [{"x": [1, 3], "y": ["a", "b"]}, {"z": [1, 2], "y": ["a", "b"]},
              {"x": [1.0, 2.0], "y": ["a", "b"]}, {"y": ["a", "b"], "x": [1, 2]},
              {"x": [1, 2], "y": ["a", "c"]}, {"x": [1, 2], "y": ["a", None]}]  # fmt: skip
    prints = [columns_of(frame).fingerprint() for frame in (base, *others)]
    assert len(set(prints)) == len(prints)
    assert columns_of(pd.DataFrame(base)).fingerprint() == columns_of(pl.DataFrame(base)).fingerprint() == prints[0]


def test_a_run_says_that_its_data_came_from_memory_and_is_made_again_with_them(tmp_path):
    frame = pd.DataFrame({"x": np.arange(20.0), "city": ["a", "b"] * 10, "y": np.arange(20.0)})
    config: dict[str, Any] = {
        "dataset": {"frame": frame, "categorical": ["city"]}, "network": [{"dense": 1}], "cost": "mean_squared_error",
        "step_size": 0.001, "epochs": 2,
    }  # fmt: skip
    outcome = trainer.train(config, out=tmp_path)
    resolved = yaml.safe_load((outcome.folder / "resolved.yaml").read_text(encoding="utf-8"))
    known = columns_of(frame).fingerprint()
    assert resolved["dataset"]["frame"] == known
    assert trainer.Run(outcome.folder).model.predict(frame.head(2)).shape[0] == 2
    with pytest.raises(ConfigError) as raised:
        trainer.train(resolved)
    advised(
        raised.value,
        f"the data came from memory, with the fingerprint {known[:16]}, and no file holds them: in Python, load this "
        f"file with yaml.safe_load, put the frame in the place of the fingerprint, and give it to trainer.train",
    )
    resolved["dataset"]["frame"] = frame
    again = trainer.train(resolved)
    assert all(np.array_equal(value, again.parameters[name]) for name, value in outcome.parameters.items())
    with pytest.raises(ConfigError, match="dataset has a frame and another source; keep one"):
        trainer.train({**config, "dataset": {"frame": frame, "name": "iris"}})
    with pytest.raises(ConfigError, match="'wide'"):
        trainer.train({**config, "dataset": {"frame": frame, "target": "wide"}})
