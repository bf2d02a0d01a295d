"""parameters.safetensors: the trained network's numbers, the scaling or the steps that its data went through, and what
else there is to know in order to predict: the network itself, the columns of a row, the names of the classes.

No pickle: reading a file must never run what is in it. And a SHA-256 beside the file, because safetensors checks shapes
and offsets but not the numbers: of 400 files with one flipped bit, 396 loaded without a word.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from trainer.errors import DataError
from trainer.files import atomic_write
from trainer.runs.pieces import safetensors_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.data import Preprocessing, Scaling
    from trainer.plugins import Plugins

    Arrays = dict[str, NDArray[Any]]

__all__ = ["Saved", "load_parameters", "save_parameters"]

_FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """What `load_parameters` found: the arrays by name, what the data went through, and what was written about them."""

    parameters: Arrays
    scaling: Scaling | None
    metadata: dict[str, Any]
    steps: Arrays = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> Self:
        """What the arrays of a file are, by their names."""
        from trainer.data import Scaling
        from trainer.data.preprocessing import SCALING, STEPS

        return cls(
            {name: array for name, array in arrays.items() if not name.startswith((f"{SCALING}.", f"{STEPS}."))},
            Scaling.from_arrays(arrays),
            dict(metadata),
            {name: array for name, array in arrays.items() if name.startswith(f"{STEPS}.")},
        )

    @property
    def arrays(self) -> Arrays:
        """All of them, as `of` takes them."""
        return {**self.parameters, **(self.scaling.to_arrays() if self.scaling is not None else {}), **self.steps}

    def preprocessing(self, plugins: Plugins | None = None) -> Preprocessing | None:
        """The steps of `preprocess:`, looked up in `plugins` (default: what is installed); None where there were none.

        Raises DataError for arrays that are no steps, and PluginError for a step that is not installed.
        """
        from trainer.data import Preprocessing

        return Preprocessing.from_arrays(self.steps, plugins)


def save_parameters(
    path: str | os.PathLike[str],
    parameters: Mapping[str, NDArray[Any]],
    scaling: Scaling | None = None,
    preprocessing: Preprocessing | None = None,
    model: Mapping[str, object] | None = None,
) -> str:
    """Write parameters ("0.weights", …) and the data's scaling ("scaling.mean", …) to one file; returns its SHA-256.

    preprocessing: the steps that the data went through ("preprocess.0.mean_", …).
    model: what else there is to know of whoever predicts with them, as JSON has it (see `trainer.experiment.model`).

    The digest also goes to `<path>.sha256`, in the format of `sha256sum --check`. The same arrays give the same bytes.

    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "parameters.safetensors"
    ...     digest = save_parameters(path, {"0.bias": np.zeros(3)})
    ...     saved = load_parameters(path)
    >>> saved.parameters["0.bias"].tolist(), saved.scaling, saved.metadata["dtype"]
    ([0.0, 0.0, 0.0], None, 'float64')
    """
    import numpy as np

    path = Path(path)
    arrays = {name: np.asarray(array, order="C") for name, array in parameters.items()}
    dtypes = sorted({str(array.dtype) for array in arrays.values()})
    arrays |= scaling.to_arrays() if scaling is not None else {}
    arrays |= preprocessing.to_arrays() if preprocessing is not None else {}
    about = {"format": _FORMAT, "version": _version(), "dtype": ", ".join(dtypes)}
    about |= {} if model is None else {"model": dict(model)}
    # One key of metadata only: safetensors writes several in an order that changes from call to call.
    pieces = list(safetensors_pieces(arrays, {"trainer": json.dumps(about)}))
    content = hashlib.sha256()
    for piece in pieces:
        content.update(piece)
    digest = content.hexdigest()
    beside = _beside(path)
    # While the new file takes the old one's place, both digests are good, so being killed in between loses nothing.
    before = beside.read_text(encoding="utf-8") if path.exists() and beside.exists() else ""
    line = f"{digest}  {path.name}\n"
    if before:
        atomic_write(beside, line + before)
    atomic_write(path, pieces)
    atomic_write(beside, line)
    return digest


def load_parameters(path: str | os.PathLike[str], *, foreign: bool = False) -> Saved:
    """Read what `save_parameters` wrote, after checking it against the digest beside it.

    foreign: whether the file may be another program's, which has no digest beside it. A digest that is there counts.

    Raises DataError when the file or its digest is missing, or when the bytes are not the ones that were written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    content = _content(path, foreign)
    try:
        arrays = dict(sorted(load(content).items()))  # safetensors gives them in an order of chance
    except SafetensorError as error:
        raise DataError(f"{path} is not a safetensors file: {error}") from None
    except KeyError as error:
        what = f"{path} holds numbers of type {error.args[0]}, which NumPy does not have; save them as float32"
        raise DataError(what) from None
    return Saved.of(arrays, _metadata(path, content))


def _content(path: Path, foreign: bool) -> bytes:
    """The file's bytes, which its digest vouches for."""
    beside = _beside(path)
    try:
        content = path.read_bytes()
        if foreign and not beside.exists():
            return content
        lines = beside.read_text(encoding="utf-8", errors="replace").splitlines()
        digests = [line.split()[0] for line in lines if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"{path} cannot be loaded: there is no {Path(error.filename).name} in {path.parent}") from None
    found = hashlib.sha256(content).hexdigest()
    if found not in digests:
        raise DataError(
            f"{path} is damaged: its SHA-256 is {found[:12]}…, but {beside.name} says {' or '.join(digests)[:12]}…; "
            f"restore it from a copy, or train again"
        )
    return content


def _metadata(path: Path, content: bytes) -> dict[str, Any]:
    """The header's own remarks; safetensors' NumPy functions return the arrays only."""
    length = int.from_bytes(content[:8], "little")
    remarks = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    try:
        about = json.loads(remarks.get("trainer", "{}"))
    except ValueError as error:
        raise DataError(f"{path} is damaged: what is written beside its numbers is no JSON: {error}") from None
    if not isinstance(about, dict):
        raise DataError(f"{path} is damaged: what is written beside its numbers is no mapping")
    return about


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tape-trainer")
    except PackageNotFoundError:  # used from a source tree that was never installed
        return "unknown"
