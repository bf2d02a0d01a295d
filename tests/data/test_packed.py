"""Parts of a row, each kept in a type of its own: the same bits as of one array of doubles, from file to model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from trainer.data import Dataset, Split, cached, load, prepare
from trainer.data.given import with_parts
from trainer.data.packed import packed, packed_type, unpacked
from trainer.data.pages import pages
from trainer.data.preprocessing.transformers import SimpleImputer, StandardScaler
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.experiment.evaluating import evaluate
from trainer.experiment.predicting import write_predictions
from trainer.export.saving import rows_of_run
from trainer.types import Array

N = 60


def arrays(rows: int = N, seed: int = 0) -> dict[str, Array]:
    """Pixels, doubles, words that an embedding looks up, and singles; packed in this order by every format."""
    rng = np.random.default_rng(seed)
    return {
        "inputs.a_picture": rng.integers(0, 256, (rows, 4, 5, 1)).astype(np.uint8),
        "inputs.b_likes": rng.normal(1e3, 1, (rows, 3)),
        "inputs.c_words": rng.integers(0, 7, (rows, 2)),
        "inputs.d_speed": rng.normal(0, 1, (rows, 2)).astype(np.float32),
        "targets": np.arange(rows) % 3,
    }


def flat(parts: dict[str, Array]) -> Array:
    named = [values.reshape(len(values), -1) for name, values in parts.items() if name.startswith("inputs.")]
    return np.hstack([values.astype(np.float64) for values in named])


def save(path: Path, parts: dict[str, Array]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **parts)
    elif path.suffix == ".mat":
        from scipy.io import savemat

        inputs = {name.removeprefix("inputs."): values for name, values in parts.items() if "." in name}
        savemat(path, {"inputs": inputs, "targets": parts["targets"].astype(np.int64)})
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for name, values in parts.items():
                file[name.replace(".", "/")] = values
    return path


def of_pages(data: Dataset) -> Dataset:
    """The same in memory that can be given back, as a large one is."""
    memory = pages((2**17,), data.inputs.dtype)[: data.rows]
    memory[...] = data.inputs
    return replace(data, inputs=memory)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load(save(tmp_path / "d.npz", arrays()))


@pytest.mark.parametrize("name", ["d.npz", "d.h5", "d.mat"])
def test_a_part_that_needs_double_precision_widens_no_other(name, tmp_path) -> None:
    data = load(save(tmp_path / name, arrays()))
    types = [data.inputs.dtype[part].base for part in data.parts]
    assert types == [np.uint8, np.float64, np.uint8, np.float32]
    assert data.parts == {"a_picture": (4, 5, 1), "b_likes": (3,), "c_words": (2,), "d_speed": (2,)}
    assert data.input_shape == data.facts().shape == (27,)
    assert repr(data) == f"Dataset '{name}': 60 rows, inputs (27,), classification of 3 classes"
    assert data.numbers().tobytes() == flat(arrays()).tobytes()


def test_parts_of_one_type_and_such_as_need_no_doubles_are_one_array(tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=(9, 2))
    for parts, dtype in (
        ({"a": x, "b": x}, np.float64),
        ({"a": x.astype(np.float32), "b": (x * 9).astype(np.uint8)}, np.float32),
        ({"a": (x * 1e5).astype(np.int32), "b": x > 0}, np.int32),
    ):
        path = save(tmp_path / "d.npz", {f"inputs.{name}": part for name, part in parts.items()} | {"y": x[:, 0]})
        assert load(path).inputs.dtype == dtype


@pytest.mark.parametrize("name", ["d.npz", "d.h5"])
def test_parts_in_any_order_of_bytes_and_axes_are_the_same(name, tmp_path, data) -> None:
    parts = arrays()
    for part, change in {"a_picture": np.asfortranarray, "b_likes": lambda a: np.asfortranarray(a, ">f8")}.items():
        parts[f"inputs.{part}"] = change(parts[f"inputs.{part}"])
    np.testing.assert_array_equal(load(save(tmp_path / name, parts)).inputs, data.inputs, strict=True)


def test_two_numbers_of_two_types_are_told_from_where_to_where_they_go(tmp_path) -> None:
    parts = {"inputs.a": np.array([[3], [250], [7]], np.uint8), "inputs.b": np.array([[0.1], [-2], [1]])}
    data = load(save(tmp_path / "d.npz", {**parts, "y": np.array([0.5, 1, 2])}))
    assert data.inputs.dtype.names == ("a", "b")
    assert InputSpec.of(data).spans == ((3, 250), (-2, 1))


def test_whole_numbers_that_singles_cannot_have_stay_beside_them(tmp_path) -> None:
    counts = np.array([[2**31 - 1], [7]])
    parts = {"inputs.a": counts, "inputs.b": np.array([[0.5], [2]], np.float32), "y": np.array([0.5, 1])}
    data = load(save(tmp_path / "d.npz", parts))
    assert data.inputs.dtype["a"].base == np.uint32
    assert data.numbers().tolist() == [[2**31 - 1, 0.5], [7, 2]]


OPTIONS: dict[str, dict[str, Any]] = {
    "as they are": {},
    "standardised": {"standardize": True},
    "preprocessed": {"preprocess": [("scaler", StandardScaler())]},
    "three parts": {"split": Split(test_fraction=0.4, validation_fraction=0.3), "standardize": True},
    "ordered": {"split": Split(by="ordered", folds=4, fold=1)},
    "repeated rows": {"resample": "oversample"},
    "an autoencoder": {"reconstruct": True, "targets": "values", "standardize": True},
}


@pytest.mark.parametrize("together", [1, 3, 27, 2**14], ids=lambda n: f"{n} together")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", OPTIONS)
def test_it_is_prepared_to_the_bits_of_one_array_of_doubles(options, dtype, together, data, monkeypatch) -> None:
    monkeypatch.setattr("trainer.data.gathering.TOGETHER", together)
    monkeypatch.setattr("trainer.data.preprocessing.scaling.TOGETHER", together)
    arguments = {"targets": "classes", "dtype": dtype, **OPTIONS[options]}
    wide = prepare(replace(data, inputs=flat(arrays())), **arguments)
    kept, consumed = prepare(data, **arguments), prepare(of_pages(data), consumed=True, **arguments)
    for one in (kept, consumed):
        assert one.divided.keys() == wide.divided.keys()
        for part, rows in wide.divided.items():
            for array, same in zip(one.divided[part].arrays, rows.arrays, strict=True):
                assert (array.dtype, array.shape) == (same.dtype, same.shape)
                assert array.tobytes() == same.tobytes()
        assert (one.takes, one.gives, one.remarks, one.parts) == (wide.takes, wide.gives, wide.remarks, wide.parts)


def test_what_is_missing_is_filled_in(tmp_path) -> None:
    parts = arrays()
    parts["inputs.b_likes"][::4, 1] = np.nan
    path = save(tmp_path / "d.npz", parts)
    with pytest.raises(DataError, match=r"nan at \[0, 21\] is not a finite number \(15 of them in all\)"):
        load(path)
    data, arguments = load(path, {"missing": "allow"}), {"targets": "classes", "preprocess": [("i", SimpleImputer())]}
    assert data.has_missing
    wide = replace(data, inputs=flat(parts))
    one, other = (prepare(each, **arguments).train.inputs for each in (data, wide))
    assert one.tobytes() == other.tobytes()
    assert not load(save(tmp_path / "e.npz", arrays()), {"missing": "allow"}).has_missing


def test_test_rows_in_a_file_of_their_own_are_packed_alike_where_that_says_the_same(data, tmp_path) -> None:
    test = arrays(7, seed=1)
    whole, _ = with_parts(data, {"test": save(tmp_path / "test.npz", test)}, {})
    assert whole.inputs.dtype == data.inputs.dtype
    assert whole.numbers().tobytes() == np.concatenate([flat(arrays()), flat(test)]).tobytes()
    test["inputs.a_picture"] = test["inputs.a_picture"] / 255
    whole, _ = with_parts(data, {"test": save(tmp_path / "test.npz", test)}, {}, consumed=True)
    assert whole.inputs.dtype == np.float64
    assert whole.inputs.tobytes() == np.concatenate([flat(arrays()), flat(test)]).tobytes()


def test_it_comes_from_the_cache_as_it_went_there(data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))
    cached("d-1", lambda: data)
    again = cached("d-1", lambda: pytest.fail("made twice"))
    np.testing.assert_array_equal(again.inputs, data.inputs, strict=True)
    assert again.parts == data.parts


def test_an_array_of_a_file_that_is_the_targets_as_well_is_there_for_both(tmp_path) -> None:
    parts = arrays()
    path, likes = save(tmp_path / "d.h5", parts), parts["inputs.b_likes"]
    data = load(path, {"target": "inputs.b_likes"})
    np.testing.assert_array_equal(data.targets, likes)
    assert data.numbers().tobytes() == flat(parts).tobytes()


@pytest.mark.parametrize("part", ["a_picture", "d_speed"])
def test_a_part_that_is_damaged_is_refused(part, tmp_path) -> None:
    path, parts = tmp_path / "d.npz", arrays()
    content = bytearray(save(path, parts).read_bytes())
    place = content.index(parts[f"inputs.{part}"].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"d\.npz is damaged: Bad CRC-32 for file 'inputs\.{part}\.npy'"):
        load(path)


BYTE, DOUBLE = np.dtype(np.uint8), np.dtype(np.float64)
ROWS = packed(np.array([[1.0, 2, 0.1], [3, 4, 0.2]]), packed_type({"a": BYTE, "b": DOUBLE}, {"a": 2, "b": 1}))


@pytest.mark.parametrize(
    ("inputs", "parts", "message"),
    [
        (ROWS, {}, r"has inputs of shape \(2, 3\), and its parts are none"),
        (ROWS, {"b": (1,), "a": (2,)}, r"has inputs of shape \(2, 3\), and its parts are b \(1,\), a \(2,\): "),
        (ROWS, {"a": (1,), "b": (2,)}, r"a \(1,\), b \(2,\): the parts of a row, each laid flat, fill it"),
        (ROWS[:0], {"a": (2,), "b": (1,)}, r"have shape \(0, 3\): there is nothing to learn from"),
        (ROWS[["a"]].astype([("a", "S1", (2,))]), {"a": (2,)}, "values of type .* are not real numbers"),
        (np.zeros(2, [("a", np.uint8), ("b", float)]), {"a": (1,), "b": (1,)}, "values of type .* are not real num"),
    ],
    ids=["no parts", "another order", "other widths", "no rows", "text", "no widths"],
)  # fmt: skip
def test_rows_that_are_no_parts_are_refused(inputs, parts, message) -> None:
    with pytest.raises(DataError, match=message):
        Dataset("d", inputs, np.zeros(len(inputs)), "regression", parts=parts, narrow=True)


def test_any_rows_and_columns_of_it_are_those_of_the_table(data) -> None:
    table, which = flat(arrays()), np.array([5, 2, 2, 59])
    for columns in (slice(None), slice(0, 3), slice(19, 24), slice(20, 23), slice(26, 99), slice(4, 4)):
        for rows in (which, slice(3, 50), slice(60, 70)):
            some = unpacked(data.inputs, rows, columns)
            np.testing.assert_array_equal(some, table[rows, columns])
            assert some.flags.c_contiguous


def test_numbers_that_are_too_large_are_told_as_ever(tmp_path) -> None:
    parts = arrays()
    parts["inputs.b_likes"][7, 2] = -1e300
    data = load(save(tmp_path / "d.npz", parts))
    with pytest.raises(DataError, match=r"-1e\+300 is too large for float32"):
        prepare(data, targets="classes", split=Split(test_fraction=0))
    with pytest.raises(DataError, match=r"feature \[22\] has numbers up to 1e\+300, whose squares overflow"):
        prepare(data, targets="classes", split=Split(test_fraction=0), standardize=True)


NETWORK = [
    {"parallel": [
        [{"input": "a_picture"}, {"conv2d": 2}, "flatten"],
        [{"input": "b_likes"}, {"dense": 4}, "tanh"],
        [{"input": "c_words"}, {"embedding": {"entries": 7, "size": 2}}, "flatten"],
        [{"input": "d_speed"}],
    ]},
    {"dense": 3},
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["d.npz", "d.h5"])
def test_a_model_of_them_predicts_and_measures_the_same_kind_of_file(name, dtype, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / name, arrays())
    new = save(tmp_path / f"new{Path(name).suffix}", arrays(9, seed=2))
    config = {
        "dataset": {"path": name, "preprocess": [{"standard_scaler": {"columns": [*range(20, 23)]}}]},
        "network": NETWORK, "cost": "softmax_cross_entropy", "batch_size": 8, "step_size": 0.01, "epochs": 2,
        "compute": {"dtype": dtype},
    }  # fmt: skip
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    run = trainer.train("c.yaml", out="runs")
    model = trainer.load(run.folder)
    classes = model.predict(flat(arrays(9, seed=2)))
    written: list[bytes] = []
    assert write_predictions(model, new, None, written.append) == (9, ())
    assert [int(line.split(b",")[0]) for line in b"".join(written).splitlines()[1:]] == [int(name) for name in classes]
    confusion = evaluate(model, None, new).confusion
    assert confusion is not None
    assert confusion.trace() == (classes.astype(int) == np.arange(9) % 3).sum()
    assert rows_of_run(model, run.folder).tobytes() == flat(arrays()).tobytes()
