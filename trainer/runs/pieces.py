"""A safetensors file piece by piece, each array's bytes as they lie in memory: nothing is copied to be written.

safetensors' own `save` gives the same bytes, after it has copied every array twice, which takes longer than to write
and digest them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainer.errors import UsageError

if TYPE_CHECKING:
    from trainer.types import Array

__all__ = ["safetensors_pieces"]

# The types that it has, by NumPy's names, in the order in which safetensors writes them: wide elements first.
_TYPES = {
    "uint64": "U64", "int64": "I64", "float64": "F64", "float32": "F32", "uint32": "U32", "int32": "I32",
    "float16": "F16", "uint16": "U16", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
_RANKS = {name: rank for rank, name in enumerate(_TYPES)}


def safetensors_pieces(
    arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """The length of the header, the header, and the arrays, wide elements first.

    Raises UsageError for an array of a type that such a file has not.

    >>> import numpy as np
    >>> from safetensors.numpy import save
    >>> arrays = {"θ": np.arange(3.0), "0.bias": np.float32([1]), "seen": np.array(True)}
    >>> b"".join(safetensors_pieces(arrays, {"by": "trainer"})) == save(arrays, {"by": "trainer"})
    True
    """
    import numpy as np

    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    dense, start = [], 0
    for name in sorted(arrays, key=lambda name: (_rank(name, np.asarray(arrays[name]).dtype.name), name)):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        shape, ends = list(np.shape(arrays[name])), [start, start := start + array.nbytes]
        header[name] = {"dtype": _TYPES[array.dtype.name], "shape": shape, "data_offsets": ends}
        dense.append(array.reshape(-1).view(np.uint8).data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    yield from dense


def _rank(name: str, dtype: str) -> int:
    if dtype not in _RANKS:
        what = f"'{name}' is {dtype}, which a safetensors file has no type for"
        raise UsageError(f"{what}; what is saved is real numbers, whole numbers or bool")
    return _RANKS[dtype]
