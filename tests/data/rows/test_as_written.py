"""Rows to predict are read as people write them where training was: spellings, dates, words of truth, packed files."""

from __future__ import annotations

import gzip
import lzma
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from trainer.data import load
from trainer.data.readers.memory import columns_of, read_frame
from trainer.data.rows import open_rows
from trainer.data.rows.columns import of_columns
from trainer.data.rows.targets import read_targets
from trainer.data.spec import InputSpec, TargetSpec
from trainer.errors import DataError

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "decimal commas": ("a;b;y\n1.000,5;12 %;1\n-2,5;3 %;2\n", {"decimal": ",", "thousands": ".", "units": ["%"]}),
    "dates": ("sold,b,y\n2022-07-02,1,1\n2023-01-31T12:30,2,2\n", {"dates": ["sold"]}),
    "dates in a format": ("sold,b,y\n02.07.22,1,1\n31.01.23,2,2\n", {"dates": {"sold": "%d.%m.%y"}}),
    "words of truth": ("a,b,y\ntrue,No,1\nFALSE,yes,2\n", {}),
    "words of truth without a header": ("1.5,no,1\n2.5,yes,2\n", {}),
    "missing ones": ("a,sold,b,y\n-,-,-,1\n2,2022-07-02,yes,2\n1,2022-07-03,no,3\n",
        {"missing": "allow", "missing_values": ["-"], "dates": "sold"}),
    "comments": ("# mine\na,b,y\n1,2,1\n# more\n2,3,2\n", {"comment": "#"}),
    "another encoding": ("größe,stadt,y\n1,Köln,1\n2,Rom,2\n", {"encoding": "cp1252", "categorical": ["stadt"]}),
    "a mark of its byte order": ("größe,stadt,y\n1,Köln,1\n2,Rom,2\n", {"categorical": ["stadt"]}),
    "codes": ("code,b,y\n007,1,1\n7,2,2\n4e888888,3,3\n", {"categorical": ["code"]}),
    "a name twice": ("a,a,,b,y\n1,2,3,4,1\n2,3,4,5,2\n", {"ignore": [0, 1, 2]}),
}  # fmt: skip


def rows_of(path: Path, data: Any, options: dict[str, Any]) -> Any:
    spec = InputSpec.of(data)
    return np.concatenate([block.values for block in open_rows(path, spec, {"encode": "one_hot", **options}).blocks])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv.xz"])
def test_rows_are_what_training_read(case, ending, tmp_path) -> None:
    text, options = CASES[case]
    content = text.encode("utf-16" if case == "a mark of its byte order" else options.get("encoding", "utf-8"))
    content = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[ending[4:]](content)
    path = tmp_path / f"d{ending}"
    path.write_bytes(content)
    data = load(path, options)
    np.testing.assert_array_equal(rows_of(path, data, options), data.inputs)
    targets = read_targets(path, TargetSpec.of(data), {"encode": "one_hot", **options})
    np.testing.assert_array_equal(targets[:, 0], data.targets)


