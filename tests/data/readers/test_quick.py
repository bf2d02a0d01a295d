"""The quick parser reads what the other reader reads, to the last bit, or leaves it to that one."""

from __future__ import annotations

import math
import random
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainer.compiler.executors import native_available
from trainer.data import prepare
from trainer.data.readers import quick, whole
from trainer.data.readers.csv_file import read_csv
from trainer.data.readers.quick import NUMBER, SKIP, TEXT, Doubt, Style, cells_of
from trainer.data.readers.spelling import Spelling
from trainer.data.readers.table import DELIMITERS, Layout, read_table
from trainer.errors import DataError

needs_machine = pytest.mark.skipif(not native_available(), reason="no machine, so no parser")


USUAL = Spelling()
PLAIN = Style.of(",", USUAL)


def read(cells, delimiter=",", spelling=USUAL):
    """The numbers of these cells, a row each, beside a column of zeros."""
    piece = "".join(f"{cell}{delimiter}0\n" for cell in cells).encode()
    return cells_of(piece, Style.of(delimiter, spelling), bytes([NUMBER, NUMBER])).numbers[:, 0]


def bits(values):
    return [struct.pack("d", value) for value in values]


def halfway(rng):
    """What lies half way between two doubles in at most 19 digits."""
    odd = rng.getrandbits(53) | 1 << 53 | 1
    halvings = rng.randrange(4)
    text = str(odd * 5**halvings)
    return rng.choice((f"{odd}e{rng.randrange(9)}", f"{text[: len(text) - halvings]}.{text[len(text) - halvings :]}"))


def spelt(rng):
    """A number as somebody might write it; half of them are hard to round."""
    value = math.nan
    while not math.isfinite(value):
        (value,) = struct.unpack("d", rng.randbytes(8))
    beside = math.nextafter(value, 0)
    whole = rng.getrandbits(rng.choice((53, 54, 60, 64, 70)))
    ways = (
        lambda: repr(value),
        lambda: repr(rng.gauss(0, 1)),
        lambda: f"{value:.{rng.randrange(16, 25)}e}",
        lambda: f"{beside / 2 + value / 2:.{rng.choice((17, 19, 25, 60, 200))}e}",
        lambda: f"{2 * whole + 1}e{rng.randrange(-30, 30)}",
        lambda: f"{whole}e{rng.randrange(-345, 290)}",
        lambda: f"{rng.getrandbits(60)}E-{rng.randrange(315, 345)}",
        lambda: f"0.{'0' * rng.randrange(30)}{whole}",
        lambda: f"{rng.choice('+-')}{rng.randrange(10**6)}.{rng.choice(('', '5', '25e+3', '0E-7'))}",
        lambda: halfway(rng),
    )
    return rng.choice(ways)()


@needs_machine
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_the_nearest_double(seed):
    rng = random.Random(seed)  # noqa: S311 # what it draws is no secret
    texts = [text for text in (spelt(rng) for _ in range(20_000)) if math.isfinite(float(text))]
    assert bits(read(texts)) == bits(map(float, texts))


@needs_machine
@pytest.mark.parametrize("sign", ["", "-", "+"])
@pytest.mark.parametrize("end", ["", "e7", "E-25", "e+270"])
def test_the_mark_may_stand_before_behind_and_between_any_number_of_digits(sign, end):
    digits = "9081726354" * 3
    texts = [f"{sign}{digits[:i]}.{digits[i : i + j]}{end}" for i in range(27) for j in range(27) if i + j]
    texts += [f"{sign}{digits[:i]}{end}" for i in range(1, 27)]
    assert all(math.isfinite(float(text)) for text in texts)
    assert bits(read(texts)) == bits(map(float, texts))
    commas = [text.replace(".", ",") for text in texts]
    assert bits(read(commas, ";", Spelling(decimal=","))) == bits(map(float, texts))


@needs_machine
@pytest.mark.parametrize("text", ["7", "-0.5", "3.141592653589793", "-1.2345678901234567e-05", "12345678901234567890"])
def test_a_number_is_the_same_wherever_it_stands_in_a_piece(text):
    for before in range(40):
        for behind in range(40):
            cells = ["1"] * before + [text] + ["2"] * behind
            for piece in (",".join(cells), "\n".join(cells), "\r\n".join(cells) + "\n"):
                columns = piece.count(",") + 1
                numbers = cells_of(piece.encode(), PLAIN, bytes([NUMBER]) * columns).numbers
                assert bits(numbers.ravel()) == bits([1.0] * before + [float(text)] + [2.0] * behind)


