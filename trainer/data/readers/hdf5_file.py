"""The arrays of an HDF5 file, by h5py: those at its root, and those in the groups there. Nothing outside it is opened:
links to other files, and arrays whose numbers lie in other files, are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.pages import pages
from trainer.data.readers.room import check_room
from trainer.errors import DataError, UsageError
from trainer.types import Array

if TYPE_CHECKING:
    import h5py

__all__ = ["load_hdf5", "load_matlab_hdf5"]


def load_hdf5(path: str) -> dict[str, Array]:
    """The arrays of an HDF5 file, by name; one in a group is GROUP.ARRAY.

    Raises DataError for a file that is damaged or holds something else than arrays of numbers and texts, and UsageError
    without h5py.
    """
    return _load(path, "HDF5", matlab=False)


def load_matlab_hdf5(path: str) -> dict[str, Array]:
    """The arrays of a MATLAB file of version 7.3, which lie there column after column."""
    return _load(path, "MATLAB 7.3", matlab=True)


def _load(path: str, what: str, matlab: bool) -> dict[str, Array]:
    try:
        import h5py
    except ImportError:
        hint = "pip install 'tape-trainer[tables]'"
        raise UsageError(f"{path} is read by h5py, which is not installed: {hint}") from None
    try:
        with h5py.File(path, "r") as file:
            found = {name: (_matlab if matlab else _plain)(path, name, array) for name, array in _arrays(path, file)}
    except (DataError, UsageError):
        raise
    except Exception as error:
        # Anything may have written these bytes, so whatever the parser raises is their fault.
        raise DataError(f"{path} cannot be read as {what}: {' '.join(str(error).split()).rstrip('.')}") from None
    return found


def _arrays(path: str, file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """The arrays at the root and one group below it, by name."""
    import h5py

    for name in file:
        if name.startswith("#"):  # MATLAB's own
            continue
        member = _member(path, file, name)
        if isinstance(member, h5py.Dataset):
            yield name, member
        elif isinstance(member, h5py.Group):
            for inner in member:
                array = _member(path, member, inner)
                if isinstance(array, h5py.Dataset):
                    yield f"{name}.{inner}", array


def _member(path: str, group: h5py.Group, name: str) -> object:
    import h5py

    where = f"{path}: {'.'.join(filter(None, (group.name.strip('/'), name)))!r}"
    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        raise DataError(f"{where} is a link to another file; store the array itself")
    member = group[name]
    if isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
        raise DataError(f"{where} has its numbers in other files; store the array itself")
    return member


def _plain(path: str, name: str, stored: h5py.Dataset) -> Array:
    import h5py

    if stored.shape is None:
        raise DataError(f"{path}: {name!r} holds nothing; remove it")
    if h5py.check_string_dtype(stored.dtype) is not None:
        return np.array(stored.asstr()[()], dtype=str)
    if stored.dtype.names:
        fields = ", ".join(stored.dtype.names)
        raise DataError(f"{path}: {name!r} holds records with the fields {fields}; store a plain array of numbers")
    if stored.dtype.hasobject:
        raise DataError(f"{path}: {name!r} holds references or lists; store a plain array of numbers or texts")
    check_room(path, stored.size * stored.dtype.itemsize, f"{name!r}")
    array = pages(stored.shape, stored.dtype)
    if array.size:
        stored.read_direct(array)
    return array


def _matlab(path: str, name: str, stored: h5py.Dataset) -> Array:
    """An array as MATLAB has it: its axes the other way round, texts and truth by what it says of them."""
    kind = stored.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if "MATLAB_empty" in stored.attrs:
        return np.empty((0, 0))
    if kind == "char":
        return _letters(np.asarray(stored[()]).T)
    if kind == "cell":
        return _cells(path, name, stored)
    values = _plain(path, name, stored).T
    return values.astype(bool) if kind == "logical" else values


def _cells(path: str, name: str, stored: h5py.Dataset) -> Array:
    """A cell array of texts."""
    import h5py

    if h5py.check_ref_dtype(stored.dtype) is not h5py.Reference:
        raise DataError(f"{path}: {name!r} is no cell array that MATLAB wrote")
    texts = []
    for reference in np.asarray(stored[()]).T.ravel():
        cell = stored.file[reference]
        kind = cell.attrs.get("MATLAB_class", b"") if isinstance(cell, h5py.Dataset) else b""
        if kind not in (b"char", "char"):
            raise DataError(f"{path}: {name!r} is a cell array of something else than texts; save a plain array")
        texts.append("" if "MATLAB_empty" in cell.attrs else "".join(_letters(np.asarray(cell[()]).T).tolist()))
    return np.array(texts, dtype=str)


def _letters(codes: Array) -> Array:
    """The texts that the rows of a matrix of UTF-16 codes spell, without the space that makes them equally long."""
    rows = codes.reshape(len(codes), -1) if codes.ndim else codes.reshape(1, 1)
    return np.array([row.astype("<u2").tobytes().decode("utf-16-le").rstrip() for row in rows], dtype=str)
