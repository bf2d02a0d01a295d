# ruff: noqa: E501 - what a message says stands in one piece, as it is looked for
"""What messages about data say to do with a file is done to it, and then it is read."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas
import pytest

from tests.hints import Advice
from trainer.data import Dataset, Split, load, prepare
from trainer.data.prepared import Prepared
from trainer.data.rows import open_rows
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.types import Array

X, Y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1])
NAMED = {"x": X, "y": Y}
IMAGES = "train-images-idx3-ubyte"
PATIENTS = "patient,x,y\n" + "".join(f"{i % 5},{i},{i}.5\n" for i in range(20))
TRAINED = "a,b,kind\n1,2,low\n3,4,high\n"


def text(content: str | bytes, name: str = "d.csv", **options: Any) -> Dataset:
    """What is read of a file with that in it."""
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return load(name, options)


def arrays(name: str = "d.npz", **named: Any) -> Dataset:
    """What is read of a file with these arrays in it."""
    with Path(name).open("wb") as file:
        np.savez(file, **named)
    return load(name)


def renamed(old: str, new: str, name: str = "d.npz") -> Dataset:
    """What is read of a file once one of its arrays has another name, or, without one, is not there."""
    with np.load(name) as file:
        return arrays(name, **{new if key == old else key: file[key] for key in file if key != old or new})


def moved(old: str, new: str, name: str, **options: Any) -> Dataset:
    """What is read of a file or folder after something in it was given another name."""
    Path(old).rename(new)
    return load(name, options)


def without(line: int, name: str = "d.csv") -> Dataset:
    """What is read of a file without one of its lines, counted from 1."""
    lines = Path(name).read_text().splitlines(keepends=True)
    return text("".join([*lines[: line - 1], *lines[line:]]), name)


def replaced(old: str, new: str, name: str = "d.csv", **options: Any) -> Dataset:
    content = Path(name).read_text()
    assert old in content
    return text(content.replace(old, new), name, **options)


def new_rows(content: str | bytes | None = None, name: str = "new.csv") -> Array:
    """The rows to predict of a file, perhaps with that in it, for a model that was trained on columns a and b."""
    spec = InputSpec.of(text(TRAINED, "trained.csv"))
    if content is not None:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return np.concatenate([block.values for block in open_rows(Path(name), spec, {}).blocks])


def mapped(save: Callable[[], object]) -> Dataset:
    """What is read of a folder of arrays, after something was saved there."""
    Path("big").mkdir(exist_ok=True)
    np.save("big/targets.npy", Y)
    save()
    return load("big")


def packed() -> None:
    """Several arrays under the name of one."""
    np.savez("several", x=X, y=Y)
    Path("several.npz").rename("big/inputs.npy")


def zipped(entry: str, content: bytes, name: str = "d.npz") -> Dataset:
    with ZipFile(name, "w") as archive:
        archive.writestr(entry, content)
    return load(name)


def each_saved() -> None:
    with np.load("big/inputs.npy") as file:
        inputs, targets = file["x"], file["y"]
    np.save("big/inputs.npy", inputs)
    np.save("big/targets.npy", targets)


def idx(name: str, array: Array, code: int = 8) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    Path(name).write_bytes(head + array.astype(np.uint8).tobytes())


def images(name: str = IMAGES) -> Dataset:
    idx(name, np.arange(12).reshape(3, 2, 2))
    idx("answers.idx", Y)
    return load(name)


def table(**options: Any) -> Dataset:
    np.save("d.npy", np.column_stack([X, Y]))
    return load("d.npy", options)


def parts_of_a_table() -> Dataset:
    values = np.load("d.npy")
    np.save("inputs.npy", values[:, :-1])
    np.save("FILE.npy", values[:, -1])
    return load("inputs.npy", {"mapped": True, "targets": "FILE.npy"})


def grouped(data: Dataset) -> Prepared:
    return prepare(data, targets="values", split=Split(by="grouped"))


ADVICE = [
    Advice(
        lambda: arrays(**NAMED, weight=np.ones(3)),
        "has an array 'weight'; rename it 'weights' if that is what it is",
        (lambda: renamed("weight", "weights"),),
    ),
    Advice(
        lambda: arrays(**{"x": X, "inputs.a": X, "y": Y}),
        "has inputs 'x' and 'inputs.a'; give each a name, inputs.NAME",
        (lambda: renamed("x", "inputs.NAME"),),
    ),
    Advice(
        lambda: table(mapped=True),
        "save inputs and targets each in a file, and say targets: FILE.npy",
        (parts_of_a_table,),
    ),
    Advice(
        lambda: arrays(**{**NAMED, "y": np.eye(3, dtype=int)}),
        "have one 1 among zeros in each row; save the class itself, targets.argmax(axis=1)",
        (lambda: arrays(x=X, y=np.load("d.npz")["y"].argmax(axis=1)),),
    ),
    Advice(
        lambda: arrays(**{**NAMED, "y": np.array(["u", "v", "v"]), "class_names": ["a", "b"]}),
        "class_names name whole numbers, and the targets are <U1; leave class_names out",
        (lambda: renamed("class_names", ""),),
    ),
    Advice(
        lambda: mapped(packed),
        "holds several arrays, as np.savez writes them; save each with np.save",
        (lambda: mapped(each_saved),),
    ),
    Advice(
        lambda: zipped("inputs.csv", b"1,2\n"),
        "d.npz holds something else than NumPy arrays; write it with np.savez",
        (lambda: arrays(**NAMED),),
    ),
    Advice(
        lambda: (np.save("one.npy", X), moved("one.npy", "one.npz", "one.npz")),
        "one.npz is a single array, as np.save writes it; name it .npy, or write it with np.savez",
        (
            lambda: moved("one.npz", "one.npy", "one.npy"),
            lambda: arrays("one.npz", x=np.load("one.npy"), y=Y),
        ),
    ),
    Advice(
        lambda: images(),
        "has no labels beside it: say targets: FILE, from its folder, or give that file the name train-labels-idx1-ubyte",
        (
            lambda: load(IMAGES, {"targets": "answers.idx"}),
            lambda: moved("answers.idx", "train-labels-idx1-ubyte", IMAGES),
        ),
    ),
    Advice(
        lambda: images("pixels.idx"),
        "has no labels beside it: say targets: FILE, from its folder",
        (lambda: load("pixels.idx", {"targets": "answers.idx"}),),
    ),
    Advice(
        lambda: text("x,y\n1,a\n2,b\nx,y\n3,a\n"),
        "d.csv:4: this line is that of the header again; remove it, or say header: false if the first is a row of data",
        (lambda: without(4),),
    ),
    Advice(
        lambda: text("red,pear\nblue,fig\nred,pear\n", categorical="auto"),
        "d.csv:3: this line is that of the header again; remove it, or say header: false if the first is a row of data",
        (lambda: load("d.csv", {"categorical": "auto", "header": False}),),
    ),
    Advice(
        lambda: text("x,y\n1,2,\n3,4,\n"),
        "it ends in a delimiter: remove it, or end line 1 in one and say ignore: [-1]",
        (
            lambda: replaced("x,y\n", "x,y,\n", ignore=[-1]),
            lambda: replaced(",\n", "\n"),
        ),
    ),
    Advice(
        lambda: text("city,x,y\nWashington, D.C.,1,2\nRome,3,4\n", categorical="auto"),
        "4 cells, but line 1 has 3; quote a cell that holds ','",
        (lambda: replaced("Washington, D.C.", '"Washington, D.C."', categorical="auto"),),
    ),
    Advice(
        lambda: text("x,y\n1,1\n2,0\n3,1.0\n", task="classification"),
        "'1.0' and '1' are one number; spell the class one way",
        (lambda: replaced("1.0", "1", task="classification"),),
    ),
    Advice(
        lambda: text("sold,y\n2022.07.02,1\n2023.08.03,2\n", dates=["sold"]),
        "is no date as ISO 8601 has it, 2026-01-31; say in which format it is, as in dates: {sold: '%d.%m.%Y'}",
        (lambda: load("d.csv", {"dates": {"sold": "%Y.%m.%d"}}),),
    ),
    Advice(
        lambda: text("sold,y\n1711834200000,1\n1711920600000,2\n", dates=["sold"]),
        "is no date as ISO 8601 has it, 2026-01-31; if it counts from 1970 on, write dates in its place, as pandas.to_datetime makes them, or leave it out of dates: it is a number then",
        (
            lambda: load("d.csv", {}),
            lambda: replaced(
                "1711834200000,1\n1711920600000",
                f"{pandas.to_datetime(1711834200000, unit='ms')},1\n{pandas.to_datetime(1711920600000, unit='ms')}",
                dates=["sold"],
            ),
        ),
    ),
    Advice(
        lambda: text("x,z,name\n" + "".join(f"{i},{i / 7},n{i}\n" for i in range(40))),
        "column 'name', the target, has hardly a text twice, so it names no classes: leave it out, ignore: [name], and name another column with target, or say task: classification if it does",
        (
            lambda: load("d.csv", {"ignore": ["name"], "target": "x"}),
            lambda: load("d.csv", {"task": "classification"}),
        ),
    ),
    Advice(
        lambda: text("x,y\n1,a\n,b\n3,b\n"),
        "fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or [simple_imputer, standard_scaler] in place of standardize",
        (
            lambda: replaced("\n,b", "\n2,b"),
            lambda: text("x,y\n1,a\n,b\n3,b\n", missing="allow"),
            lambda: without(3),
        ),
    ),
    Advice(
        lambda: new_rows("1,2\n"),
        "has no header, and the model takes its columns by name: begin it with a line of their names, a, b",
        (lambda: new_rows("a, b\n1,2\n"),),
    ),
    Advice(
        lambda: new_rows("a,b,name\n1,2,Bj\xf6rn\n".encode("latin-1")),
        "new.csv:2: byte 0xf6 is not UTF-8; save the file in the encoding UTF-8",
        (lambda: new_rows("a,b,name\n1,2,Bj\xf6rn\n"),),
    ),
    Advice(
        lambda: text('{"name": "Björn", "y": 1.5}\n'.encode("latin-1"), "d.jsonl", categorical="auto"),
        "d.jsonl:1: byte 0xf6 is not UTF-8; save the file in the encoding UTF-8",
        (lambda: text('{"name": "Björn", "y": 1.5}\n', "d.jsonl", categorical="auto"),),
    ),
    Advice(
        lambda: text("x,name\n1,Müller\n2,Meier\n", encoding="ascii"),
        "d.csv:2: byte 0xc3 is not ascii, and the whole file is UTF-8: leave encoding out",
        (lambda: load("d.csv"),),
    ),
    Advice(
        lambda: text("x,name\n1,Köln\n2,Bonn\n".encode("utf-16-be")),
        "d.csv:2: byte 0xf6 is not UTF-8; say encoding: utf-16-be, or save the file as UTF-8",
        (lambda: load("d.csv", {"encoding": "utf-16-be"}),),
    ),
    Advice(
        lambda: text(b"\xef\xbb\xbfx,name\n1,caf\xe9\n2,b\n"),
        "d.csv:2: byte 0xe9 is not UTF-8, and the byte order mark says that the file is; save it as UTF-8",
        (lambda: text("x,name\n1,café\n2,b\n"),),
    ),
    Advice(
        lambda: grouped(text(PATIENTS)),
        "has no groups: name the column that tells them, as in group: patient, save them as an array called groups beside those of an .npz file, or leave split out",
        (
            lambda: grouped(load("d.csv", {"group": "patient"})),
            lambda: grouped(arrays(x=np.eye(6), y=np.arange(6.0), groups=np.arange(6) % 3)),
            lambda: prepare(load("d.csv"), targets="values"),
        ),
    ),
    Advice(
        lambda: text(b"x,name\n1,M\x81ller\n2,Meier\n"),
        "d.csv:2: byte 0x81 is not UTF-8; say encoding: NAME, such as latin-1 or cp850, or save the file as UTF-8",
        (
            lambda: load("d.csv", {"encoding": "latin-1"}),
            lambda: load("d.csv", {"encoding": "cp850"}),
            lambda: text("x,name\n1,Müller\n2,Meier\n"),
        ),
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said[:60] for each in ADVICE])
def test_a_file_is_read_once_what_its_message_says_is_done(advice: Advice) -> None:
    for read in advice.followed(DataError):
        assert read is not None
