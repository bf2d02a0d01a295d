import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from trainer.data import Scaling
from trainer.errors import DataError
from trainer.runs import load_parameters, save_parameters

PARAMETERS: dict[str, np.ndarray[Any, Any]] = {
    "0.weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "0.bias": np.zeros(3, np.float32),
    "1.gain": np.array(2.5, np.float32),
}


def test_parameters_and_scaling_come_back_with_shapes_and_dtypes(tmp_path: Path) -> None:
    scaling = Scaling(np.array([1.0, 2.0]), np.array([0.5, 4.0]))
    save_parameters(tmp_path / "p.safetensors", PARAMETERS, scaling)
    saved = load_parameters(tmp_path / "p.safetensors")
    assert list(saved.parameters) == sorted(PARAMETERS)
    for name, array in PARAMETERS.items():
        np.testing.assert_array_equal(saved.parameters[name], array, strict=True)
    assert saved.scaling is not None
    np.testing.assert_array_equal(saved.scaling.mean, scaling.mean, strict=True)
    np.testing.assert_array_equal(saved.scaling.scale, scaling.scale, strict=True)
    assert saved.metadata["dtype"] == "float32"
    assert saved.metadata["version"]


def test_any_reader_of_safetensors_finds_the_names(tmp_path: Path) -> None:
    save_parameters(tmp_path / "p", PARAMETERS, Scaling(np.zeros(2), np.ones(2)))
    with safe_open(tmp_path / "p", framework="numpy") as file:
        assert set(file.keys()) == {*PARAMETERS, "scaling.mean", "scaling.scale"}


def test_views_in_any_order_of_memory_are_written_as_they_look(tmp_path: Path) -> None:
    transposed = np.arange(12.0).reshape(3, 4).T
    save_parameters(tmp_path / "p", {"0.weights": transposed, "1.weights": transposed[::2, ::-1]})
    saved = load_parameters(tmp_path / "p").parameters
    np.testing.assert_array_equal(saved["0.weights"], transposed)
    np.testing.assert_array_equal(saved["1.weights"], transposed[::2, ::-1])


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    assert len({save_parameters(tmp_path / "p", PARAMETERS) for _ in range(20)}) == 1


def test_the_digest_beside_the_file_is_that_of_sha256sum(tmp_path: Path) -> None:
    digest = save_parameters(tmp_path / "p.safetensors", PARAMETERS)
    assert digest == hashlib.sha256((tmp_path / "p.safetensors").read_bytes()).hexdigest()
    assert (tmp_path / "p.safetensors.sha256").read_text() == f"{digest}  p.safetensors\n"


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    save_parameters(path, PARAMETERS)
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), 7):
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"p\.safetensors is damaged: its SHA-256 is [0-9a-f]{12}…"):
            load_parameters(path)
        content[place] ^= 1


def test_a_missing_file_and_a_missing_digest_are_named(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    with pytest.raises(DataError) as caught:
        load_parameters(path)
    assert str(caught.value) == f"{path} cannot be loaded: there is no p.safetensors in {tmp_path}"
    save_parameters(path, PARAMETERS)
    (tmp_path / "p.safetensors.sha256").unlink()
    with pytest.raises(DataError) as caught:
        load_parameters(path)
    assert str(caught.value) == f"{path} cannot be loaded: there is no p.safetensors.sha256 in {tmp_path}"


@pytest.mark.parametrize("writes", [1, 2])
def test_being_killed_while_overwriting_keeps_a_loadable_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    from trainer import files
    from trainer.runs import parameters as module

    path, whole, done = tmp_path / "p", files.atomic_write, 0

    def dying(target: Path, content: Any) -> None:
        nonlocal done
        if done == writes:
            raise KeyboardInterrupt
        done += 1
        whole(target, content)

    save_parameters(path, {"0.bias": np.zeros(2)})
    monkeypatch.setattr(module, "atomic_write", dying)
    with pytest.raises(KeyboardInterrupt):
        save_parameters(path, {"0.bias": np.ones(2)})
    assert load_parameters(path).parameters["0.bias"].tolist() == ([0.0, 0.0] if writes == 1 else [1.0, 1.0])


def test_a_file_that_is_no_safetensors_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"hello")
    (tmp_path / "p.sha256").write_text(hashlib.sha256(b"hello").hexdigest() + "  p\n")
    with pytest.raises(DataError, match="is not a safetensors file"):
        load_parameters(tmp_path / "p")


def test_a_file_of_another_program_needs_no_digest_and_one_that_is_there_counts(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"0.weights": np.ones((2, 3), np.float16)}, path)
    saved = load_parameters(path, foreign=True)
    np.testing.assert_array_equal(saved.parameters["0.weights"], np.ones((2, 3), np.float16), strict=True)
    assert (saved.scaling, saved.metadata) == (None, {})
    beside = path.with_name("foreign.safetensors.sha256")
    beside.write_text(f"{hashlib.sha256(b'other').hexdigest()}  foreign.safetensors\n")
    with pytest.raises(DataError, match=r"foreign\.safetensors is damaged: its SHA-256 is"):
        load_parameters(path, foreign=True)


def test_numbers_of_a_type_that_numpy_lacks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    header = json.dumps({"0.bias": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    with pytest.raises(DataError) as caught:
        load_parameters(path, foreign=True)
    assert str(caught.value) == (f"{path} holds numbers of type BF16, which NumPy does not have; save them as float32")
