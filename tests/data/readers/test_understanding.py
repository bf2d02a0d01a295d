# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Files as people have them: what is read of them, or refused with what to say, which then is what is read."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from trainer.data import load, read_csv
from trainer.errors import DataError
from trainer.limits import admits

ROWS = range(1, 41)
FRACTIONS = [f"{i / 7:.3f},{i / 3:.3f},{i / 9:.3f}" for i in ROWS]
LABELLED = [f"{i / 7:.3f},{i / 3:.3f},{'cat' if i % 2 else 'dog'}" for i in ROWS]


def lines(*rows: str) -> str:
    return "\n".join([*rows, ""])


def columns(first: str, row: str) -> str:
    """A header and forty rows, in which N is the number of the row and M one that comes again."""
    return lines(first, *(row.replace("N", str(i)).replace("M", f"{i % 12 + 1:02}") for i in ROWS))


# A file, what is said, a part of the message, and then, for each of its ways out as it stands there, the columns that
# are read when it is followed.
HINTS: list[tuple[str, dict[str, Any], str, dict[str, list[str]]]] = [
    (
        lines("2019,2020,2021", *FRACTIONS),
        {},
        "d.csv:1: line 1 is 2019, 2020, 2021: whole numbers in ascending order, and the rows below are unlike it; say",
        {"header: true": ["2019", "2020"], "header: false": []},
    ),
    (lines("0,1,2", *FRACTIONS), {}, "d.csv:1: line 1 is 0, 1, 2: whole numbers", {"header: true": ["0", "1"]}),
    (lines("0,1,label", *LABELLED), {}, "line 1 is 0, 1, label: whole numbers", {"header: true": ["0", "1"]}),
    (
        lines("2,0,label", *LABELLED),
        {},
        "line 1 is 2, 0, label: whole numbers, all different, and the rows below are unlike it",
        {"header: true": ["2", "0"], "header: false": []},
    ),
    (
        lines("red,round,apple", *["green,round,apple", "red,long,banana"] * 20),
        {"categorical": "auto"},
        "d.csv:1: 'red' in this line is also a value of column 0, in line 3;",
        {"header: false": ["0=green", "0=red", "1=long", "1=round"]},
    ),
    (
        lines("a,2021-01-03", *["1,2.5", "2,3.5"] * 20),
        {},
        "d.csv:1: '2021-01-03' is rather a date than the name of a column; say",
        {"header: true": ["a"]},
    ),
    (lines("1,5;2,5", *["2,5;3,5"] * 9), {"delimiter": ";"}, "'1,5' is rather a number than the name of a column", {}),
    (
        columns("a,y", '"1,23M",N'),
        {},
        "d.csv:2: column 'a': '1,2302' is a number as people write it: say decimal: ',' if it is 1.2302",
        {"decimal: ','": ["a"]},
    ),
    (
        columns("a,y", '"1,0M",N'),
        {"categorical": "auto"},
        "'1,002' is a number as people write it: say thousands: ',' if it is 1002 or decimal: ',' if it is 1.002; or name the column under categorical: [a]",
        {"thousands: ','": ["a"], "decimal: ','": ["a"], "categorical: [a]": ["a=1,001"]},
    ),
    (
        columns("a,y", "M %,N"),
        {"categorical": "auto"},
        "'02 %' is a number as people write it",
        {"units: ['%']": ["a"]},
    ),
    (columns("a,y", "$M,N"), {"categorical": "auto"}, "'$02' is a number", {"units: ['$']": ["a"]}),
    (columns("a;y", "1.0M,5 €;N"), {}, "'1.002,5 €'", {"thousands: '.', decimal: ',', units: ['€']": ["a"]}),
    (columns("a,y", "1 0M,N"), {"categorical": "auto"}, "'1 002'", {"thousands: ' '": ["a"]}),
    (
        columns("x;y", "N.5;N"),
        {"decimal": ","},
        "column 'x': '1.5' is a number as people write it: say decimal: '.' if it is 1.5",
        {"decimal: '.'": ["x"]},
    ),
    (
        columns("a,b,y", "N,M,N"),
        {"target": "a,b"},
        "no column 'a,b'; for several say target: [a, b]",
        {"target: [a, b]": ["y"]},
    ),
    (
        columns("a,y", "N,N").replace("\n7,7\n", "\n#DIV/0!,7\n").replace("\n9,9\n", "\n-,9\n"),
        {},
        "d.csv:8: column 'a': '#DIV/0!' is not a number; if it says that a value is missing, say missing_values: ['', '#DIV/0!', '-'], missing: allow",
        {"missing_values: ['', '#DIV/0!', '-'], missing: allow": ["a"]},
    ),
    (
        columns("sep=;\na;b;y", "N;M;N"),
        {"delimiter": ";"},
        "line 1 tells a spreadsheet what separates the cells: say comment: 'sep='",
        {"comment: 'sep='": ["a", "b"]},
    ),
    (columns("x;y", "N;N,5"), {}, "column 'y': '1,5' is a number as people write it", {"decimal: ','": ["x"]}),
    (columns("x,y", 'N,"$N,234.00"'), {}, "column 'y': '$1,234.00'", {"thousands: ',', units: ['$']": ["x"]}),
    (columns("x,y", "N,$3N0.10"), {}, "column 'y': '$310.10' is a number", {"units: ['$']": ["x"]}),
    (
        columns("sold,x,y", "2022-07-M,N,N"),
        {},
        "d.csv:2: column 'sold': '2022-07-02' is a date: say dates: [sold] for year, month, day and weekday as columns, or ignore: [sold]",
        {"dates: [sold]": ["sold.year", "sold.month", "sold.day", "sold.weekday", "x"], "ignore: [sold]": ["x"]},
    ),
    (columns("sold,x,y", "2022-07-M,N,N"), {"categorical": "auto"}, "is a date", {"dates: [sold]": ["sold.year"]}),
    (
        columns("sold,x,y", "M/07/2022 13:30,N,N"),
        {},
        "dates: {sold: '%d/%m/%Y %H:%M'} or dates: {sold: '%m/%d/%Y %H:%M'}",
        {"dates: {sold: '%m/%d/%Y %H:%M'}": ["sold.year", "sold.month", "sold.day", "sold.weekday", "sold.hour", "x"]},
    ),
    (
        columns("sold,x,y", "M.07.2022,N,N"),
        {"dates": "sold"},
        "is no date as ISO 8601",
        {"dates: {sold: '%d.%m.%Y'}": ["sold.year"]},
    ),
    (columns("x,y", "N,2022-07-M"), {}, "column 'y': '2022-07-02' is a date", {"task: classification": ["x"]}),
    (
        columns("id,x,y", "aN,N,N"),
        {},
        "'a1' is not a finite number; put one there, or ignore: [id]",
        {"ignore: [id]": ["x"]},
    ),
    (
        columns("id,x,y", "aN,N,N"),
        {"categorical": "auto"},
        "d.csv: column 'id' has hardly a text twice, so as categories it would tell nothing: leave it out, ignore: [id], or name it among the columns under categorical",
        {"ignore: [id]": ["x"], "categorical: [id]": ["id=a1", "id=a10"]},
    ),
    (columns(",a,b,y", "N,N,N,N"), {}, "d.csv:1: an empty cell is no name for column 0; ", {"ignore: [0]": ["a", "b"]}),
    (
        lines(",a,y", *(f"{i},{i},{i}" for i in range(30))),
        {},
        "no name for column 0; it seems to be an index, as pandas writes it: say ignore: [0]",
        {"ignore: [0]": ["a"]},
    ),
    (columns("a,a,y", "N,N,N"), {}, "columns 0 and 1 are both named 'a'", {"ignore: [1]": ["a"]}),
    (
        columns("a,b,y,", "N,N,N,"),
        {},
        "column 3; each line seems to end in a delimiter: say ignore: [-1]",
        {"ignore: [-1]": ["a", "b"]},
    ),
    (
        columns("# mine\na,b,y", "N,N,N"),
        {},
        "line 1 begins with '#', as a comment does: say comment: '#' if it is one",
        {"comment: '#'": ["a", "b"]},
    ),
    (
        columns("2,0,1,y", "N,M,N,N"),
        {"header": True, "ignore": [0]},
        'd.csv: 0 is the index of a column and the name of another; in quotes, "0", it is the name of one, and -4 is the index',
        {'ignore: ["0"]': ["2", "1"], "ignore: [-4]": ["0", "1"]},
    ),
    (
        columns("2020,2021,y", "N,N,N"),
        {"header": True, "target": 2021},
        'in quotes, "2021", it is the name',
        {'target: "2021"': ["2020", "y"]},
    ),
    (
        columns("x,y", "-,N").replace("-,7\n", "7,7\n"),
        {},
        "'-' is not a number; if it says that a value is missing, say",
        {"missing_values: ['', '-'], missing: allow": ["x"]},
    ),
    (
        "a|b;y\n" + "".join(f"{1 + i % 2}|{i % 3 % 2};{i % 5 % 2}\n" for i in range(20)),
        {"categorical": "auto", "task": "classification"},
        "d.csv: both ';' and '|' may separate the cells; say delimiter: ';' or delimiter: '|'",
        {"delimiter: ';'": ["a|b=1|0"], "delimiter: '|'": ["a"]},
    ),
    (
        columns("a\ty", "N,5\tN"),
        {"delimiter": ","},
        "'\\t' seems to separate the cells: say delimiter: tab, and decimal: ','",
        {},
    ),
    (
        columns("x,y", "N,caf\udce9M"),
        {},
        "d.csv:2: byte 0xe9 is not UTF-8; say encoding: cp1252 if this is right: '1,café02', or save the file as UTF-8",
        {"encoding: cp1252": ["x"]},
    ),
]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes, name: str = "d.csv") -> str:
        Path(name).write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        return name

    return write


