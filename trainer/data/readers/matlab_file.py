"""The arrays of a MATLAB file as MATLAB has them: doubles that it packed into bytes are doubles, and truth is truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trainer.data.readers.hdf5_file import load_matlab_hdf5
from trainer.errors import DataError
from trainer.types import Array

__all__ = ["load_mat"]

HDF5 = b"\x89HDF\r\n\x1a\n"
BLOCK = 512  # bytes that MATLAB leaves before what is HDF5


def load_mat(path: str) -> dict[str, Array]:
    """The arrays of a .mat file of any version, by name; rows and columns beside the inputs are of one axis.

    Raises DataError for a file that is damaged or holds something else than arrays of numbers and texts, and UsageError
    without h5py for one of version 7.3.
    """
    try:
        with open(path, "rb") as file:
            beginning = file.read(BLOCK + len(HDF5))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    newer = HDF5 in (beginning[: len(HDF5)], beginning[BLOCK:])
    arrays = load_matlab_hdf5(path) if newer else _load(path)
    inputs = next((array for name, array in arrays.items() if _is_input(name)), None)
    if inputs is None or not inputs.ndim:
        return arrays
    return {name: _whole(name, _flat(name, array, len(inputs))) for name, array in arrays.items()}


def _load(path: str) -> dict[str, Array]:
    from scipy.io import loadmat  # 50 ms that only such a file needs

    try:
        # mat_dtype, because MATLAB packs doubles that are whole into bytes, and truth would be bytes too.
        loaded = loadmat(path, mat_dtype=True, chars_as_strings=True, appendmat=False)
    except Exception as error:
        # Anything may have written these bytes, so whatever SciPy's parser raises is their fault.
        raise DataError(f"{path} cannot be read as MATLAB: {' '.join(str(error).split()).rstrip('.')}") from None
    variables = ((name, value) for name, value in loaded.items() if not name.startswith("__"))
    found = (member for name, value in variables for member in _members(name, value))
    return {name: _plain(path, name, value) for name, value in found}


def _members(name: str, value: object) -> Iterator[tuple[str, object]]:
    """A variable, or the fields of a struct: inputs.picture is a name that MATLAB writes so."""
    if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        yield from ((f"{name}.{field}", value[field].item()) for field in value.dtype.names)
    else:
        yield name, value


def _plain(path: str, name: str, value: object) -> Array:
    from scipy import sparse

    if isinstance(value, sparse.sparray | sparse.spmatrix):
        return np.asarray(value.toarray())
    if not isinstance(value, np.ndarray) or value.dtype.names:
        raise DataError(f"{path}: {name!r} is an array of structs, or an object; save a plain array")
    if value.dtype.kind == "U":
        return np.char.rstrip(value)
    if value.dtype.kind != "O":
        return value
    cells = [cell.ravel().tolist() if isinstance(cell, np.ndarray) and cell.dtype.kind == "U" else None
             for cell in value.T.ravel()]  # fmt: skip
    if any(cell is None or len(cell) > 1 for cell in cells):
        raise DataError(f"{path}: {name!r} is a cell array of something else than texts; save a plain array")
    return np.array(["".join(cell or ()) for cell in cells], dtype=str)


def _is_input(name: str) -> bool:
    return name in ("inputs", "x") or name.startswith("inputs.")


def _flat(name: str, array: Array, rows: int) -> Array:
    """A row or a column of one value for each row of inputs is those."""
    return array.ravel() if not _is_input(name) and array.shape in ((1, rows), (rows, 1)) else array


def _whole(name: str, array: Array) -> Array:
    """Groups are whole numbers, which MATLAB keeps as doubles."""
    if name != "groups" or array.dtype.kind != "f" or not np.isfinite(array).all() or (array != np.floor(array)).any():
        return array
    return array.astype(np.int64)
