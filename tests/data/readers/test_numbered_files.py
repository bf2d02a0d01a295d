"""IDX files and LIBSVM's: what a byte and an index mean is told by the file or asked for, never guessed."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import dump_svmlight_file

from trainer.data import load
from trainer.data.rows import open_rows
from trainer.data.rows.targets import read_targets
from trainer.data.spec import InputSpec, TargetSpec
from trainer.errors import DataError

PIXELS = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3) * 11
LABELS = np.array([7, 3, 7, 3], np.uint8)
IMAGES = "train-images-idx3-ubyte"
CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx(path: Path, array: np.ndarray) -> Path:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.name], array.ndim, *array.shape)
    content = head + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def rows(path, data):
    return np.concatenate([block.values for block in open_rows(path, InputSpec.of(data), {}).blocks])


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("others", ["", ".gz"])
@pytest.mark.parametrize("mark", ["-", "."])
def test_images_find_their_labels_by_their_name_and_are_those_of_a_folder(packed, others, mark, tmp_path):
    path = idx(tmp_path / f"train-images{mark}idx3-ubyte{packed}", PIXELS)
    idx(tmp_path / f"train-labels{mark}idx1-ubyte{others}", LABELS)
    data = load(path)
    for row, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        (tmp_path / "folder" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "folder" / str(label) / f"{row}.png")
    folder = load(tmp_path / "folder")
    assert (data.name, data.class_names, data.inputs.shape) == (path.name, ("3", "7"), (4, 2, 3, 1))
    assert data.targets.tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(data.numbers()[[1, 3, 0, 2]], folder.numbers())
    np.testing.assert_array_equal(rows(path, data), data.numbers())
    np.testing.assert_array_equal(rows(tmp_path / "folder", data), folder.numbers())
    assert read_targets(path, TargetSpec.of(data), {}).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("kind", CODES)
def test_every_type_is_read_and_labels_may_be_named(kind, tmp_path):
    values = (np.arange(12).reshape(4, 3) * 20 - (0 if kind == "uint8" else 100)).astype(kind)
    path = idx(tmp_path / "x.idx", values)
    idx(tmp_path / "y.idx", np.array([0.5, 1, 2, 3], np.float32))
    data = load(path, {"targets": "y.idx"})
    np.testing.assert_array_equal(data.numbers(), values)
    assert (data.task, data.targets.tolist()) == ("regression", [0.5, 1, 2, 3])
    np.testing.assert_array_equal(rows(path, data), values)


def test_labels_that_are_not_there_are_asked_for(tmp_path):
    path = idx(tmp_path / IMAGES, PIXELS)
    with pytest.raises(DataError, match=r"has no labels beside it: say targets: FILE, from its folder, or give"):
        load(path)
    with pytest.raises(DataError, match=r"there is no file .*nothing\.idx of labels"):
        load(path, {"targets": "nothing.idx"})
    with pytest.raises(DataError, match="has one number in each row, as labels do; name the file of the images"):
        load(idx(tmp_path / "train-labels-idx1-ubyte", LABELS))


def test_an_idx_file_that_was_cut_or_is_another_is_refused_in_a_line(tmp_path):
    path = idx(tmp_path / IMAGES, PIXELS)
    idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    content = path.read_bytes()
    for wrong, message in (
        (b"", "is empty, with two zeros"),
        (b"a,b\n1,2\n", "does not begin as an IDX file does"),
        (gzip.compress(content), "it is packed by gzip: name it .gz"),
        (content[:9], "ends within its first 16 bytes"),
        (content[:-1], "says that it holds 4 × 2 × 3 numbers, 24 bytes, and has 23 bytes: it was cut off"),
        (content + b"0", "says that it holds 4 × 2 × 3 numbers, 24 bytes, and has more: it is another file"),
        (b"\0\0\x0e\x03" + b"\xff" * 12, "and has 0 bytes: it was cut off"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(DataError) as raised:
            load(path)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
    packed = tmp_path / f"{IMAGES}.gz"
    packed.write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(DataError, match="is damaged: "):
        load(packed)


TABLE = np.array([[0.1, 0, 2], [0, 0, -1e-30], [1 / 3, 5, 0], [0, 0, 0]])


@pytest.mark.parametrize("name", ["d.svm", "d.libsvm.gz", "d.svmlight"])
@pytest.mark.parametrize("first", [0, 1])
def test_sparse_rows_are_the_table_that_was_written(name, first, tmp_path):
    plain = tmp_path / "plain"
    dump_svmlight_file(TABLE, [1, -1, 1, -1], str(plain), zero_based=not first, comment="a note")
    path = tmp_path / name
    path.write_bytes(gzip.compress(plain.read_bytes()) if path.suffix == ".gz" else plain.read_bytes())
    if first:
        with pytest.raises(DataError) as raised:
            load(path)
        assert str(raised.value) == (
            f"{path} has no feature 0, so its features may be counted from 1 or from 0; say first_index: 1, as LIBSVM "
            f"counts, or first_index: 0"
        )
    options = {"task": "classification", **({"first_index": 1} if first else {})}
    data = load(path, options)
    np.testing.assert_array_equal(data.inputs, TABLE)
    assert (data.class_names, data.targets.tolist()) == (("-1", "1"), [1, 0, 1, 0])
    np.testing.assert_array_equal(rows(path, data), TABLE)
    assert read_targets(path, TargetSpec.of(data), {}).tolist() == [1, 0, 1, 0]
    some = tmp_path / "some.svm"
    some.write_text(f"+1.0 {1 + first}:4\n-1\n")
    np.testing.assert_array_equal(rows(some, data), [[0, 4, 0], [0, 0, 0]])
    assert read_targets(some, TargetSpec.of(data), {}).tolist() == [1, 0]
    some.write_text(f"1 {3 + first}:4\n")
    with pytest.raises(
        DataError, match=f"has a feature {3 + first}, and 3 features counted from {first} end at {2 + first}"
    ):
        rows(some, data)


def test_what_a_file_of_sparse_rows_does_not_say_is_asked_for(tmp_path):
    path = tmp_path / "d.svm"
    path.write_text("1 qid:4 1:2\n2 qid:4 2:1 # best\n\n2 qid:9 2:nan\n")
    with pytest.raises(
        DataError, match=r"the labels are whole numbers, .* say task: classification or task: regression"
    ):
        load(path, {"first_index": 1})
    with pytest.raises(DataError, match="is not a finite number"):
        load(path, {"first_index": 1, "task": "regression"})
    data = load(path, {"first_index": 1, "task": "regression", "features": 4, "missing": "allow"})
    np.testing.assert_array_equal(data.inputs, [[2, 0, 0, 0], [0, 1, 0, 0], [0, np.nan, 0, 0]])
    assert data.groups.tolist() == [4, 4, 9]
    with pytest.raises(DataError, match="has a feature 2, and 1 feature counted from 1 end at 1"):
        load(path, {"first_index": 1, "task": "regression", "features": 1})
    path.write_text("0.5 0:2\n1 3:1\n")
    assert load(path).task == "regression"
    with pytest.raises(DataError, match="has a feature 0, so its features are counted from 0: say first_index: 0"):
        load(path, {"first_index": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "d.svm has no rows; one is a label"),
        (b"# only\n", "d.svm has no rows; one is a label"),
        (b"1\n2\n", "d.svm has no row with a feature"),
        (b"1 1:2\na,b\n", "d.svm:2 is no row, which is a label and its features, such as +1 1:0.5 7:2"),
        (b"1 1:2\n1 1:2 2:\n", "d.svm:2 is no row"),
        (b"1,2 1:2\n", "d.svm:1 is no row"),
        (b"1 -1:2\n", "d.svm:1 is no row"),
        (b"1 2:2 1:2\n", "d.svm:1: feature 1 does not come behind all lower ones; sort each row"),
        (b"1 2:2 2:2\n", "d.svm:1: feature 2 does not come behind all lower ones; sort each row"),
        (b"1 99999999999999999999:2\n", "d.svm cannot be read as LIBSVM: "),
        (b"\x00\xff\x00", "d.svm:1 is no row"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_sparse_rows_is_refused_at_its_line(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("d.svm").write_bytes(content)
    with pytest.raises(DataError) as raised:
        load("d.svm", {"first_index": 1, "task": "regression"})
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_model_of_named_columns_takes_no_numbered_features(tmp_path):
    (tmp_path / "d.svm").write_text("1 1:2\n")
    with pytest.raises(DataError, match=r"has features by number, .* it takes columns by name, such as 'age'"):
        open_rows(tmp_path / "d.svm", InputSpec((1,), ("age",)), {})


def test_a_config_trains_on_them_tests_on_others_and_predicts(tmp_path):
    from trainer import Run, train  # which only this test needs

    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 10)):
        labels = (np.arange(count) % 2).astype(np.uint8)
        idx(
            tmp_path / f"{part}-images-idx3-ubyte.gz",
            (labels[:, None, None] * 150 + rng.integers(99, size=(count, 4, 4))).astype(np.uint8),
        )
        idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    images, others = (tmp_path / f"{part}-images-idx3-ubyte.gz" for part in ("train", "t10k"))
    outcome = train(
        {
            "dataset": {"path": str(images), "test_path": str(others)}, "network": ["flatten", {"dense": 2}],
            "cost": "softmax_cross_entropy", "optimizer": "adam", "step_size": 0.1, "epochs": 5,
            "metrics": ["accuracy"],
        },
        out=tmp_path / "runs",
    )  # fmt: skip
    assert len(outcome.training.data.test) == 10
    assert outcome.epoch.test["accuracy"] == 1
    assert outcome.training.data.class_names == ("0", "1")
    model = Run(outcome.folder).model
    assert len(model.inputs.shape) == 3