@pytest.mark.parametrize(("text", "options", "message", "ways"), HINTS, ids=[case[2][-50:] for case in HINTS])
def test_what_a_message_says_to_write_is_read_when_it_is_written(write, text, options, message, ways) -> None:
    path = write(text)
    with pytest.raises(DataError) as caught:
        load(path, options)
    assert message in str(caught.value)
    for way, names in ways.items():
        assert way in str(caught.value) or way.partition(": ")[2].strip("[]") in str(caught.value)
        dataset = load(path, {**options, **yaml.safe_load(f"{{{way}}}")})
        assert [*dataset.feature_names][: len(names) or None] == names


def test_marks_between_digits_are_read_by_the_spelling_that_is_said_and_by_no_other(write) -> None:
    path = write('a;y\n"1.234.567,5";1\n-12,25;2\n+3;3\n')
    dataset = read_csv(path, decimal=",", thousands=".")
    assert dataset.inputs[:, 0].tolist() == [1234567.5, -12.25, 3]
    for wrong in ("1.23,5", "1,5,5", "1.2345", "1.234.56", "12.34"):
        with pytest.raises(DataError, match="is not a finite number"):
            read_csv(write(f"a;y\n{wrong};1\n2;2\n"), decimal=",", thousands=".", delimiter=";")