# On a tie, next to one, at both ends of what is normal, below it, and the longest ways to say so.
EDGES = (
    "9007199254740993", "9007199254740992.9999999999999999999", "9007199254740993.00000000000000000001",
    "2.2250738585072014e-308", "2.2250738585072011e-308", "2.2250738585072012e-308", "4.9406564584124654e-324",
    "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-400", "-0", "-0.0", "0e999", "1.7976931348623157e308",
    "1.7976931348623158e308", "17976931348623157" + "0" * 292, "0." + "0" * 320 + "494", "1" * 25, "00001", "5.", ".5",
    "1" + "0" * 22, "123456789012345678901234567890e-30", "8.98846567431158e307", "1e22", "1e23", "+7", "1e0000000005",
    "0.000000000000000000000000000000000000000000001", "6.02214076E+23",
)  # fmt: skip


@needs_machine
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_numbers_at_the_edges_of_what_there_is_are_so_too(delimiter):
    assert bits(read(EDGES, delimiter)) == bits(map(float, EDGES))
    around = [f' "{text}"' for text in EDGES] + [f"  {text} " for text in EDGES] + [f'" {text} "' for text in EDGES]
    assert bits(read(around, delimiter)) == bits([float(text) for text in EDGES] * 3)


GERMAN, INDIAN = Spelling(decimal=",", thousands="."), Spelling(thousands=",")


@needs_machine
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_marks_between_digits_change_no_number(seed, delimiter):
    rng = random.Random(seed)  # noqa: S311 # what it draws is no secret
    texts = [text for text in (spelt(rng) for _ in range(5_000)) if math.isfinite(float(text))]
    exact = bits(map(float, texts))
    commas = [text.replace(".", ",") for text in texts]
    assert bits(read([f'"{text}"' for text in commas], delimiter, GERMAN)) == exact
    whole = [rng.randrange(-(10 ** rng.randrange(1, 30)), 10**20) for _ in range(2_000)]
    cells = [f"{value:,}" for value in whole]
    assert bits(read([f'" {cell}.50 "' for cell in cells], delimiter, INDIAN)) == bits(float(f"{v}.5") for v in whole)
    if delimiter == ";":
        assert bits(read(commas, delimiter, GERMAN)) == exact
        german = [f"{cell},".replace(",", ".") + "," for cell in cells]
        assert bits(read([cell[:-2] + "," for cell in german], delimiter, GERMAN)) == bits(map(float, whole))


@needs_machine
@pytest.mark.parametrize(
    "text", ["1.23", "1.2345", "1234.567", "1.234.56", ".123", "1..234", "1.234.5,", "1,5,5", "1.5"]
)
@pytest.mark.parametrize("quotes", ["", '"'])
def test_digits_in_other_groups_are_left_to_the_other_reader(text, quotes):
    with pytest.raises(Doubt):
        read(["1", f"{quotes}{text}{quotes}", "2"], ";", GERMAN)
    assert GERMAN.parse(text) is None


@needs_machine
def test_a_mark_that_is_the_delimiter_too_is_one_in_quotes_alone():
    comma = Spelling(decimal=",")
    assert cells_of(b'1,"2,5"\n"3",4\n', Style.of(",", comma), bytes([NUMBER, NUMBER])).numbers.tolist() == [
        [1, 2.5],
        [3, 4],
    ]
    assert cells_of(b"1,5\n", Style.of(",", comma), bytes([NUMBER, NUMBER])).numbers.tolist() == [[1, 5]]


@needs_machine
def test_own_marks_of_what_is_missing_are_the_only_ones_and_numbers_go_by_value():
    own = Spelling(missing_values=("-", "n.a.", "-999"))
    assert bits(read(["-", "n.a.", "-999", "-999.0", "5"], ",", own)) == bits([math.nan] * 4 + [5.0])
    for other in ("", "NA", "N.A.", "?"):
        with pytest.raises(Doubt):
            read(["1", other], ",", own)