BAD = {
    "dates": ("sold,b\n2022-07-02,1\n2023-02-30,2\n",
        "d.csv:3: column 'sold': '2023-02-30' is no date as ISO 8601 has it"),
    "dates in a format": ("sold,b\n2022-07-02,1\n",
        "d.csv:2: column 'sold': '2022-07-02' is no date as '%d.%m.%y' has it"),
    "words of truth": ("a,b\ntrue,maybe\n",
        "d.csv:2: column 'b': 'maybe' is not one of 'false', 'true', 'no' or 'yes'"),
    "decimal commas": ("a;b\n1.00,5;3\n", "d.csv:2: column 'a': '1.00,5' is not a finite number; put one there"),
    "a name twice": ("a,b,b\n1,2,3\n", "d.csv: columns 1 and 2 are all named 'b'; rename one"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_training_would_not_have_read_is_refused_at_its_line(case, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, options = CASES[case]
    path = Path("d.csv")
    path.write_text(text)
    data = load(path, options)
    text, message = BAD[case]
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        rows_of(path, data, options)
    assert str(caught.value) == message


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_dates_and_words_of_truth_come_in_a_frame_as_they_are(library, tmp_path) -> None:
    frames = pytest.importorskip(library, reason="its frames are what is given")
    path = tmp_path / "d.csv"
    path.write_text("sold,garden,y\n2022-07-02 13:30,true,1\n2024-02-29 06:00,false,2\n")
    data = load(path, {"dates": "sold"})
    times = np.array(["2022-07-02T13:30", "2024-02-29T06:00"], dtype="datetime64[ms]")
    frame = frames.DataFrame({"garden": [True, False], "sold": times})
    np.testing.assert_array_equal(of_columns(InputSpec.of(data), frame), data.inputs)
    texts = frames.DataFrame({"garden": [True, False], "sold": ["2022-07-02 13:30", "2024-02-29 06:00"]})
    np.testing.assert_array_equal(of_columns(InputSpec.of(data), texts), data.inputs)
    with pytest.raises(
        DataError, match="the rows given: row 2: column 'sold': an empty cell is a missing value; fill it in"
    ):
        of_columns(InputSpec.of(data), frames.DataFrame({"garden": [True, False], "sold": [times[0].item(), None]}))


def test_what_was_read_survives_json(tmp_path) -> None:
    import json

    path = tmp_path / "d.csv"
    path.write_text("sold,garden,y\n02.07.2022,true,1\n29.02.2024,false,2\n")
    spec = InputSpec.of(load(path, {"dates": {"sold": "%d.%m.%Y"}}))
    assert InputSpec.from_plain(json.loads(json.dumps(spec.plain()))) == spec
    assert [column.name for column in spec.columns] == ["sold", "garden"]


ZONED = [datetime(2024, 3, 30, 22, 30, tzinfo=ZoneInfo("Europe/Zurich")) + timedelta(hours=7 * i) for i in range(3)]
TYPED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "times of a zone": ({"a": ZONED}, {"dates": ["a"]}),
    "times finer than Python's": (
        {"a": np.array(["2024-01-01T05:00:00.000000001", "2024-02-29T06:30", "2023-12-31"], "datetime64[ns]")},
        {"dates": ["a"]},
    ),
    "marks of what is missing": (
        {"a": [-999, 2, 3], "b": [1.5, -999.0, 2.5]}, {"missing": "allow", "missing_values": [-999]},
    ),
    "marks among categories": (
        {"a": ["u", "-", "v"]}, {"missing": "allow", "missing_values": ["-"], "categorical": ["a"]},
    ),
    "numbers with gaps": ({"a": [1, None, 3]}, {"missing": "allow"}),
    "truth with gaps": ({"a": [True, None, False]}, {"missing": "allow"}),
    "texts with gaps": ({"a": ["u", None, "v"]}, {"missing": "allow", "categorical": ["a"]}),
    "days as categories": ({"a": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 1)]}, {"categorical": ["a"]}),
    "times as categories": ({"a": ZONED}, {"categorical": ["a"]}),
    "decimals": ({"a": [Decimal("1.25"), Decimal("-2.50"), Decimal("3.00")]}, {}),
    "numbers as texts": ({"a": ["1.25", "-2.5", "3"]}, {}),
    "whole numbers too large for a float": ({"a": [2**53, 2**53 + 1, 2**63 - 1]}, {"categorical": ["a"]}),
}  # fmt: skip
FRAMES = {
    "a mapping": lambda columns: columns,
    "pandas": lambda columns: import_module("pandas").DataFrame(columns),
    "pandas' own types": lambda columns: import_module("pandas").DataFrame(columns).convert_dtypes(),
    "polars": lambda columns: import_module("polars").DataFrame(columns),
}


@pytest.mark.parametrize("case", TYPED)
def test_columns_with_types_are_what_training_read_in_a_frame_and_in_every_file(case, tmp_path) -> None:
    columns, options = TYPED[case]
    parquet = pytest.importorskip("pyarrow.parquet", reason="writes the file")
    arrow = import_module("pyarrow")
    table = arrow.table({**columns, "y": [1.5, 2.5, 3.5]})
    parquet.write_table(table, tmp_path / "d.parquet")
    import_module("pyarrow.feather").write_feather(table, tmp_path / "d.arrow", compression="uncompressed")
    data = load(tmp_path / "d.parquet", options)
    for name in ("d.parquet", "d.arrow"):
        np.testing.assert_array_equal(rows_of(tmp_path / name, data, options), data.inputs, err_msg=name)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("case", TYPED)
def test_a_frame_is_read_to_predict_as_it_is_to_train(case, frame) -> None:
    columns, options = TYPED[case]
    given = columns_of(FRAMES[frame]({**columns, "y": [1.5, 2.5, 3.5]}))
    data = read_frame(given, given.fingerprint(), **options)
    np.testing.assert_array_equal(of_columns(InputSpec.of(data), FRAMES[frame](columns), options), data.inputs)


def test_times_in_a_frame_are_in_no_format_and_truth_may_be_counted(tmp_path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("sold,garden,number,y\n02.07.2022,true,1,1\n29.02.2024,false,0,2\n")
    data = load(path, {"dates": {"sold": "%d.%m.%Y"}})
    frame = {"number": [True, False], "garden": [1, 0.0], "sold": [date(2022, 7, 2), datetime(2024, 2, 29)]}
    np.testing.assert_array_equal(of_columns(InputSpec.of(data), frame), data.inputs)
    with pytest.raises(DataError, match="the rows given: row 2: column 'garden': '2' is not one of 'false', 'true'"):
        of_columns(InputSpec.of(data), {**frame, "garden": [1, 2]})
    with pytest.raises(DataError, match=r"row 1: column 'sold': 'soon' is no date as '%d.%m.%Y' has it"):
        of_columns(InputSpec.of(data), {**frame, "sold": ["soon", "29.02.2024"]})


def test_columns_without_names_are_taken_by_their_places(tmp_path) -> None:
    frames = pytest.importorskip("pandas", reason="its columns are called 0, 1 and so on where nobody named them")
    path = tmp_path / "d.csv"
    path.write_text("1.5,2,1\n2.5,3,2\n")
    data = load(path, {})
    np.testing.assert_array_equal(of_columns(InputSpec.of(data), frames.DataFrame(data.inputs)), data.inputs)