@pytest.mark.parametrize(
    ("cell", "options", "value"),
    [
        ("12 %", {"units": ["%"]}, 12),
        ("12%", {"units": ["%"]}, 12),
        ("-$5", {"units": ["$"]}, -5),
        ("$-5", {"units": ["$"]}, -5),
        ("5 kg", {"units": ["kg", "g"]}, 5),
        ("EUR 1\u202f000", {"units": ["EUR"], "thousands": " "}, 1000),
        ("12,34,567", {"thousands": ","}, 1234567),
        ("1'000.5", {"thousands": "'"}, 1000.5),
        (",5", {"decimal": ","}, 0.5),
        ("1,5e3", {"decimal": ","}, 1500),
    ],
)
def test_a_number_as_people_write_it(write, cell, options, value) -> None:
    assert read_csv(write(f'a;y\n"{cell}";1\n1;2\n'), delimiter=";", **options).inputs[0, 0] == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ",", "thousands": ","}, "decimal and thousands are both ','; a mark is one of the two"),
        ({"decimal": "1"}, "decimal is one mark, such as ',', not '1'"),
        ({"thousands": "::"}, "thousands is one mark, such as ',', not '::'"),
        ({"units": ["3"]}, "units are texts beside numbers, such as '%' or 'kg', not '3'"),
        ({"encoding": "lattin"}, "encoding is the name of an encoding of text, not 'lattin'; did you mean 'latin-1'?"),
        (
            {"encoding": "hex"},
            "encoding is the name of an encoding of text, not 'hex'; usual ones are utf-8, cp1252, latin-1, utf-16",
        ),
        ({"dates": 3.5}, "d.csv: the option dates is columns, or a format for each, not 3.5"),
        ({"missing_values": "-"}, "d.csv: the option missing_values is a list of texts or numbers, not '-'"),
    ],
)
def test_an_option_that_cannot_be_is_refused(write, options, message) -> None:
    with pytest.raises(DataError) as caught:
        load(write("x,y\n1,2\n2,3\n"), options)
    assert str(caught.value) == message