@needs_machine
@pytest.mark.parametrize(
    "text",
    ["inf", "-Infinity", "-nan", "1_000", "0x10", "1e", "1e+", "e5", ".", "+", "-", "--1", "1 2", "１", "٣", "1.5.",
     "1e999", "1,5", '"1', '1"', '"1"2', '""1', '"NA"', "\x0b1", "\x001", "1\x00", "1\r", "\ufeff1", "\xa01", "1e5x",
     "1e5e5", "1.5-", "1.2.3", "1e+5.0", "1e" + "0" * 200_000 + "1",
     "9" * 900, "1" + " " * 200_000, "0" * 200_000 + "1", '\t"1"', '"1"\x00', "None", "n", "nul", "nanx", "?1"],
)  # fmt: skip
def test_what_is_no_plain_number_is_left_to_the_other_reader(text):
    with pytest.raises(Doubt):
        read(["1", text, "2"])


@needs_machine
def test_what_says_that_a_value_is_missing_is_nan():
    texts = ["", "?", "na", "NA", "n/a", "N/A", "nan", "NaN", "Null", " NA ", "\tnull"]
    assert all(Spelling().is_missing(text.strip()) for text in texts)
    assert bits(read(texts)) == bits([math.nan] * len(texts))
    assert cells_of(b"1,2\n,3\nNA,4", PLAIN, bytes([NUMBER, NUMBER])).gaps == 2


@needs_machine
def test_lines_may_end_in_either_way_and_be_empty():
    for piece in (b"1,2\n3,4\n", b"1,2\r\n3,4", b"\n\n1,2\r\n\n\r\n3,4\n\n"):
        assert cells_of(piece, PLAIN, bytes([NUMBER, NUMBER])).numbers.tolist() == [[1, 2], [3, 4]]
    assert cells_of(b"1\n\n2\r\n 3", PLAIN, bytes([NUMBER])).numbers.tolist() == [[1], [2], [3]]


ODD = (
    "1", "-2.5", "+1", " 7 ", "1_000", "inf", "nan", "", "NA", "?", "1e999", "x", "１", "\t5", '"6"', ' "6"', '\t"6"',
    '"6" ', '" 6"', '"a""b"', '"a,b"', '"a\nb"', '"a\r\nb"', 'a"b', '"', '""', "\x00", "é", "\xa0", "a\rb", "None",
    "007", "true", "no", "2026-01-31", "1,5", "4.9e-324", "0" * 30 + "1", "\ufeff", "-", "12 %", "1 234", "1.234,5",
    '"1,234.5"', "12,34,567", "1.23", "1.2345", "1'234", "5.", ",5", "$3", "-999", "- 3", "1.234.567,", "00,5", "n/a",
)  # fmt: skip


def drawn(rng):
    """A small file, most of whose cells are usual ones."""
    columns = rng.choice((1, 2, 3, 3, 4, 4))
    kinds = [rng.choice((lambda: repr(rng.gauss(0, 1)), lambda: str(rng.randrange(3)), lambda: rng.choice("uvw"),
                         lambda: rng.choice(("yes", "no")))) for _ in range(columns)]  # fmt: skip
    rows = [[kind() for kind in kinds] for _ in range(rng.randrange(2, 60))]
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
        rng.choice(rows)[rng.randrange(columns)] = rng.choice(ODD)
    if rng.random() < 0.1:
        rng.choice(rows).append("1")
    mark = rng.choice(",,,;\t|")
    end = rng.choice(
        ("\n", "\n", "\r\n", "\n\n", "\n \n" if rng.random() < 0.2 else "\n", "\r" if rng.random() < 0.2 else "\n")
    )
    header = [[f"c{j}" for j in range(columns)]] if rng.random() < 0.7 else []
    text = (
        rng.choice(("", "", end, "\ufeff")) + end.join(mark.join(row) for row in header + rows) + rng.choice(("", end))
    )
    return text.encode() if rng.random() < 0.95 else text.encode("latin-1", errors="replace")


def understood(path, **options):
    """All that is read of a file, or the error."""
    try:
        data = read_csv(path, **options)
    except DataError as error:
        return str(error)
    names = data.feature_names, data.class_names, data.categories, data.booleans, data.has_missing, data.task
    return data.inputs.tobytes(), data.targets.tobytes(), names, data.account


OPTIONS = (
    {}, {"missing": "allow"}, {"categorical": "auto"}, {"header": True}, {"header": False}, {"target": 0},
    {"categorical": [0], "missing": "allow"}, {"ignore": [0]}, {"group": 0}, {"weight": 0}, {"task": "classification"},
    {"dates": [0]}, {"target": [0, 1]}, {"delimiter": ";"}, {"encoding": "latin-1"}, {"missing_values": ["1"]},
    {"decimal": ","}, {"decimal": ",", "thousands": "."}, {"thousands": ","}, {"thousands": " "}, {"thousands": "'"},
    {"units": ["%"], "categorical": "auto"}, {"units": ["$"], "decimal": ","}, {"units": ["."]},
    {"missing": "allow", "missing_values": ["", "-", "-999"]}, {"missing": "allow", "missing_values": ["x", "y,1"]},
)  # fmt: skip


