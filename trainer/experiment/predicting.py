"""From a file of rows to a file of predictions, a block at a time: memory does not grow with the number of rows.

In a CSV file a probability has six decimals, and a number as many digits as the model's precision; an .npz or Parquet
file holds both as they are.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from trainer.compiler.processors import processors
from trainer.data.ahead import in_order
from trainer.data.preprocessing.pipeline import StepError
from trainer.data.rows import Block, Stream, open_rows
from trainer.data.rows.stream import Blocks
from trainer.errors import DataError, EntryError, UsageError
from trainer.experiment.entries import no_entry
from trainer.experiment.model import Model, check_outputs
from trainer.files import writing_whole
from trainer.training.threads import pinned
from trainer.types import Array
from trainer.wording import either

__all__ = ["ENDINGS", "Predicted", "predict_rows", "write_predictions"]

Made = TypeVar("Made")
Write = Callable[[bytes], None]
MOST_THREADS = 8  # that compute; each holds some of the blocks
ENDINGS = (".csv", ".npz", ".parquet")


class Predicted(NamedTuple):
    """Some rows of what a model says.

    values: class names as indices, or numbers, (n,) or (n, k).
    probabilities: (n, classes), or (n, k) of labels; None where there are none.
    files: of the images that the rows are.
    """

    values: Array
    probabilities: Array | None
    files: tuple[str, ...]


def predict_rows(
    model: Model, stream: Stream, work: Callable[[Predicted], Made]
) -> Generator[tuple[Predicted, Made], None, None]:
    """What a model says of the rows of a stream, block by block, and what `work` makes of it; threads do both ahead.

    The bits are those that `model.predict` has. The caller sees to one thread for each product of BLAS, which is a
    setting of the process.

    Raises DataError where preprocessing cannot use a row.
    """

    def said(numbered: tuple[int, Block]) -> tuple[Predicted, Made]:
        some = _said(model, stream.path, *numbered)
        return some, work(some)

    return in_order(said, _numbered(_filled(stream.blocks, model.rows)), min(processors(), MOST_THREADS))


def _numbered(blocks: Blocks) -> Generator[tuple[int, Block], None, None]:
    """Blocks, with how many rows are before them."""
    done = 0
    with closing(blocks):
        for block in blocks:
            yield done, block
            done += len(block.values)


def _filled(blocks: Blocks, rows: int) -> Blocks:
    """The same rows in blocks of `rows` times a whole number, since those of a block that lacks some cost as much.

    What is left comes at the end, and before an error.
    """
    left: list[Block] = []
    with closing(blocks):
        try:
            for block in blocks:
                lacking = (rows - sum(len(some.values) for some in left)) % rows
                if len(block.values) < lacking:
                    left.append(block)
                    continue
                if left:
                    yield _joined([*left, _part(block, 0, lacking)])
                end = len(block.values) - (len(block.values) - lacking) % rows
                if lacking < end:
                    yield _part(block, lacking, end)
                left = [_part(block, end, len(block.values))] if end < len(block.values) else []
        except DataError:
            yield from left
            raise
        yield from left


def _part(block: Block, start: int, end: int) -> Block:
    return Block(block.values[start:end], block.files[start:end])


def _joined(blocks: Sequence[Block]) -> Block:
    return Block(
        np.concatenate([block.values for block in blocks]), tuple(file for block in blocks for file in block.files)
    )


def _said(model: Model, path: str, done: int, block: Block) -> Predicted:
    with np.errstate(all="ignore"):
        outputs = _computed(model, path, block, done)
        check_outputs(outputs, partial(_place, path, done))
        if not model.class_names:
            chances = model.probabilities(outputs) if model.has_probabilities else None
            return Predicted(model.decided(outputs), chances, block.files)
        flat = outputs.ndim == 2 and model.has_probabilities
        return Predicted(model.classes(outputs), model.probabilities(outputs) if flat else None, block.files)


def _place(path: str, done: int, row: int) -> str:
    return f"{path}: row {done + row + 1:,}"


def _computed(model: Model, path: str, block: Block, done: int) -> Array:
    """The outputs of a block; a row that preprocessing refuses is looked for and named."""
    try:
        if model.inputs.has_missing and np.isnan(block.values).any():
            _check_filled(model, path, block.values, done)
        return model.computed(block.values)
    except EntryError:
        rows, values = len(block.values), block.values
        raise no_entry(lambda count: model.computed(values[:count]), rows, partial(_place, path, done)) from None
    except StepError:
        for i in range(len(block.values)):
            try:
                model.prepared(block.values[i : i + 1])
            except StepError as error:
                raise DataError(f"{path}: row {done + i + 1:,}: {error}") from None
        raise


def _check_filled(model: Model, path: str, values: Array, done: int) -> None:
    """Refuse a value that is missing and that no step fills in."""
    lacking = np.isnan(model.prepared(values)).reshape(len(values), -1).any(axis=1)
    if lacking.any():
        row = done + int(lacking.argmax()) + 1
        raise DataError(f"{path}: row {row:,} lacks a value, and no step of preprocess fills it in")


def write_predictions(model: Model, data: Path, out: Path | None, write: Write) -> tuple[int, tuple[str, ...]]:
    """Predict the rows of `data` and write what comes.

    Args:
        out: a .csv, .npz or .parquet file, which is there whole or not at all; None for CSV text piece by piece.
        write: takes the pieces where `out` is None.

    Returns:
        How many rows there were, and what a person should know of how they were read.

    Raises DataError, UsageError and StorageError; then nothing is written to `out`.
    """
    stream = open_rows(data, model.inputs, model.reading, classes=model.class_names, formats=model.formats)
    rows = 0
    with ExitStack() as stack:
        sink = _sink(model, out, write if out is None else stack.enter_context(writing_whole(out)))
        stack.enter_context(pinned(1))
        predicted = predict_rows(model, stream, sink.form)
        with closing(predicted):
            for some, formed in predicted:
                sink.add(some, formed)
                rows += len(some.values)
        sink.end()
    return rows, stream.remarks


class _Sink(Protocol):
    """Turns predictions into a file's bytes: in threads what can be, and then in order."""

    def form(self, some: Predicted) -> Any: ...

    def add(self, some: Predicted, formed: Any) -> None: ...

    def end(self) -> None: ...