def test_identifiers_go_through_no_float_where_somebody_says_what_they_are(write) -> None:
    path = write("g,x,y\n4e888888,1,2\n5e999999,2,3\n007,3,4\n7,4,5\n7.0,5,6\n")
    assert read_csv(path, group="g").groups.tolist() == [3, 4, 0, 1, 2]
    assert read_csv(path, categorical="g").categories == {"g": ("007", "7", "7.0", "4e888888", "5e999999")}
    path = write("x,y\n1,4e888888\n2,5e999999\n3,007\n4,7\n")
    assert len(read_csv(path, task="classification").class_names) == 4
    with pytest.raises(DataError, match=r"'1\.0' and '1' are one number; spell the class one way"):
        read_csv(write("x,y\n1,1\n2,1.0\n"), task="classification")


@pytest.mark.parametrize("name", ["hexadecimal", "decimal"])
def test_random_names_of_digits_make_groups_and_categories(write, name) -> None:
    rng = np.random.default_rng(0)
    letters = "0123456789abcdef" if name == "hexadecimal" else "0123456789e"
    names = ["".join(rng.choice([*letters], size=8)) for _ in range(400)]
    path = write("id,x,y\n" + "".join(f"{n},{i},{i}\n" for i, n in enumerate(names)))
    assert len(set(read_csv(path, group="id").groups.tolist())) == len(set(names))
    assert len(read_csv(path, categorical="id", encode="index").categories["id"]) == len(set(names))


PANDAS = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"]