@needs_machine
@pytest.mark.parametrize("seed", range(30))
def test_both_readers_understand_a_file_alike_or_say_the_same(seed, tmp_path, monkeypatch):
    rng = random.Random(seed)  # noqa: S311 # what it draws is no secret
    path = tmp_path / "d.csv"
    for _ in range(12):
        path.write_bytes(drawn(rng))
        options = rng.choice(OPTIONS) if rng.random() < 0.7 else {}
        monkeypatch.setattr(quick, "BYTES", rng.choice((1, 50, 2**19)))
        monkeypatch.setattr(whole, "TRIED", rng.choice((1, 5, 100)))
        one = understood(path, **options)
        with monkeypatch.context() as without:
            without.setattr(whole, "can_read", lambda *_: False)
            other = understood(path, **options)
        assert one == other, (path.read_bytes(), options)


UNITS = (
    ["%"],
    ["$", "kg"],
    ["kg", "g"],
    ["€", "°C"],
    ["'"],
    ["e"],
    ["m/s"],
    ["na"],
    ["x y"],
    [";"],
    ["kg", "kg"],
)


def with_unit(rng, units):
    """A number with a unit on either side, or none, blanks here and there; some are none."""
    blank = lambda: rng.choice(("", "", "", " ", "\t", "\xa0"))  # noqa: E731 # said seven times
    unit = lambda share: rng.choice(units) if rng.random() < share else ""  # noqa: E731
    sign, other = (rng.choice(("", "", "-", "+")) for _ in range(2))
    number = rng.choice(("5", "0", "2.50", ".5", "1e3", "7.", f"{rng.gauss(0, 1):.17g}", "", "1'234", "9" * 30))
    front, behind = rng.choice(((0.9, 0.05), (0.05, 0.9)))
    other = other if rng.random() < 0.1 else ""
    cell = f"{sign}{blank()}{unit(front)}{blank()}{other}{number}{blank()}{unit(behind)}{blank()}"
    return f'"{cell}"' if rng.random() < 0.1 else cell


@needs_machine
@pytest.mark.parametrize("units", UNITS, ids="|".join)
def test_both_readers_understand_units_alike(units, tmp_path, monkeypatch):
    rng = random.Random(repr(units))  # noqa: S311 # what it draws is no secret
    path = tmp_path / "d.csv"
    quickly = 0
    for _ in range(150):
        delimiter = rng.choice(",;\t")
        cells = [with_unit(rng, units) for _ in range(rng.randrange(1, 5))]
        path.write_text("a;b\n".replace(";", delimiter) + "".join(f"{cell}{delimiter}1\n" for cell in cells))
        options = {"units": units, "delimiter": delimiter, **rng.choice(({}, {"thousands": "'"}, {"missing": "allow"}))}
        one = understood(path, **options)
        table = whole.quick_table(path, None, Layout(delimiter), Spelling.of(options))
        quickly += table is not None and len(table.values) == 2
        with monkeypatch.context() as without:
            without.setattr(whole, "can_read", lambda *_: False)
            other = understood(path, **options)
        assert one == other, (path.read_bytes(), options)
    assert quickly > 3 or units in (["kg", "g"], ["kg", "kg"]), "the parser has read hardly a file of them"


