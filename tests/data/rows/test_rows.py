"""Rows to predict are read as those of training were, by either reader."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from trainer.data.dataset import Dataset
from trainer.data.readers.csv_file import read_csv
from trainer.data.readers.spelling import Spelling
from trainer.data.rows import open_rows
from trainer.data.rows.columns import index_of
from trainer.data.spec import Column, InputSpec, TargetSpec
from trainer.errors import DataError

# What the CSV reader can be told, and what becomes of it where there are no targets: some is told again, `encode` and
# `categorical` stand in the columns, and the roles are columns that are left out.
AGAIN = {"delimiter", "header", "missing", "missing_values", "decimal", "thousands", "units", "encoding", "comment"}
SETTLED = {"target", "task", "categorical", "encode", "dates", "group", "weight", "ignore"}


def test_every_option_of_the_csv_reader_has_its_place_here():
    options = {name for name, p in inspect.signature(read_csv).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert options == AGAIN | SETTLED, "rows to predict have to be read with it too: trainer.data.rows.csv_rows"


NUMBERS = [
    "1",
    "-2.5",
    "1e3",
    "1E-4",
    ".5",
    "5.",
    "-0",
    "00012",
    "0.1",
    "1234567890123456789",
    "4.9e-324",
    "1.7976931348623157e308",
]
ODD = ["+1", " 7 ", "1_000", "0x10", "inf", "-Infinity", "nan", "NaN", "", "NA", "?", "null", "1e999", "1,5", "x", "１"]
TEXTS = ["Rome", "Paris", " Rome ", "Oslo", "rome", "", "NA", '"Paris"', "Bonn"]


def read(path, spec, reading=None):
    """The rows, or the error."""
    try:
        return np.concatenate([block.values for block in open_rows(path, spec, reading or {}).blocks])
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_both_readers_read_the_same_or_say_the_same(seed, missing, tmp_path, monkeypatch):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 400))
    cells = [[str(rng.choice(NUMBERS)), str(rng.choice(TEXTS[:2])), repr(float(rng.normal()))] for _ in range(rows)]
    for _ in range(int(rng.integers(0, 3))):  # or nothing out of the way
        row, column = int(rng.integers(rows)), int(rng.integers(3))
        cells[row][column] = str(rng.choice(TEXTS if column == 1 else ODD))
    path = tmp_path / "rows.csv"
    end = str(rng.choice(["\n", "\r\n", "\n\n"]))
    path.write_text(end.join(["a,city,b", *(",".join(row) for row in cells)]) + str(rng.choice(["", end])), newline="")
    spec = InputSpec((4,), ("a", "b", "city=Paris", "city=Rome"), {"city": ("Paris", "Rome")}, {}, missing)
    quick = read(path, spec)
    monkeypatch.setattr("trainer.data.rows.csv_rows.can_read", lambda *_: False)
    own = read(path, spec)
    assert type(quick) is type(own)
    if isinstance(own, str):
        assert quick == own
    else:
        assert np.array_equal(quick, own, equal_nan=True)
        if "" not in [cell for row in cells for cell in row]:
            assert quick.tobytes() == own.tobytes()


def test_rows_are_those_that_the_reader_of_training_gave(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a;city;sold;b\n1;Rome;yes;2\n3;Paris;no;4\n5;Rome;no;6\n")
    for encode in ("one_hot", "index"):
        data = read_csv(path, target="sold", delimiter=";", categorical=["city"], encode=encode)
        spec = InputSpec.of(data)
        assert np.array_equal(read(path, spec, {"delimiter": ";"}), data.inputs)
        assert TargetSpec.of(data) == TargetSpec("classification", ("no", "yes"), ("sold",))


def test_a_column_may_be_called_as_a_category_is():
    spec = InputSpec((4,), ("city=Rome", "city=Paris", "city=Rome", "x"), {"city": ("Paris", "Rome")})
    assert spec.columns == (Column("city=Rome"), Column("city", ("Paris", "Rome"), one_hot=True), Column("x"))


def test_places_are_no_names_and_rows_of_pictures_have_no_columns():
    assert not InputSpec((3,), ("0", "2=a", "2=b"), {"2": ("a", "b")}).named
    assert not InputSpec((3,)).named
    assert InputSpec((2,), ("a", "1")).named
    assert InputSpec((4, 4, 1)).columns == ()


def test_a_file_without_a_header_has_categories_by_their_places(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("1,Rome,7\n2,Paris,8\n3,Rome,9\n")
    data = read_csv(path, categorical=[1])
    reading = {"delimiter": ",", "categorical": [1]}
    assert np.array_equal(read(path, InputSpec.of(data), reading), data.inputs)
    path.write_text("1,Rome\n2,Oslo\n")
    assert read(path, InputSpec.of(data), reading) == (
        f"{path}:2: column 1: 'Oslo' is a category that no training row had; they had 'Paris', 'Rome'"
    )


@pytest.mark.parametrize(
    ("categories", "cell", "index"),
    [
        (("1", "2", "?"), "2.0", 1),
        (("1.0", "2.0"), "2", 1),
        (("-1", "1"), "-1.0", 0),
        (("2", "2.0"), "2.0", 1),
        (("2", "2.0"), "2", 0),
        (("2", "2.0"), "2.00", None),  # either
        (("2", "02"), "02.0", 1),
        (("2", "3"), "2.5", None),
        (("1.1", "1"), "1.10", None),  # a version is no number
        (("a", "b"), "c", None),
    ],
)
def test_a_whole_number_is_the_category_that_it_is_with_decimals_too(categories, cell, index):
    assert index_of(Column("grade", categories), cell, Spelling()) == index


def test_what_a_spec_is_survives_json():
    import json

    data = Dataset("d", np.zeros((2, 3)), np.array([0.0, 1.0]), "regression", (), ("a", "b", "c"), target_names=("y",))
    spec, targets = InputSpec.of(data), TargetSpec.of(data)
    assert InputSpec.from_plain(json.loads(json.dumps(spec.plain()))) == spec
    assert TargetSpec.from_plain(json.loads(json.dumps(targets.plain()))) == targets


def pieces_of(monkeypatch, size):
    monkeypatch.setattr("trainer.data.readers.quick.BYTES", size)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("header", ['"a",b\n', "\n\na,b\n", 'a,"b"\r\n', ""])
def test_where_a_file_is_cut_changes_no_number(header, mark, end, tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    values = np.random.default_rng(3).normal(size=(50, 2))
    lines = [f"{a!r}, {b!r}" for a, b in values.tolist()]
    path.write_text(mark + header.replace("\n", end) + end.join(lines), encoding="utf-8", newline="")
    spec = InputSpec((2,), ("a", "b") if header else ())
    for size in (1, 37, 64, 500, 2**20):
        pieces_of(monkeypatch, size)
        assert read(path, spec).tobytes() == values.tobytes()


def test_a_cell_may_hold_the_end_of_a_line_wherever_the_file_is_cut(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    cells = ['"two\nlines"', "plain", '"1,""2\n3,4"', '5" x', '"a\n\n,b"', '"\n1,2\n"']
    rows = [f"{i},{cells[i % 6]},{i + 0.5}" for i in range(60)]
    path.write_text("\n".join(["a,note,b", *[f"{i},-,0.5" for i in range(20)], *rows]) + "\n")
    spec = InputSpec((2,), ("a", "b"))
    expected = [[i, 0.5] for i in range(20)] + [[i, i + 0.5] for i in range(60)]
    for size in range(1, 300, 7):
        pieces_of(monkeypatch, size)
        assert read(path, spec).tolist() == expected


def test_a_byte_order_mark_within_a_file_is_refused_wherever_the_file_is_cut(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n\ufeff3,4\n", encoding="utf-8")
    spec = InputSpec((2,), ("a", "b"))
    said = f"{path}:3: column 'a': '\\ufeff3' is not a finite number; put one there"
    for size in (1, 4, 100):
        pieces_of(monkeypatch, size)
        assert read(path, spec) == said


def test_a_line_longer_than_the_parser_is_given_is_read_all_the_same(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n" + " " * 300 + "3,4\n5,6\n")
    pieces_of(monkeypatch, 8)
    monkeypatch.setattr("trainer.data.readers.quick.LONGEST", 100)
    assert read(path, InputSpec((2,), ("a", "b"))).tolist() == [[1, 2], [3, 4], [5, 6]]
