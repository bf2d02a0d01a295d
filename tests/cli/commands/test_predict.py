"""`trainer predict`: rows of every kind of file in, and nothing written for a file that is not right."""

from __future__ import annotations

import builtins
import csv
import subprocess
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

import trainer as package

RNG = np.random.default_rng(0)
CITIES = ("Oslo", "Paris", "Rome")


def table(rows=60, header="age,city,height,sold"):
    return (
        header
        + "\n"
        + "".join(
            f"{20 + i % 37},{CITIES[i % 3]},{150 + (7 * i) % 50}.5,{('no', 'yes')[(i // 3) % 2]}\n" for i in range(rows)
        )
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of a table with categories, one of numbers, one without names, one of images, one that lacks values."""
    root = tmp_path_factory.mktemp("trained")
    (root / "rows.csv").write_text(table())
    (root / "plain.csv").write_text("".join(f"{i},{i * i % 7},{i % 5},{2 * i}\n" for i in range(1, 40)))
    (root / "gaps.csv").write_text(table().replace("\n20,", "\n?,"))
    for i in range(12):
        path = root / "pictures" / ("dark", "light")[i % 2]
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 255, (6, 5, 3)).astype(np.uint8)).save(path / f"{i}.png")
    common = {"step_size": 0.01, "epochs": 1}
    classes = {"network": [{"dense": 4}, "tanh", {"dense": 2}], "cost": "softmax_cross_entropy", **common}
    numbers = {"network": [{"dense": 1}], "cost": "mean_squared_error", **common}
    made = {
        "table": {"dataset": {"path": str(root / "rows.csv"), "categorical": ["city"], "standardize": True}, **classes},
        "price": {
            "dataset": {"path": str(root / "rows.csv"), "target": "age", "ignore": ["sold", "city"]}, **numbers,
        },
        "nameless": {"dataset": {"path": str(root / "plain.csv"), "standardize": True}, **numbers},
        "pictures": {
            "dataset": {"path": str(root / "pictures"), "size": [4, 4]}, **classes,
            "network": [{"conv2d": 2}, "flatten", {"dense": 2}],
        },
        "gaps": {
            "dataset": {
                "path": str(root / "gaps.csv"), "categorical": ["city"], "missing": "allow",
                "preprocess": [
                    {"simple_imputer": {"columns": ["age"]}},
                    {"power_transformer": {"columns": ["height"], "method": "box-cox"}},
                ],
            }, **classes,
        },
    }  # fmt: skip
    return {name: package.train(config, out=root / name).folder for name, config in made.items()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["quick", "without"])
def reader(request, monkeypatch):
    """With the quick reader and without it: both say the same."""
    if request.param == "without":
        monkeypatch.setattr("trainer.data.rows.csv_rows.can_read", lambda *_: False)
    return request.param


def cells(text):
    return list(csv.reader(text.splitlines()))


def test_a_table_has_a_line_of_class_and_probabilities_for_each_row(runs, folder, trainer, reader):
    (folder / "new.csv").write_text(table(20_000, "age,city,height,id"))
    done = trainer("predict", str(runs["table"]), "new.csv", "-o", "out.csv")
    assert done.out == "20,000 rows predicted: out.csv\n"
    assert done.err == "columns that the model does not take are ignored: 'id'\n"
    header, *lines = cells((folder / "out.csv").read_text())
    assert header == ["prediction", "probability_no", "probability_yes"]
    assert len(lines) == 20_000
    model = package.load(runs["table"])
    rows = [line.split(",") for line in table(20_000).splitlines()[1:]]
    named = {"age": [float(r[0]) for r in rows], "city": [r[1] for r in rows], "height": [float(r[2]) for r in rows]}
    assert [line[0] for line in lines] == model.predict(named).tolist()
    written = np.array([[float(p) for p in line[1:]] for line in lines])
    assert np.array_equal(written, np.round(model.predict_proba(named), 6))


def test_columns_in_another_order_quotes_and_spaces_change_nothing(runs, folder, trainer, reader):
    (folder / "a.csv").write_text(table())
    lines = [line.split(",") for line in table().splitlines()]
    (folder / "b.csv").write_text("\n".join(f' "{h}",  {c} ,{a}\r' for a, c, h, _ in lines) + "\n\n")
    first = trainer("predict", str(runs["table"]), "a.csv")
    assert first.code == 0
    assert trainer("predict", str(runs["table"]), "b.csv").out == first.out


def test_both_readers_give_the_same_file(runs, folder, trainer, monkeypatch):
    lines = table(9000).splitlines()
    lines[8500] = "٣.25,Rome,1e2,no"  # digits that the parser leaves to our reader, which goes on from their block
    monkeypatch.setattr("trainer.data.readers.quick.BYTES", 1000)
    (folder / "new.csv").write_text("\n".join(lines))
    quick = trainer("predict", str(runs["table"]), "new.csv").out
    monkeypatch.setattr("trainer.data.rows.csv_rows.can_read", lambda *_: False)
    assert trainer("predict", str(runs["table"]), "new.csv").out == quick
    assert quick.count("\n") == 9001


@pytest.mark.parametrize("sizes", [[], [5], [1] * 9, [3, 4, 20], [8, 8], [7, 1, 8, 30, 2]])
def test_rows_are_computed_in_full_blocks_and_those_before_an_error_too(sizes):
    from trainer.data.rows import Block
    from trainer.errors import DataError
    from trainer.experiment.predicting import _filled

    def blocks(error):
        done = 0
        for size in sizes:
            rows = np.arange(done, done + size, dtype=float)[:, None]
            yield Block(rows, tuple(map(str, rows[:, 0])))
            done += size
        if error:
            raise DataError("no more")

    for error in (False, True):
        made = []
        with pytest.raises(DataError, match="no more") if error else nullcontext():
            for block in _filled(blocks(error), 8):
                made.append(block)
        assert [row for block in made for row in block.values[:, 0]] == list(range(sum(sizes)))
        assert [file for block in made for file in block.files] == [str(float(i)) for i in range(sum(sizes))]
        assert all(len(block.values) % 8 == 0 for block in made[:-1])


def test_numbers_are_predicted_with_the_digits_that_they_have(runs, folder, trainer, reader):
    (folder / "new.csv").write_text(table())
    done = trainer("predict", str(runs["price"]), "new.csv")
    header, *lines = cells(done.out)
    assert header == ["prediction"]
    height = [float(line.split(",")[2]) for line in table().splitlines()[1:]]
    expected = package.load(runs["price"]).predict({"height": height})
    assert np.array_equal(np.array([float(line[0]) for line in lines], np.float32), expected.astype(np.float32))


def test_a_file_without_names_goes_by_its_places_with_the_target_or_without(runs, folder, trainer, reader):
    (folder / "with.csv").write_text("1,2,3,99\n4,5,6,99\n")
    (folder / "without.csv").write_text("1,2,3\n4,5,6\n")
    done = [trainer("predict", str(runs["nameless"]), f"{name}.csv") for name in ("with", "without")]
    assert done[0].out == done[1].out
    assert done[0].err == "columns that the model does not take are ignored: 3\n"
    np.save("rows.npy", np.array([[1, 2, 3], [4, 5, 6]]))
    np.savez("rows.npz", inputs=np.array([[1, 2, 3], [4, 5, 6]]), targets=np.zeros(2))
    for name in ("rows.npy", "rows.npz"):
        assert trainer("predict", str(runs["nameless"]), name).out == done[0].out


def test_parquet_in_and_out(runs, folder, trainer):
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    (folder / "new.csv").write_text(table(500))
    parquet.write_table(arrow_csv.read_csv("new.csv"), "new.parquet")
    text = trainer("predict", str(runs["table"]), "new.csv").out
    assert trainer("predict", str(runs["table"]), "new.parquet").out == text
    assert trainer("predict", str(runs["table"]), "new.parquet", "-o", "out.parquet").code == 0
    written = parquet.read_table("out.parquet")
    assert written.column_names == ["prediction", "probability_no", "probability_yes"]
    assert written.schema.field("probability_no").type == pa.float64()
    assert written["prediction"].to_pylist() == [line[0] for line in cells(text)[1:]]


def test_npz_out_has_every_digit(runs, folder, trainer):
    (folder / "new.csv").write_text(table(500))
    assert trainer("predict", str(runs["table"]), "new.csv", "-o", "out.npz").code == 0
    with np.load("out.npz") as arrays:
        found = dict(arrays)
    assert sorted(found) == ["class_names", "predictions", "probabilities"]
    text = cells(trainer("predict", str(runs["table"]), "new.csv").out)[1:]
    assert found["predictions"].tolist() == [line[0] for line in text]
    assert [f"{p:.6f}" for p in found["probabilities"][:, 1]] == [line[2] for line in text]


def test_images_are_brought_to_the_size_of_training_and_named(runs, folder, trainer):
    (folder / "new" / "inner").mkdir(parents=True)
    for name in ("b.png", "a.png", "inner/c.png"):
        Image.fromarray(RNG.integers(0, 255, (9, 9)).astype(np.uint8)).save(folder / "new" / name)
    header, *lines = cells(trainer("predict", str(runs["pictures"]), "new").out)
    assert header == ["file", "prediction", "probability_dark", "probability_light"]
    assert [line[0] for line in lines] == ["a.png", "b.png", "inner/c.png"]
    one = cells(trainer("predict", str(runs["pictures"]), "new/a.png").out)
    assert one[1][1:] == lines[0][1:]


def test_missing_values_are_filled_in_where_they_were_in_training(runs, folder, trainer, reader):
    (folder / "new.csv").write_text("height,city,age\n160.5,Rome,NA\n160.5,Rome,\n160.5,Rome,?\n160.5,Rome,nUll\n")
    lines = cells(trainer("predict", str(runs["gaps"]), "new.csv").out)[1:]
    assert len(lines) == 4
    assert len({tuple(line) for line in lines}) == 1


def test_who_has_seen_enough_ends_it(runs, folder, command, start):
    (folder / "new.csv").write_text(table(60_000))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start([*command, "predict", str(runs["table"]), "new.csv"], **pipes)
    assert process.stdout.readline().startswith(b"prediction")
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)


def lines_with(number, row, rows=5000):
    """A table of which one line, counted from 1, is another."""
    lines = table(rows).splitlines()
    lines[number - 1] = row
    return "\n".join(lines) + "\n"


def text(content):
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def array(value):
    return lambda path: np.save(path, value)


def arrays(**values):
    return lambda path: np.savez(path, **values)


def parquet(change=lambda table: table, cut=None):
    def write(path):
        import io

        import pyarrow as pa
        from pyarrow import parquet

        columns = {"age": [1.0, 2.0], "city": ["Rome", "Oslo"], "height": [150.0, 160.0]}
        buffer = io.BytesIO()
        parquet.write_table(pa.table(change(columns)), buffer)
        path.write_bytes(buffer.getvalue()[:cut])

    return write


def picture(size, mode="L"):
    return lambda path: (path.mkdir(), Image.new(mode, size).save(path / "a.png"))[0]


LIBRARY = "…"  # from here on a library speaks
EMPTY = "an empty cell is a missing value; fill it in or remove the row; nothing is dropped silently"
# The run, the file and what is in it, and all that is said.
BAD = {
    "no such file": ("table", "nowhere.csv", None, "there is no file nowhere.csv"),
    "an empty file": ("table", "a.csv", text(""), "a.csv is empty; there is no row to predict"),
    "empty lines": ("table", "a.csv", text("\n\n\n"), "a.csv is empty; there is no row to predict"),
    "a header alone": (
        "table", "a.csv", text("age,city,height\n"),
        "a.csv has a header (line 1) and no rows; there is no row to predict",
    ),
    "no header": (
        "table", "a.csv", text("1,Rome,2\n"),
        (
            "a.csv has no header, and the model takes its columns by name: begin it with a line of their names, age, "
            "city, height"
        ),
    ),
    "a column that is missing": (
        "table", "a.csv", text("age,city\n1,Rome\n"),
        "a.csv has no column 'height', which the model takes; its columns are 'age', 'city'",
    ),
    "a column that is misspelt": (
        "table", "a.csv", text("age,city,heigth\n1,Rome,2\n"),
        "a.csv has no column 'height', which the model takes; did you mean 'heigth'?",
    ),
    "a column twice": (
        "table", "a.csv", text("age,city,height,age\n1,Rome,2,3\n"),
        "a.csv: columns 0 and 3 are all named 'age'; rename one",
    ),
    "text for a number": (
        "table", "a.csv", text(lines_with(4017, "tall,Rome,170.5,no")),
        "a.csv:4017: column 'age': 'tall' is not a finite number; put one there",
    ),
    "a decimal comma": (
        "table", "a.csv", text(lines_with(9, '"20,5",Rome,170.5,no')),
        "a.csv:9: column 'age': '20,5' is not a finite number; put one there",
    ),
    "a number too large": (
        "table", "a.csv", text(lines_with(4017, "1e999,Rome,170.5,no")),
        "a.csv:4017: column 'age': '1e999' is not a finite number; put one there",
    ),
    "an infinite number": (
        "table", "a.csv", text(lines_with(4017, "inf,Rome,170.5,no")),
        "a.csv:4017: column 'age': 'inf' is not a finite number; put one there",
    ),
    "nan": (
        "table", "a.csv", text(lines_with(4017, "nan,Rome,170.5,no")),
        "a.csv:4017: column 'age': 'nan' is a missing value; fill it in or remove the row; nothing is dropped silently",
    ),
    "an empty cell": (
        "table", "a.csv", text(lines_with(3, "20,Rome,,no")),
        (
            "a.csv:3: column 'height': an empty cell is a missing value; fill it in or remove the row; nothing "
            "is dropped silently"
        ),
    ),
    "an unseen category": (
        "table", "a.csv", text(lines_with(4017, "20,Bonn,170.5,no")),
        "a.csv:4017: column 'city': 'Bonn' is a category that no training row had; they had 'Oslo', 'Paris', 'Rome'",
    ),
    "a category in other letters": (
        "table", "a.csv", text(lines_with(7, "20,rome,170.5,no")),
        "a.csv:7: column 'city': 'rome' is a category that no training row had; they had 'Oslo', 'Paris', 'Rome'",
    ),
    "a missing category": (
        "table", "a.csv", text(lines_with(7, "20,,170.5,no")),
        (
            "a.csv:7: column 'city': an empty cell is a missing category that no training row had; they had 'Oslo', "
            "'Paris', 'Rome'"
        ),
    ),
    "a row with a cell more": (
        "table", "a.csv", text(lines_with(4017, "20,Rome,170.5,no,5")),
        "a.csv:4017: 5 cells, but line 1 has 4; quote a cell that holds ','",
    ),
    "a row with a cell less": (
        "table", "a.csv", text(lines_with(4017, "20,Rome,170.5")),
        "a.csv:4017: 3 cells, but line 1 has 4; fill in what is missing",
    ),
    "another delimiter": (
        "table", "a.csv", text("age:city:height\n1:Rome:2\n"),
        "a.csv has no column 'age', nor 'city', 'height', which the model takes; its columns are 'age:city:height'",
    ),
    "a quote that stays open": (
        "table", "a.csv", text(lines_with(30, '20,"Rome,170.5,no', 40)),
        (
            "a.csv:30: the row that starts here is not CSV (unexpected end of data); look for a double quote that is "
            "not closed"
        ),
    ),
    "another encoding": (
        "table", "a.csv", text(table(40).replace("Oslo", "Malmö").encode("latin-1")),
        "a.csv:2: byte 0xf6 is not UTF-8; save the file in the encoding UTF-8",
    ),
    "too many columns": (
        "nameless", "a.csv", text("1,2,3,4,5\n"),
        "a.csv has 5 columns, and the model takes 3 columns, or 4 as in training",
    ),
    "a value that a step cannot use": (
        "gaps", "a.csv", text("age,city,height\n1,Rome,2\n1,Rome,-2\n"),
        (
            "a.csv: row 2: power_transformer cannot be used on 1 rows: The Box-Cox transformation can only be applied "
            "to strictly positive data"
        ),
    ),
    "a value that no step fills in": (
        "gaps", "a.csv", text("age,city,height\n1,Rome,2\n1,Rome,\n"),
        "a.csv: row 2 lacks a value, and no step of preprocess fills it in",
    ),
    "a row beyond all that was seen": (
        "price", "a.csv", text("height\n160.5\n1e300\n"),
        "a.csv: row 2: the network gives no number for it; look for values far beyond those of training",
    ),
    "an array of another width": (
        "nameless", "a.npy", array(np.zeros((2, 4))),
        "a.npy has inputs of shape (2, 4), and the model takes (rows, 3)",
    ),
    "one row that is no table": (
        "nameless", "a.npy", array(np.zeros(3)), "a.npy has inputs of shape (3,), and the model takes (rows, 3)",
    ),
    "an array of texts": (
        "nameless", "a.npy", array(np.array([["a", "b", "c"]])), "a.npy: values of type <U1 are not real numbers",
    ),
    "an array with nan": (
        "nameless", "a.npy", array(np.array([[1, 2, 3], [4, np.nan, 6]])),
        "a.npy: nan at [1, 1] is not a finite number; put one there",
    ),
    "an array without rows": (
        "nameless", "a.npy", array(np.zeros((0, 3))), "a.npy has no rows; there is no row to predict",
    ),
    "an array that is cut off": (
        "nameless", "a.npy", lambda path: (np.save(path, np.zeros((9, 3))), path.write_bytes(path.read_bytes()[:-40])),
        "a.npy is damaged: …",
    ),
    "an array of objects": (
        "nameless", "a.npy", lambda path: np.save(path, np.array([None, 1]), allow_pickle=True),
        (
            "a.npy holds Python objects, which only pickle can read, and a pickle can run any code; save plain arrays "
            "of numbers"
        ),
    ),
    "what is no array": ("nameless", "a.npy", text("1,2,3"), "a.npy is no file that np.save or np.savez wrote"),
    "an archive without inputs": (
        "nameless", "a.npz", arrays(rows=np.zeros((2, 3))), "a.npz has no array 'inputs' or 'x'; its arrays are 'rows'",
    ),
    "an archive that is cut off": (
        "nameless", "a.npz",
        lambda path: (np.savez(path, inputs=np.zeros((9, 3))), path.write_bytes(path.read_bytes()[:-30])),
        "a.npz is damaged: File is not a zip file",
    ),
    "a Parquet file that is cut off": (
        "table", "a.parquet", parquet(cut=-20),
        "a.parquet cannot be read as Parquet: …",
    ),
    "what is no Parquet": (
        "table", "a.parquet", text("age,city,height\n"), "a.parquet cannot be read as Parquet: …",
    ),
    "a Parquet file that lacks a column": (
        "table", "a.parquet", parquet(lambda c: {**c, "height": c["age"], "city": c["city"]} and {"age": c["age"]}),
        "a.parquet has no column 'city', nor 'height', which the model takes; its columns are 'age'",
    ),
    "a Parquet file with nan": (
        "table", "a.parquet", parquet(lambda c: {**c, "age": [1.0, float("nan")]}),
        f"a.parquet: row 2: column 'age': {EMPTY}",
    ),
    "a Parquet file with a gap": (
        "table", "a.parquet", parquet(lambda c: {**c, "city": ["Rome", None]}),
        (
            "a.parquet: row 2: column 'city': an empty cell is a missing category that no training row had; they had "
            "'Oslo', 'Paris', 'Rome'"
        ),
    ),
    "a Parquet file with text": (
        "table", "a.parquet", parquet(lambda c: {**c, "age": ["1", "x"]}),
        "a.parquet: row 2: column 'age': 'x' is not a finite number; put one there",
    ),
    "a folder without images": ("pictures", "new", lambda path: path.mkdir(), "new has no images; an image ends in …"),
    "an image that is damaged": (
        "pictures", "new", lambda path: (path.mkdir(), (path / "a.png").write_bytes(b"\x89PNG")),
        "new/a.png cannot be read as an image: cannot identify image file it",
    ),
    "an image with transparent pixels": (
        "pictures", "new", picture((5, 5), "RGBA"), "new/a.png has transparent pixels; save it on a background",
    ),
    "images for a model of tables": (
        "table", "new", picture((5, 5)), "new holds images, and the model takes inputs of shape (5,)",
    ),
    "a table for a model of images": (
        "pictures", "a.csv", text("a,b\n1,2\n"),
        "the model takes an array of shape (4, 4, 3) for each row, which no table holds; give an .npz file",
    ),
    "a file of another kind": (
        "table", "a.doc", text("x"),
        (
            "a.doc is nothing to predict from: a file ends in .csv, .npz, .npy, .mat, .h5, .idx, .svm, "
            ".parquet, .arrow, .jsonl or .arff, or is a folder of images"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_nothing_is_written_for_a_file_that_is_not_right(case, runs, folder, trainer, reader):
    run, name, write, message = BAD[case]
    if write is not None:
        write(folder / name)
    before = sorted(folder.rglob("*"))
    done = trainer("predict", str(runs[run]), name, "-o", "out.csv")
    assert done.code == 2
    said = done.err.removeprefix("columns that the model does not take are ignored: 'sold'\n")
    if message.endswith(LIBRARY):
        assert said.startswith(f"error: {message.removesuffix(LIBRARY)}")
    else:
        assert said == f"error: {message}\n"
    assert (done.out, sorted(folder.rglob("*"))) == ("", before)


def test_a_result_that_cannot_be_written_is_an_error(runs, folder, trainer):
    (folder / "new.csv").write_text(table())
    done = trainer("predict", str(runs["table"]), "new.csv", "-o", "out.doc")
    assert done.err == "error: predictions go to a file that ends in .csv, .npz or .parquet, and out.doc does not\n"
    done = trainer("predict", str(runs["table"]), "new.csv", "-o", "nowhere/out.csv")
    assert (done.code, done.err) == (1, "error: nowhere/out.csv cannot be written: No such file or directory\n")


def test_without_pyarrow_parquet_says_what_to_install(runs, folder, trainer, monkeypatch):
    parquet()(folder / "a.parquet")
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    done = trainer("predict", str(runs["table"]), "a.parquet")
    assert done.err == (
        "error: a.parquet is read by pyarrow, which is not installed: pip install 'tape-trainer[tables]'\n"
    )