@needs_machine
def test_the_texts_of_a_column_of_numbers_are_there_for_who_wants_them(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("a,b,c\n" + "".join(f"00{i % 3},{i}.50,{'uv'[i % 2]}\n" for i in range(2000)))
    table = whole.quick_table(path, None, Layout(), Spelling())
    other = read_table(path, None, Layout())
    assert table is not None
    assert sorted(table.values) == [0, 1]
    assert [list(table.cells(j)) for j in range(3)] == [list(column) for column in other.columns]
    assert table.indices(0, "category", codes=True)[1] == ("000", "001", "002")
    assert str(table.error(1500, 1, "odd")) == f"{path}:1502: column 'b': odd"
    table = whole.quick_table(path, None, Layout(), Spelling())
    path.write_text("a,b,c\n1,2,u\n")
    for ask in (lambda: table.cells(0), lambda: table.numbers(0, "") if table.missing(0) else table.cells(0)):
        with pytest.raises(DataError, match=r"d\.csv was changed while it was read"):
            ask()
    assert str(table.error(1500, 1, "odd")) == f"{path} was changed while it was read"


@needs_machine
def test_a_column_that_turns_out_to_be_text_is_read_as_one(tmp_path, monkeypatch):
    path = tmp_path / "d.csv"
    path.write_text("a,b,c\n" + "1,2,3\n" * 3000 + "x,2,3\n" + "1,y,3\n")
    table = whole.quick_table(path, None, Layout(), Spelling())
    assert table is not None
    assert list(table.values) == [2]
    with pytest.raises(DataError, match=r"d\.csv:3002: column 'a': 'x' is not a finite number; put one there"):
        read_csv(path)
    monkeypatch.setattr(whole, "MOST_TRIALS", 2)
    assert whole.quick_table(path, None, Layout(), Spelling()) is None


@needs_machine
def test_a_file_is_read_quickly_where_it_can_be(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.data.readers.csv_file.read_table", lambda *_: pytest.fail("the other reader reads"))
    path = Path(tmp_path / "d.csv")
    values = np.random.default_rng(0).normal(size=(3000, 5))
    path.write_text("a,b,c,d,e\n" + "\n".join(",".join(map(repr, row)) for row in values.tolist()))
    monkeypatch.setattr(whole, "SPARE", 0.01)  # so that more rows come than were expected
    monkeypatch.setattr(quick, "BYTES", 10_000)
    data = read_csv(path)
    assert data.inputs.tobytes() == values[:, :4].tobytes()
    assert data.targets.tobytes() == values[:, 4].tobytes()


@needs_machine
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_pieces_are_read_into_memory_that_is_at_hand(threads, tmp_path, monkeypatch):
    pieces = []
    room_for = quick._room_for
    monkeypatch.setattr(quick, "BYTES", 1000)
    monkeypatch.setattr(quick, "processors", lambda: threads)
    monkeypatch.setattr(quick, "_room_for", lambda piece, *others: pieces.append(piece) or room_for(piece, *others))
    rng = np.random.default_rng(threads)
    rows = [[repr(rng.normal()), "u" * rng.integers(1, 900 if i % 7 == 3 else 9), str(i)] for i in range(3000)]
    path = tmp_path / "d.csv"
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    table = whole.quick_table(path, None, Layout(), Spelling())
    assert table is not None
    assert [float(row[0]) for row in rows] == table.values[0].tolist()
    assert [row[1] for row in rows] == table.cells(1)
    assert len(pieces) > 60
    assert len({id(piece) for piece in pieces}) <= threads + 2


@needs_machine
def test_kinds_that_are_skipped_may_hold_anything_a_cell_may():
    piece = '1,é,"a,\n""b",2\n3,x y,,4\n'.encode()
    some = cells_of(piece, PLAIN, bytes([NUMBER, SKIP, TEXT, NUMBER]))
    assert some.numbers.tolist() == [[1, 2], [3, 4]]
    assert some.texts == [['a,\n"b', ""]]
    with pytest.raises(Doubt):
        cells_of(b"1,\xff,a,2\n", PLAIN, bytes([NUMBER, SKIP, TEXT, NUMBER]))


@needs_machine
@pytest.mark.parametrize("target", range(6))
@pytest.mark.parametrize("between", ["", "\n"], ids=["lines", "empty lines"])
def test_columns_that_lie_side_by_side_are_not_put_together_again(target, between, tmp_path, monkeypatch):
    monkeypatch.setattr(quick, "BYTES", 5_000)
    values = np.random.default_rng(0).normal(size=(2000, 6))
    path = tmp_path / "d.csv"
    path.write_text("".join(",".join(map(repr, row)) + "\n" + between for row in values.tolist()))
    data = read_csv(path, target=target)
    inputs = np.delete(values, target, axis=1)
    assert data.inputs.tobytes() == inputs.tobytes()
    assert data.inputs.flags.c_contiguous == (0 < target < 5)
    copied = replace(data, inputs=inputs)
    for options in ({}, {"standardize": True}):
        one, other = (prepare(some, targets="values", **options) for some in (data, copied))
        assert one.train.inputs.tobytes() == other.train.inputs.tobytes()
        assert one.test.inputs.tobytes() == other.test.inputs.tobytes()
