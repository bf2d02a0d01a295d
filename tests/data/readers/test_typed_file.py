"""A file whose columns have types is the data set that a CSV file of the same cells is, and its errors say the row."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.data import load
from trainer.data.rows import open_rows
from trainer.data.rows.targets import read_targets
from trainer.data.spec import InputSpec, TargetSpec
from trainer.errors import DataError, UsageError

pa = pytest.importorskip("pyarrow", reason="reads Parquet and Arrow")
ROWS = [
    {"age": 20, "city": "Köln", "height": 1.5, "garden": True, "sold": "2022-07-02", "kind": "b"},
    {"age": 31, "city": "Rome", "height": 0.1, "garden": False, "sold": "2023-01-31", "kind": "a"},
    {"age": 42, "city": "Rome", "height": -2.25, "garden": True, "sold": "2024-02-29", "kind": "a"},
    {"age": 53, "city": "Köln", "height": 1e-30, "garden": False, "sold": "2024-03-01", "kind": "b"},
]
OPTIONS: dict[str, Any] = {"categorical": ["city"], "dates": ["sold"]}
ENDINGS = (".parquet", ".feather", ".arrow", ".ipc", ".jsonl", ".ndjson.gz", ".arff")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the format of the path's ending; ARFF knows numbers and texts."""
    from pyarrow import feather, parquet

    names = list(rows[0])
    if path.name.endswith(".arff"):
        kinds = {n: "NUMERIC" if type(rows[0][n]) in (int, float) else "STRING" for n in names}
        lines = ["@relation d", *(f"@attribute {n} {kinds[n]}" for n in names), "@data"]
        cells = [["?" if r.get(n) is None else repr(r[n]) for n in names] for r in rows]
        path.write_text("\n".join([*lines, *map(",".join, cells)]), encoding="utf-8")
    elif ".jsonl" in path.name or ".ndjson" in path.name:
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    else:
        table = pa.Table.from_pylist(rows)
        if path.suffix == ".parquet":
            parquet.write_table(table, path)
        elif path.suffix == ".feather":
            feather.write_feather(table, str(path))
        else:
            new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
            with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
                writer.write_table(table)
    return path


def as_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    text = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
    path.write_text("\n".join(text), encoding="utf-8")
    return path


def rows_of(path: Path, data: Any, options: dict[str, Any]) -> Any:
    spec = InputSpec.of(data)
    return np.concatenate([block.values for block in open_rows(path, spec, {"encode": "one_hot", **options}).blocks])


