"""A trained model as a file for others, compared with the model at once: what differs is not written.

rows = rows_of_run(model, run)
written = write_onnx(model, Path("model.onnx"), rows)
written.difference      # the largest, of what onnxruntime and the model make of the rows
"""

from __future__ import annotations

import json
import math
import runpy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from trainer.data.rows import open_rows
from trainer.errors import UsageError
from trainer.experiment.model import Model
from trainer.export.frozen import to_python
from trainer.export.pytorch import to_pytorch
from trainer.files import atomic_write
from trainer.runs.digests import checked
from trainer.training.threads import pinned
from trainer.types import Array

__all__ = ["MOST", "Written", "rows_of_data", "rows_of_run", "write_onnx", "write_python", "write_torch"]

ROWS = 256  # that an export is compared on
MOST = 1e-4  # of the largest number, by which float32 results may differ


@dataclass(frozen=True)
class Written:
    """An export.

    difference: the largest, of the model's and the export's outputs for `rows` rows; `relative` to the largest output,
        or to 1 where that is smaller.
    about: what to know of it, names and texts.
    """

    path: Path
    difference: float
    relative: float
    rows: int
    about: Mapping[str, str]


def rows_of_run(model: Model, run: Path) -> Array:
    """Rows of a run's data set, as it had them before anything was done to them; at most 256, from all over it.

    Raises ConfigError and DataError where the data set is not there any more.
    """
    from trainer.config.loader import load
    from trainer.data.loading import load as load_dataset

    config = load(checked(run / "resolved.yaml")).config
    dataset = load_dataset(config.dataset.component, config.dataset.options, seed=config.seed)
    if dataset.input_shape != model.inputs.shape:
        raise UsageError(
            f"the data set of {run.name} has inputs of shape {dataset.input_shape} now; give rows with --rows"
        )
    chosen = np.unique(np.linspace(0, dataset.rows - 1, min(ROWS, dataset.rows)).astype(int))
    return dataset.numbers(dataset.inputs[chosen])


def rows_of_data(model: Model, data: Path) -> Array:
    """The first rows of a file or folder, at most 256, as `trainer predict` reads them."""
    stream = open_rows(data, model.inputs, model.reading, classes=model.class_names, formats=model.formats)
    return next(stream.blocks).values[:ROWS]


def write_onnx(model: Model, path: Path, rows: Array) -> Written:
    """Write the model as an ONNX graph, after comparing what onnxruntime makes of these rows.

    Raises UsageError without the extra `onnx`, for what ONNX cannot say, and where the outputs differ by more than
    `MOST` of the largest; then nothing is written.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        hint = "pip install 'tape-trainer[onnx]'"
        raise UsageError(f"an ONNX graph is written by {error.name}, which is not installed: {hint}") from None
    from trainer.export.onnx import CHANCES, OPSET, largest_difference, to_onnx

    link = model.link if model.has_probabilities else None
    graph = to_onnx(
        model.network,
        model.parameters,
        scaling=model.scaling,
        preprocessing=model.preprocessing,
        link=link,
        dtype=model.dtype,
        about={
            "class_names": json.dumps(model.class_names, ensure_ascii=False),
            "feature_names": json.dumps(model.feature_names, ensure_ascii=False),
            "link": model.link or "",
        },
    )
    given = rows.astype(model.dtype)  # as whoever uses the graph has them
    outputs = model.outputs(given)
    difference = largest_difference(graph, outputs, given)
    if link:
        difference = max(difference, largest_difference(graph, model.probabilities(outputs), given, CHANCES))
    about = {"opset": str(OPSET), "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    written = _compared(path, outputs, difference, about)
    atomic_write(path, graph.SerializeToString())
    return written


def write_python(model: Model, path: Path, rows: Array) -> Written:
    """Write the model as a file of Python that needs NumPy alone, after running it on these rows.

    Raises UsageError for what NumPy alone does not have, for a name that is none of a module, and where the outputs
    differ by more than `MOST` of the largest; then nothing is written.
    """
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"a file of Python is imported by its name, such as model.py, and {path.name} is no such name")
    text = to_python(model, path.stem)
    with tempfile.TemporaryDirectory() as folder, pinned(1):
        file = Path(folder) / path.name
        file.write_text(text, encoding="utf-8")
        found = runpy.run_path(str(file))["outputs"](rows)
    outputs = model.outputs(rows)
    difference = float(np.max(np.abs(found.astype(np.float64) - outputs), initial=0.0))
    done = _compared(path, outputs, difference, {"bytes": f"{len(text):,}", "numpy": np.__version__})
    atomic_write(path, text)
    return done


def write_torch(model: Model, path: Path, rows: Array) -> tuple[Written, str]:
    """Write the parameters for PyTorch, as safetensors; also gives the text of the module that loads them.

    Where PyTorch is installed the module is tried on these rows first; elsewhere the difference is nan.

    Raises UsageError for a layer that PyTorch has no module for, for steps of `preprocess:`, and where the outputs
    differ by more than `MOST` of the largest; then nothing is written.
    """
    from safetensors.numpy import save

    state, text = to_pytorch(model, path.name)
    content = save(state, metadata={"format": "pt"})
    about = {"arrays": str(len(state)), "bytes": f"{len(content):,}"}
    if find_spec("torch") is None:
        written = Written(path, math.nan, math.nan, 0, about)
    else:
        import torch

        outputs, found = model.outputs(rows), _tried(model, content, rows)
        difference = float(np.max(np.abs(found - outputs), initial=0.0))
        written = _compared(path, outputs, difference, {**about, "torch": torch.__version__})
    atomic_write(path, content)
    return written, text


def _tried(model: Model, content: bytes, rows: Array) -> Array:
    """What the module of PyTorch gives for these rows."""
    import torch

    with tempfile.TemporaryDirectory() as folder, pinned(1):
        file = Path(folder) / "model.safetensors"
        file.write_bytes(content)
        script = file.with_suffix(".py")
        script.write_text(to_pytorch(model, str(file))[1], encoding="utf-8")
        module = runpy.run_path(str(script))["model"]
    with torch.no_grad():
        found: Array = module(torch.from_numpy(rows.astype(model.dtype))).numpy()
    return found


def _compared(path: Path, outputs: Array, difference: float, about: Mapping[str, str]) -> Written:
    """Refuse what differs."""
    relative = difference / max(1.0, float(np.max(np.abs(outputs), initial=0.0)))
    if not relative <= MOST:  # nan too
        raise UsageError(
            f"{path} is not written: its outputs differ from the model's by {difference:.3g} where the largest is "
            f"{np.max(np.abs(outputs)):.3g}"
        )
    return Written(path, difference, relative, len(outputs), about)
