# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Texts as windows of characters or bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.data import Split, load
from trainer.data.readers.text_file import BYTES, decode, encode, windows
from trainer.errors import DataError


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes) -> str:
        Path("poem.txt").write_bytes(text.encode() if isinstance(text, str) else text)
        return "poem.txt"

    return write


def test_targets_are_the_inputs_one_further_on(write) -> None:
    text = "Über\tdie\nBrücke\\"
    dataset = load(write(text), {"length": 4, "stride": 3})
    assert dataset.class_names == ("\\t", "\\n", "B", "\\\\", "b", "c", "d", "e", "i", "k", "r", "Ü", "ü")
    assert dataset.inputs.shape == dataset.targets.shape == (4, 4)
    assert [decode(row, dataset.class_names) for row in dataset.inputs] == ["Über", "r\tdi", "ie\nB", "Brüc"]
    assert [decode(row, dataset.class_names) for row in dataset.targets] == ["ber\t", "\tdie", "e\nBr", "rück"]
    assert dataset.inputs.dtype == np.float64
    assert dataset.targets.dtype == np.int64


def test_windows_only_touch_unless_stride_says_otherwise(write) -> None:
    path = write("0123456789")
    assert load(path, {"length": 3}).inputs.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert load(path, {"length": 3, "stride": 1}).rows == 7
    assert load(path, {"length": 9}).rows == 1


def test_bytes_have_the_same_classes_for_every_text(write) -> None:
    dataset = load(write("né\n"), {"unit": "bytes", "length": 3})
    assert dataset.class_names == BYTES
    assert dataset.inputs.tolist() == [[0x6E, 0xC3, 0xA9]]
    assert dataset.targets.tolist() == [[0xC3, 0xA9, 0x0A]]
    assert [BYTES[i] for i in (0x0A, 0x41, 0xC3)] == ["0x0a", "A", "0xc3"]
    assert decode(dataset.inputs, BYTES) == "né"


def test_a_byte_order_mark_is_none_of_the_text_and_line_ends_stay(write) -> None:
    assert load(write("\ufeffa\r\nb"), {"length": 2}).class_names == ("\\n", "\\r", "a", "b")


def test_what_is_encoded_is_decoded() -> None:
    names = ("\\n", "\\u200b", "\\x00", "\\\\", "'", "a", "日")
    text = "a\n\u200b\0\\'日"
    assert decode(encode(text, names), names) == text


BAD: list[tuple[str | bytes, dict[str, Any], str]] = [
    ("", {}, "poem.txt is empty; a data set needs at least one row"),
    (
        "ab",
        {"length": 2},
        "poem.txt has 2 characters, and a row of length 2 needs 3: the characters and what follows the last; use a smaller length",
    ),
    (
        "é",
        {"length": 2, "unit": "bytes"},
        "poem.txt has 2 bytes, and a row of length 2 needs 3: the bytes and what follows the last; use a smaller length",
    ),
    ("aaaa", {"length": 2}, "data set 'poem.txt' has one class only, 'a': a classification needs at least two classes"),
    ("abcd", {"length": 0}, "poem.txt: length is a whole number of at least 1, not 0"),
    ("abcd", {"length": 2, "stride": -1}, "poem.txt: stride is a whole number of at least 1, not -1"),
    ("abcd", {"unit": "words"}, "poem.txt: the option unit is 'characters' or 'bytes', not 'words'"),
    ("abcd", {"length": 2.5}, "poem.txt: the option length is a whole number, not 2.5"),
    ("abcd", {"lenght": 2}, "poem.txt has no option 'lenght'; did you mean 'length'?"),
    (
        b"a\nb\xff",
        {},
        "poem.txt:2: byte 0xff is not UTF-8; say encoding: cp1252 if this is right: 'bÿ', or save the file as UTF-8",
    ),
]


@pytest.mark.parametrize(("content", "options", "message"), BAD, ids=[case[-1][:50] for case in BAD])
def test_a_bad_text_is_refused_with_its_exact_message(
    content: str | bytes, options: dict[str, Any], message: str, write
) -> None:
    path = write(content)
    with pytest.raises(DataError) as caught:
        load(path, options)
    assert str(caught.value) == message


def test_a_character_of_another_text_is_refused() -> None:
    with pytest.raises(DataError, match=r"^'z' is not among the 2 characters of the data set$"):
        encode("az", ("a", "b"))


@pytest.mark.parametrize(
    ("mark", "between"),
    [
        (",", "',' between them"),
        ("\t", "'\\t' between them"),
        ("  ", "spaces between them, for which write one comma each"),
    ],
)
def test_a_table_is_no_text_unless_its_windows_are_said(write, mark, between) -> None:
    table = "".join(mark.join((f"{i}.5", "ab"[i % 2], str(i))) + "\n" for i in range(40))
    path = write(table)
    with pytest.raises(DataError) as caught:
        load(path)
    assert f"its lines are rows of 3 cells, {between}: as a table it has another name, poem.csv;" in str(caught.value)
    assert "length: 64" in str(caught.value)
    assert load(path, {"length": 64}).inputs.shape[1:] == (64,)
    Path("poem.csv").write_text(table.replace(mark, ",") if mark == "  " else table)
    assert load("poem.csv", {"categorical": "auto"}).rows == 40


@pytest.mark.parametrize(
    "text",
    ["It was, as it were, a night\nof words, of rain, of stone\n" * 9, "1\n2\n3\n" * 9, "a,b\nc,d\n" * 9,
     "one two\nthree four\n" * 9],
)  # fmt: skip
def test_a_text_is_one_where_no_column_of_many_rows_is_of_numbers(write, text) -> None:
    assert load(write(text + text)).inputs.shape[1:] == (64,)


@pytest.mark.parametrize("stride", [1, 5, 31])
@pytest.mark.parametrize("characters", [400, 5000])
@pytest.mark.parametrize("validation_fraction", [0.0, 0.3])
def test_no_character_of_a_window_that_overlaps_is_in_two_parts(stride, characters, validation_fraction):
    text = "".join(chr(0x4E00 + i) for i in range(characters))  # every character once
    data = windows("t", text, length=32, stride=stride)
    options = {"test_fraction": 0.4, "validation_fraction": validation_fraction if characters > 400 else 0.0}
    parts = [part for part in Split(**options).divide(data, 1) if len(part)]
    seen = [set(np.hstack([data.inputs[part].ravel(), data.targets[part].ravel()])) for part in parts]
    assert len(set.union(*seen)) == sum(map(len, seen))


def test_windows_that_only_touch_have_no_groups():
    assert windows("t", "to be or not to be", length=4).groups is None