def _sink(model: Model, out: Path | None, write: Write) -> _Sink:
    ending = ".csv" if out is None else out.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"predictions go to a file that ends in {either(ENDINGS)}, and {out} does not")
    if ending == ".parquet" and find_spec("pyarrow") is None:
        hint = "pip install 'tape-trainer[tables]'"
        raise UsageError(f"Parquet is written by pyarrow, which is not installed: {hint}")
    sinks: dict[str, Callable[[Model, Write], _Sink]] = {".csv": _Csv, ".npz": _Npz, ".parquet": _Parquet}
    return sinks[ending](model, write)


def _columns(model: Model, some: Predicted) -> list[str]:
    """What the columns of a table of predictions are called: the class, labels or numbers, then the probabilities."""
    files = ["file"] if some.files else []
    width = some.values.shape[1] if some.values.ndim == 2 else 1
    names: Sequence[Any] = model.targets.names if len(model.targets.names) == width else range(width)
    values = ["prediction"] if some.values.ndim == 1 else [f"prediction_{name}" for name in names]
    chances = [] if some.probabilities is None else [f"probability_{name}" for name in model.class_names or names]
    return [*files, *values, *chances]


@dataclass
class _Csv:
    """A line per row. Class names and files are quoted where they have to be."""

    model: Model
    write: Write
    started: bool = False

    def form(self, some: Predicted) -> bytes:
        if some.values.ndim > 2:
            raise UsageError(
                f"predictions of shape {some.values.shape[1:]} are no columns; write an .npz file, -o OUT.npz"
            )
        if some.probabilities is not None and some.values.ndim == 1 and not some.files:
            return self._quick(some.values, some.probabilities)
        cells = [[*map(_quoted, some.files)]] if some.files else []
        cells += [self._texts(column) for column in np.atleast_2d(some.values.T)]
        chances = () if some.probabilities is None else some.probabilities.T
        cells += [[f"{p:.6f}" for p in column.tolist()] for column in chances]
        return "".join([",".join(row) + "\n" for row in zip(*cells, strict=True)]).encode()

    def add(self, some: Predicted, formed: bytes) -> None:
        if not self.started:
            self.write((",".join(map(_quoted, _columns(self.model, some))) + "\n").encode())
            self.started = True
        self.write(formed)

    def end(self) -> None:
        pass

    def _texts(self, column: Array) -> list[str]:
        if self.model.class_names:
            names = [*map(_quoted, self.model.class_names)]
            return [names[i] for i in column.tolist()]
        form = "%.9g" if self.model.dtype == np.float32 else "%.17g"
        return [form % value for value in column.tolist()]

    def _quick(self, classes: Array, probabilities: Array) -> bytes:
        """The lines of classes and probabilities, digit by digit for all rows together: four times as quick."""
        rows, count = probabilities.shape
        names = np.array([_quoted(name).encode() for name in self.model.class_names])
        millionths = np.rint(probabilities * 1e6).astype(np.int32)
        cells = np.empty((rows, count, len(",0.000000")), np.uint8)
        cells[..., 0], cells[..., 2] = ord(","), ord(".")
        for place in (8, 7, 6, 5, 4, 3, 1):
            millionths, digit = np.divmod(millionths, 10)
            cells[..., place] = digit + ord("0")
        lines = np.empty((rows, names.itemsize + cells[0].size + 1), np.uint8)
        lines[:, : names.itemsize] = names[classes].view(np.uint8).reshape(rows, -1)
        lines[:, names.itemsize : -1] = cells.reshape(rows, -1)
        lines[:, -1] = ord("\n")
        content: bytes = lines[lines != 0].tobytes()  # without what fills up the shorter names
        return content