@pytest.mark.parametrize("mark", [*PANDAS, "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "NaT", "?"])
def test_what_pandas_takes_for_missing_is_missing(write, mark) -> None:
    path = write(f"x,city,y\n{mark},{mark},1\n2,Rome,2\n")
    dataset = read_csv(path, missing="allow", categorical="auto")
    assert np.isnan(dataset.inputs[0, 0])
    assert dataset.categories == {"city": ("?", "Rome")}
    with pytest.raises(DataError, match="is a missing value"):
        read_csv(path, categorical="auto")


def test_what_is_missing_can_be_said_also_that_nothing_is(write) -> None:
    path = write("x,code,y\n-999.0,NA,1\n2,DE,2\n-999,FR,3\n")
    dataset = read_csv(path, missing="allow", missing_values=[-999], categorical="auto")
    assert np.isnan(dataset.inputs[:, 0]).tolist() == [True, False, True]
    assert dataset.categories == {"code": ("DE", "FR", "NA")}
    assert read_csv(path, missing_values=[], categorical="auto").inputs[0, 0] == -999


def test_words_of_truth_are_one_column_of_0_and_1_and_as_a_target_two_classes(write) -> None:
    path = write("a,b,c,y\nTrue,yes,TRUE,no\nFalse,No,,yes\n")
    dataset = read_csv(path, missing="allow")
    np.testing.assert_array_equal(dataset.inputs, [[1, 1, 1], [0, 0, np.nan]])
    assert (dataset.booleans, dataset.class_names) == (("a", "b", "c"), ("no", "yes"))
    assert read_csv(path, missing="allow", categorical=["a"]).feature_names == ("a=False", "a=True", "b", "c")
    with pytest.raises(DataError, match=r"d\.csv:3: column 'c': an empty cell is a missing value"):
        read_csv(path)
    with pytest.raises(DataError, match=r"d\.csv:2: column 'a': 'true' is not a finite number"):
        read_csv(write("a,y\ntrue,1\nyes,2\n"))


def test_dates_become_numbers_and_a_missing_one_nan(write) -> None:
    dataset = read_csv(
        write("sold,y\n2022-07-02 13:30,1\n,2\n2024-02-29T06:00:36+02:00,3\n"), dates="sold", missing="allow"
    )
    assert dataset.inputs[0].tolist() == [2022, 7, 2, 5, 13.5]
    assert np.isnan(dataset.inputs[1]).all()
    assert dataset.inputs[2].tolist() == [2024, 2, 29, 3, 6.01]
    with pytest.raises(DataError, match=r"d\.csv:2: column 'sold': '30\.02\.2022' is no date as '%d\.%m\.%Y' has it"):
        read_csv(write("sold,y\n30.02.2022,1\n01.02.2022,2\n"), dates={"sold": "%d.%m.%Y"})


def test_columns_that_nobody_uses_need_no_names(write) -> None:
    path = write("id,id,,a,y\n1,2,3,4,5\n2,3,4,5,6\n")
    assert read_csv(path, ignore=[0, 1, 2]).feature_names == ("a",)
    assert read_csv(path, ignore=[0, 2]).feature_names == ("id", "a")
    with pytest.raises(DataError, match="columns 0 and 1 are all named 'id'; give an index"):
        read_csv(path, ignore=["id", 2])


@pytest.mark.parametrize("said", ["\t", "\\t", "tab", None])
def test_a_tab_can_be_said_in_every_way(write, said) -> None:
    assert read_csv(write("x\ty\n1,5\t2\n3,5\t4\n"), delimiter=said, decimal=",").inputs.tolist() == [[1.5], [3.5]]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_delimiter_is_told_by_the_rows(write, mark) -> None:
    path = write(mark.join("xyz") + "\n" + mark.join(["1", "2", '"a, b"']) + "\n" + mark.join(["3", "4", "c"]) + "\n")
    assert read_csv(path).class_names == ("a, b", "c")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8-sig", "UTF8"])
def test_a_text_is_read_in_the_encoding_that_is_said(write, encoding) -> None:
    path = write("größe,y\n1,café\n2,thé\n".encode(encoding))
    dataset = read_csv(path, encoding=encoding)
    assert (dataset.feature_names, dataset.class_names) == (("größe",), ("café", "thé"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(write, encoding) -> None:
    assert read_csv(write("größe,y\n1,2\n2,3\n".encode(encoding))).feature_names == ("größe",)


def zst(content: bytes) -> bytes:
    pyarrow = pytest.importorskip("pyarrow", reason="zst is read by pyarrow")
    return bytes(pyarrow.compress(content, codec="zstd", asbytes=True))


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zst}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("kind", [".csv", ".tsv"])
def test_a_compressed_file_is_read_and_a_damaged_one_refused(write, kind, ending) -> None:
    content = PACKED[ending](b"x\ty\n" + b"1\t2\n3\t4\n" * 5000)
    assert load(write(content, f"d{kind}{ending}")).rows == 10_000
    for bad in (content[:-9], content[:20], b"x,y\n1,2\n"):
        with pytest.raises(DataError, match=rf"e{kind}{ending} is damaged: "):
            load(write(bad, f"e{kind}{ending}"))


def test_comments_are_no_rows_and_lines_are_counted_with_them(write) -> None:
    path = write('# by me, "hand\nx,y\n1,"a\n# b"\n# 2,c\n3,oops,4\n')
    with pytest.raises(DataError, match=r"d\.csv:6: 3 cells, but line 2 has 2"):
        read_csv(path, comment="#")
    path = write('# by me, "hand\nx,y\n1,"a\n# b"\n# 2,c\n3,d\n')
    assert read_csv(path, comment="#").class_names == ("a\n# b", "d")


def test_a_mapping_of_texts_is_held_to_what_it_says() -> None:
    assert admits(dict[str, str], {"a": "b"})
    assert not admits(dict[str, str], {"a": 1})
    assert not admits(dict[str, str], ["a"])


NAMES = ["No", "null", "1e3", "2021", "a: b", "it's", 'say "x"', "true", "size, cm", "-", "#1", "Köln"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["dates", "texts", "one date of many"])
def test_what_a_message_tells_to_write_names_the_column_whatever_it_is_called(name, kind, tmp_path):
    cells = {
        "dates": [f"{day:02}.02.2024" for day in range(1, 21)],
        "texts": [f"text {chr(97 + i)}" for i in range(20)],
        "one date of many": [*map(str, range(19)), "no number"],
    }[kind]
    path = tmp_path / "d.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[name, "x", "y"], *([cell, i, i / 3] for i, cell in enumerate(cells))])
    with pytest.raises(DataError) as raised:
        load(path, {"header": True})
    text = str(raised.value)
    hints = re.findall(r"(?:ignore|dates|categorical): (?:\[.*?\](?=[, ;]|$)|\{.*?\}(?=[, ;]|$))", text)
    assert hints, text
    for hint in hints:
        told = yaml.safe_load(f"{{{hint}}}")
        assert next(iter(told.values())) in ([name], {name: "%d.%m.%Y"}), hint
        assert load(path, {"header": True, **told}).rows == 20


@pytest.mark.parametrize("times", [["1711834200", "1711859400.5"], ["1711834200000"], ["1711834200000000000", ""]])
def test_times_that_are_counted_are_no_dates_in_a_format(times, tmp_path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("".join(["seen,y\n", *(f"{time},1.5\n" for time in times)]))
    way = r"if it counts from 1970 on, write dates in its place, as pandas\.to_datetime makes them, or leave it out "
    with pytest.raises(DataError, match=way):
        load(path, {"dates": ["seen"], "missing": "allow"})
    assert load(path, {"missing": "allow"}).feature_names == ("seen",)
