"""`trainer evaluate` on rows that cannot be measured: what it says of each, and that nothing is written."""

from __future__ import annotations

import numpy as np
import pytest

import trainer as package

COMMON = {"step_size": 0.05, "epochs": 1}
KINDS = ("low", "middle", "high")


def table(rows=90):
    return "x,y,kind\n" + "".join(f"{i % 30},{(i * 7) % 11},{KINDS[i % 30 // 10]}\n" for i in range(rows))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of three classes, and one of a number."""
    root = tmp_path_factory.mktemp("trained")
    (root / "rows.csv").write_text(table())
    data = {"path": str(root / "rows.csv")}
    made = {
        "kind": {"dataset": data, "network": [{"dense": 3}], "cost": "softmax_cross_entropy"},
        "y": {
            "dataset": {**data, "target": "y", "ignore": ["kind"]}, "network": [{"dense": 1}],
            "cost": "mean_squared_error",
        },
    }  # fmt: skip
    return {name: package.train({**COMMON, **config}, out=root / name).folder for name, config in made.items()}


def text(content):
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def line(row, at=4017, rows=5000):
    """A table of which one line, counted from 1, is another."""
    lines = table(rows).splitlines()
    lines[at - 1] = row
    return text("\n".join(lines) + "\n")


def arrays(inputs, **others):
    return lambda path: np.savez(path, inputs=np.array(inputs, float), **{n: np.array(a) for n, a in others.items()})


TWO = [[0, 0], [1, 1]]
UNKNOWN = "is a class that the model does not know; it knows 'high', 'low', 'middle'"
MISSING = "is a missing value; fill it in or remove the row; nothing is dropped silently"
FAR = "look for values far beyond those of training"
# The run, the file and what is in it, and all that is said.
WRONG = {
    "no such file": ("kind", "new.csv", None, "there is no file new.csv"),
    "an empty file": ("kind", "new.csv", text(""), "new.csv is empty; there is no row to predict"),
    "empty lines": ("kind", "new.csv", text("\n\n"), "new.csv is empty; there is no row to predict"),
    "a header alone": (
        "kind", "new.csv", text("x,y,kind\n"),
        "new.csv has a header (line 1) and no rows; there is no row to predict",
    ),
    "no header": (
        "kind", "new.csv", text("1,2,low\n"),
        "new.csv has no header, and the model takes its columns by name: begin it with a line of their names, x, y",
    ),
    "an input that is missing": (
        "kind", "new.csv", text("x,kind\n1,low\n"),
        "new.csv has no column 'y', which the model takes; its columns are 'x', 'kind'",
    ),
    "no target": (
        "kind", "new.csv", text("x,y\n1,2\n"),
        "new.csv has no column 'kind' to measure by; its columns are 'x', 'y'",
    ),
    "a target that is misspelt": (
        "kind", "new.csv", text("x,y,kinds\n1,2,low\n"),
        "new.csv has no column 'kind' to measure by; its columns are 'x', 'y', 'kinds'",
    ),
    "a target twice": (
        "kind", "new.csv", text("x,y,kind,kind\n1,2,low,high\n"),
        "new.csv: columns 2 and 3 are all named 'kind'; rename one",
    ),
    "an input twice": (
        "kind", "new.csv", text("x,y,x,kind\n1,2,3,low\n"),
        "new.csv: columns 0 and 2 are all named 'x'; rename one",
    ),
    "text for a number": (
        "kind", "new.csv", line("tall,2,low"),
        "new.csv:4017: column 'x': 'tall' is not a finite number; put one there",
    ),
    "nan": ("kind", "new.csv", line("nan,2,low"), f"new.csv:4017: column 'x': 'nan' {MISSING}"),
    "an infinite number": (
        "kind", "new.csv", line("inf,2,low"),
        "new.csv:4017: column 'x': 'inf' is not a finite number; put one there",
    ),
    "a number too large": (
        "kind", "new.csv", line("1e999,2,low"),
        "new.csv:4017: column 'x': '1e999' is not a finite number; put one there",
    ),
    "an empty cell": ("kind", "new.csv", line(",2,low"), f"new.csv:4017: column 'x': an empty cell {MISSING}"),
    "an unknown class": ("kind", "new.csv", line("1,2,huge"), f"new.csv:4017: column 'kind': 'huge' {UNKNOWN}"),
    "a class in other letters": ("kind", "new.csv", line("1,2,Low"), f"new.csv:4017: column 'kind': 'Low' {UNKNOWN}"),
    "a class by its number": ("kind", "new.csv", line("1,2,1"), f"new.csv:4017: column 'kind': '1' {UNKNOWN}"),
    "a missing class": ("kind", "new.csv", line("1,2,"), f"new.csv:4017: column 'kind': an empty cell {UNKNOWN}"),
    "a class that is marked as missing": (
        "kind", "new.csv", line("1,2,NA"),
        f"new.csv:4017: column 'kind': 'NA' {UNKNOWN}",
    ),
    "a cell more": (
        "kind", "new.csv", line("1,2,low,3"),
        "new.csv:4017: 4 cells, but line 1 has 3; quote a cell that holds ','",
    ),
    "a cell less": ("kind", "new.csv", line("1,2"), "new.csv:4017: 2 cells, but line 1 has 3; fill in what is missing"),
    "a quote that stays open": (
        "kind", "new.csv", line('1,"2,low'),
        (
            "new.csv:4017: the row that starts here is not CSV (unexpected end of data); look for a double quote that "
            "is not closed"
        ),
    ),
    "another encoding": (
        "kind", "new.csv", text("x,y,kind\n1,2,höch\n".encode("latin-1")),
        "new.csv:2: byte 0xf6 is not UTF-8; save the file in the encoding UTF-8",
    ),
    "another delimiter": (
        "kind", "new.csv", text("x:y:kind\n1:2:low\n"),
        "new.csv has no column 'x', nor 'y', which the model takes; its columns are 'x:y:kind'",
    ),
    "a file of another kind": (
        "kind", "new.doc", text("x"),
        (
            "new.doc is nothing to predict from: a file ends in .csv, .npz, .npy, .mat, .h5, .idx, .svm, .parquet, "
            ".arrow, .jsonl or .arff, or is a folder of images"
        ),
    ),
    "inputs alone": ("kind", "new.npz", arrays(TWO), "new.npz has no array 'targets' or 'y' to measure by"),
    "an array alone": (
        "kind", "new.npy", lambda path: np.save(path, np.zeros((2, 2))),
        "new.npy holds inputs alone, and measuring takes targets too: give a .csv, .npz or .parquet file",
    ),
    "arrays of another width": (
        "kind", "new.npz", arrays([[1, 2, 3]], targets=["low"]),
        "new.npz has inputs of shape (1, 3), and the model takes (rows, 2)",
    ),
    "a target more than rows": (
        "kind", "new.npz", arrays(TWO, targets=["low", "low", "high"]),
        "new.npz has 2 rows of inputs, and 3 of targets",
    ),
    "an unknown class in an array": (
        "kind", "new.npz", arrays(TWO, targets=["low", "huge"]),
        f"new.npz: targets: 'huge' {UNKNOWN}",
    ),
    "numbers for the names of classes": (
        "kind", "new.npz", arrays(TWO, targets=[0, 1]),
        f"new.npz: targets: '0' {UNKNOWN}",
    ),
    "half a class": (
        "kind", "new.npz", arrays(TWO, targets=[0, 0.5]),
        (
            "new.npz: 0.5 in row 1 of the targets is no class; classes are whole numbers or text, and numbers to "
            "predict are task: regression"
        ),
    ),
    "arrays with nan": (
        "kind", "new.npz", arrays([[1, np.nan], [1, 2]], targets=["low", "low"]),
        "new.npz: nan at [0, 1] is not a finite number; put one there",
    ),
    "arrays without rows": (
        "kind", "new.npz", arrays(np.zeros((0, 2)), targets=np.zeros(0, int)),
        "new.npz has no rows; there is no row to predict",
    ),
    "what is no archive": ("kind", "new.npz", text("x"), "new.npz is no file that np.save or np.savez wrote"),
    "text in lines of JSON": (
        "kind", "new.jsonl", text('{"x":1,"y":2,"kind":"low"}\n{"x":1,"y":"b","kind":"low"}\n'),
        "new.jsonl:2: column 'y': 'b' is not a finite number; put one there",
    ),
    "an unknown class in lines of JSON": (
        "kind", "new.jsonl", text('{"x":1,"y":2,"kind":"low"}\n{"x":1,"y":3,"kind":"huge"}\n'),
        f"new.jsonl:2: column 'kind': 'huge' {UNKNOWN}",
    ),
    "a row beyond all that was seen": (
        "y", "new.csv", text("x,y\n1,2\n1e300,3\n"),
        f"rows of new.csv: row 2: the network gives no number for it; {FAR}",
    ),
    "a target beyond all that was seen": (
        "y", "new.csv", text("x,y\n1,2\n1,1e308\n"),
        "rows of new.csv: their loss is no number; look for targets far beyond those of training",
    ),
    "a text to measure a number by": (
        "y", "new.csv", text("x,y\n1,2\n2,b\n"),
        "new.csv:3: column 'y': 'b' is not a finite number; put one there",
    ),
    "a missing number to measure by": (
        "y", "new.csv", text("x,y\n1,2\n2,\n"),
        f"new.csv:3: column 'y': an empty cell {MISSING}",
    ),
    "an infinite number to measure by": (
        "y", "new.csv", text("x,y\n1,2\n2,inf\n"),
        "new.csv:3: column 'y': 'inf' is not a finite number; put one there",
    ),
    "no number to measure by": (
        "y", "new.csv", text("x\n1\n"),
        "new.csv has no column 'y' to measure by; its columns are 'x'",
    ),
    "names to measure a number by": (
        "y", "new.npz", arrays([[1], [2]], targets=["a", "b"]),
        "targets of new.npz: values of type <U1 are not real numbers",
    ),
    "nan to measure by": (
        "y", "new.npz", arrays([[1], [2]], targets=[1, np.nan]),
        (
            "targets of new.npz: nan at [1] is not a finite number (1 of them in all); fill in the missing values or "
            "remove their rows; nothing is dropped silently"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_measured_is_refused(case, runs, tmp_path, monkeypatch, trainer):
    monkeypatch.chdir(tmp_path)
    run, name, write, message = WRONG[case]
    if write is not None:
        write(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    done = trainer("evaluate", str(runs[run]), name)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")
    assert sorted(tmp_path.rglob("*")) == before