@dataclass
class _Npz:
    """Arrays `predictions`, `probabilities`, `class_names` and `files`, all in memory until the end."""

    model: Model
    write: Write
    pieces: list[Predicted] = field(default_factory=list)

    def form(self, some: Predicted) -> None:
        return

    def add(self, some: Predicted, formed: None) -> None:
        self.pieces.append(some)

    def end(self) -> None:
        values = np.concatenate([some.values for some in self.pieces])
        arrays = {"predictions": np.array(self.model.class_names)[values] if self.model.class_names else values}
        if (first := self.pieces[0]).probabilities is not None:
            arrays["probabilities"] = np.concatenate([some.probabilities for some in self.pieces])
        if self.model.class_names:
            arrays["class_names"] = np.array(self.model.class_names)
        if first.files:
            arrays["files"] = np.array([file for some in self.pieces for file in some.files])
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        self.write(buffer.getvalue())


class _Pipe(io.RawIOBase):
    """A file for pyarrow, all of which is handed on."""

    def __init__(self, write: Write) -> None:
        self._write, self._length = write, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, piece: Any) -> int:
        content = bytes(piece)
        self._write(content)
        self._length += len(content)
        return len(content)


@dataclass
class _Parquet:
    """The columns of the CSV file, with all digits."""

    model: Model
    write: Write
    writer: Any = None

    def form(self, some: Predicted) -> Any:
        import pyarrow as pa

        values = np.array(self.model.class_names)[some.values] if self.model.class_names else some.values
        columns: list[Any] = [list(some.files)] if some.files else []
        columns += [*np.atleast_2d(values.T)]
        columns += [] if some.probabilities is None else [*some.probabilities.T]
        return pa.table({n: pa.array(c) for n, c in zip(_columns(self.model, some), columns, strict=True)})

    def add(self, some: Predicted, formed: Any) -> None:
        from pyarrow import parquet

        if self.writer is None:
            self.writer = parquet.ParquetWriter(_Pipe(self.write), formed.schema)
        self.writer.write_table(formed)

    def end(self) -> None:
        self.writer.close()


def _quoted(text: str) -> str:
    """A cell of a CSV file."""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text