def same(one: Any, other: Any) -> None:
    assert one.inputs.tobytes() == other.inputs.tobytes()
    assert one.targets.tobytes() == other.targets.tobytes()
    for name in ("class_names", "feature_names", "categories", "dates", "booleans", "target_names", "task"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_with_types_is_the_data_set_that_the_csv_file_is(ending, tmp_path):
    path = write(tmp_path / f"d{ending}", ROWS)
    data, csv = load(path, OPTIONS), load(as_csv(tmp_path / "d.csv", ROWS), OPTIONS)
    same(data, csv)
    assert data.name == path.name
    assert [(c.name, c.role, c.read_as, c.missing) for c in data.account.columns] == [
        (c.name, c.role, c.read_as, c.missing) for c in csv.account.columns
    ]


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_to_predict_and_to_measure_are_what_training_read(ending, tmp_path):
    path = write(tmp_path / f"d{ending}", ROWS)
    data = load(path, OPTIONS)
    new = write(tmp_path / f"new{ending}", [dict(reversed(row.items())) for row in ROWS[::-1]])
    np.testing.assert_array_equal(rows_of(new, data, OPTIONS), data.inputs[::-1])
    assert read_targets(new, TargetSpec.of(data), OPTIONS).tolist() == data.targets[::-1].tolist()
    only = write(tmp_path / f"only{ending}", [{"age": 1}])
    with pytest.raises(DataError, match="has no column 'city', nor 'height', 'garden', 'sold', which the model takes"):
        rows_of(only, data, OPTIONS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_missing_is_said_at_its_row_and_can_be_allowed(ending, tmp_path):
    rows = [ROWS[0], {**ROWS[1], "height": None, "city": None}, *ROWS[2:]]
    path = write(tmp_path / f"d{ending}", rows)
    line = {".arff": ":10", ".jsonl": ":2", ".gz": ":2"}.get(path.suffix, ": row 2")
    with pytest.raises(DataError) as raised:
        load(path, {**OPTIONS, "ignore": ["city"], "categorical": []})
    assert str(raised.value).startswith(f"{path}{line}: column 'height': an empty cell is a missing value; ")
    with pytest.raises(DataError) as raised:
        load(path, OPTIONS)
    assert str(raised.value).startswith(f"{path}{line}: column 'city': an empty cell is a missing category; ")
    allowed = {**OPTIONS, "missing": "allow"}
    data = load(path, allowed)
    same(data, load(as_csv(tmp_path / "d.csv", rows), allowed))
    np.testing.assert_array_equal(rows_of(path, data, allowed), data.inputs)
    marked = {**OPTIONS, "missing": "allow", "missing_values": [-2.25, "Köln"]}
    assert np.isnan(load(path, marked).inputs).sum() == 2
    assert load(path, marked).categories == {"city": ("?", "Rome")}


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
    ],
    ids=str,
)
def test_texts_of_every_arrow_type_are_the_cells_that_they_spell(kind, tmp_path):
    cities = ["Rome", None, " Rome ", "Köln", "", "Rome", None, "Köln", "Oslo", "Köln"]
    chunks = [pa.array(cities[:4]).cast(kind), pa.array([], kind), pa.array(cities[4:]).cast(kind)]
    table = pa.table({"city": pa.chunked_array(chunks), "x": range(10), "y": [0.5 * i for i in range(10)]})
    with pa.OSFile(str(tmp_path / "d.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        for chunk in table.to_batches():
            writer.write_batch(chunk)
    path = as_csv(tmp_path / "d.csv", table.to_pylist())
    one, other = (load(p, {"categorical": ["city"], "missing": "allow"}) for p in (tmp_path / "d.arrow", path))
    assert one.categories == other.categories == {"city": ("?", "Köln", "Oslo", "Rome")}
    assert one.inputs.tobytes() == other.inputs.tobytes()
    with pytest.raises(DataError, match=r"d\.arrow: row 2: column 'city': an empty cell is a missing category"):
        load(tmp_path / "d.arrow", {"categorical": ["city"]})


def test_types_that_only_some_files_have_are_cells_like_others(tmp_path):
    rows = [
        {"day": date(2022, 7, 2), "at": datetime(2022, 7, 2, 13), "price": Decimal("1.50"), "n": 2**53 - 1, "y": 1.0},
        {"day": date(2024, 2, 29), "at": datetime(2024, 2, 29, 6), "price": Decimal("-3"), "n": None, "y": 2.5},
    ]  # fmt: skip
    path = write(tmp_path / "d.parquet", rows)
    data = load(path, {"dates": ["day", "at"], "missing": "allow"})
    parts = ["year", "month", "day", "weekday"]
    assert data.feature_names[:4] == tuple(f"day.{part}" for part in parts)
    assert data.feature_names[4:9] == tuple(f"at.{part}" for part in [*parts, "hour"])
    assert data.feature_names[-2:] == ("price", "n")
    assert data.inputs[:, -2].tolist() == [1.5, -3]
    np.testing.assert_array_equal(data.inputs[:, -1], [2**53 - 1, np.nan])
    with pytest.raises(DataError, match=r"row 1: column 'day': '2022-07-02' is a date: say dates: \[day\]"):
        load(path)


def test_what_a_file_declares_as_names_are_names_whatever_they_look_like(tmp_path):
    from pyarrow import parquet

    codes = pa.array(["007", "7", "1.0", "1"]).dictionary_encode()
    parquet.write_table(pa.table({"x": [1, 2, 3, 4], "code": codes}), tmp_path / "d.parquet")
    assert load(tmp_path / "d.parquet", {"ignore": [], "task": "regression"}).task == "regression"
    text = "@relation 'a b'\n% mine\n@attribute 'the width' integer\n@ATTRIBUTE kind {'1','big one',3}\n\n@DATA\n"
    (tmp_path / "d.arff").write_text(f"{text}1.5,'1'\n% more\n\n2,'big one'\n-1,3\n2,3\n1,1\n")
    data = load(tmp_path / "d.arff")
    assert (data.task, data.class_names) == ("classification", ("1", "3", "big one"))
    assert data.inputs.ravel().tolist() == [1.5, 2, -1, 2, 1]  # of a column that is declared as whole numbers
    assert data.feature_names == ("the width",)


ARFF = b"@relation r\n@attribute a real\n@attribute "
BAD = {
    "no JSON": ("d.jsonl", b'{"a": 1, "y": 2}\n{"a": 1,\n', "d.jsonl:2 is no JSON: "),
    "no object": ("d.jsonl", b'{"a": 1, "y": 2}\n\n[1, 2]\n', "d.jsonl:3 is no JSON object; each line "),
    "a key twice": ("d.jsonl", b'{"a": 1, "a": 2}\n', "d.jsonl:1: it has two values of 'a'; keep one"),
    "a list": ("d.jsonl", b'{"a": [1], "y": 2}\n', "d.jsonl:1: 'a' is a list, and a cell is "),
    "text for a number": ("d.jsonl", b'{"a": 1, "y": 2}\n{"a": "x", "y": 3}\n', "d.jsonl:2: column 'a': 'x' is not a "),
    "infinite": ("d.jsonl", b'{"a": Infinity, "y": 2}\n', "d.jsonl:1: column 'a': 'Infinity' is not a finite"),
    "nothing": ("d.jsonl", b"", "d.jsonl has no rows; a data set needs at least one"),
    "no UTF-8": ("d.jsonl", b'{"a": "\xe9", "y": 2}\n', "d.jsonl:1: byte 0xe9 is not UTF-8"),
    "a sparse row": ("d.arff", ARFF + b"y real\n@data\n1,2\n{0 1}\n", "d.arff:6: a sparse row"),
    "a name twice": ("d.arff", ARFF + b"a real\n@data\n1,2\n", "d.arff cannot be read as ARFF: "),
    "no value of those": ("d.arff", ARFF + b"y {u,v}\n@data\n1,w\n", "d.arff cannot be read as ARFF: "),
    "no ARFF": ("d.arff", b"a,b\n1,2\n", "d.arff cannot be read as ARFF: "),
    "no Parquet": ("d.parquet", b"a,b\n1,2\n", "d.parquet cannot be read as Parquet: "),
    "no Arrow": ("d.arrow", b"a,b\n1,2\n", "d.arrow cannot be read as Arrow: "),
    "no Feather": ("d.feather", b"", "d.feather cannot be read as Arrow: "),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_such_file_is_refused_in_a_line(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, content, message = BAD[case]
    Path(name).write_bytes(content)
    with pytest.raises(DataError) as raised:
        load(name, {"categorical": []} if case == "text for a number" else None)
    said = str(raised.value)
    assert said.startswith(message)
    assert "\n" not in said


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".arrow", ".ipc"])
def test_a_file_that_was_cut_is_refused(ending, tmp_path):
    path = write(tmp_path / f"d{ending}", ROWS * 20)
    content = path.read_bytes()
    for length in (4, 9, len(content) // 2, len(content) - 9):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="cannot be read as"):
            load(path, OPTIONS)


@pytest.mark.parametrize(("ending", "module"), [(".parquet", "pyarrow"), (".arrow", "pyarrow"), (".arff", "arff")])
def test_without_the_library_it_is_named(ending, module, tmp_path, monkeypatch):
    path = write(tmp_path / f"d{ending}", ROWS)
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UsageError, match=r"which is not installed: pip install 'tape-trainer\[tables\]'"):
        load(path, OPTIONS)


def written(path: Path, table: Any, rows: int) -> Path:
    """A file of that ending with so many rows together."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=rows)
    elif path.suffix == ".feather":
        feather.write_feather(table, path, chunksize=rows)
    else:
        make = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with make(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    return path


@pytest.mark.parametrize(("ending", "rows"), [(".parquet", 1 << 16), (".arrow", 512), (".ipc", 512), (".feather", 512)])
def test_floats_are_in_memory_once_while_they_are_read(ending, rows, tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    monkeypatch.setattr("trainer.data.readers.typed_file.TOGETHER", 1 << 15)
    numbers = np.random.default_rng(0).standard_normal((1 << 14, 64))
    path = written(tmp_path / f"rows{ending}", pa.table({f"x{i}": numbers[:, i] for i in range(64)}), rows)
    before, counted = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counted)
    try:
        data = load(path)
    finally:
        pa.set_memory_pool(before)
    np.testing.assert_array_equal(np.column_stack([data.inputs, data.targets]), numbers)
    assert 0 < counted.max_memory() < numbers.nbytes / 4
    assert counted.bytes_allocated() == 0


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".ipc", ".feather"])
def test_columns_are_told_apart_whatever_their_names_begin_with(ending, tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    monkeypatch.setattr("trainer.data.readers.typed_file.TOGETHER", 1)  # a column at a time
    columns = {
        "a": [1.0, 2.0, 3.0],
        "a.b": [4.0, 5.0, 6.0],
        ".a": [7.0, 8.0, 9.0],
        "c": ["u", "v", "u"],
        "y": [0, 1, 2],
    }
    path = written(tmp_path / f"rows{ending}", pa.table(columns), 2)
    data = load(path, {"target": "y", "task": "regression", "ignore": ["c"]})
    assert data.inputs.tolist() == [[1.0, 4.0, 7.0], [2.0, 5.0, 8.0], [3.0, 6.0, 9.0]]
    assert data.targets.tolist() == [0.0, 1.0, 2.0]
