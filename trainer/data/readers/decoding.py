"""The text of a file that may be compressed and in another encoding than UTF-8; a byte order mark says which it is."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from trainer.data.readers.room import check_room
from trainer.errors import DataError, UsageError
from trainer.wording import cut, did_you_mean, either

__all__ = [
    "COMPRESSED",
    "check_encoding",
    "decoded_lines",
    "ending_of",
    "mark_of",
    "open_bytes",
    "opened",
    "order_of",
    "read_text_of",
    "text_of",
]

_MODULES = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
COMPRESSED = (*_MODULES, ".zst")
BUFFER = 1 << 20  # bytes that are unpacked at once
USUAL = ("utf-8", "cp1252", "latin-1", "utf-16")
# A byte order mark is no letter of a table, so it is believed whatever was said.
ORDERS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins as UTF-16's does, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def ending_of(path: Path) -> str:
    """What a file's name ends in, in lower case, without what says that it is compressed.

    >>> ending_of(Path("a.CSV.gz")), ending_of(Path("a.csv"))
    ('.csv', '.csv')
    """
    inner = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return inner.suffix.lower()


def open_bytes(path: str) -> io.BufferedReader:
    """A file, decompressed as it is read where its name says that it is compressed."""
    kind = Path(path).suffix.lower()
    try:
        if kind not in COMPRESSED:
            return open(path, "rb")
        packed = _zstandard(path) if kind == ".zst" else import_module(_MODULES[kind]).open(path, "rb")
        return io.BufferedReader(_Counted(path, packed), BUFFER)
    except OSError as error:
        raise _unreadable(path, error) from None


class _Counted(io.RawIOBase):
    """What is unpacked, as long as there is room for all of it."""

    def __init__(self, path: str, packed: io.BufferedReader) -> None:
        self._path, self._packed, self._size = path, packed, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._packed.readinto(buffer)
        self._size += count
        check_room(self._path, self._size, "what is in it")
        return count

    def close(self) -> None:
        self._packed.close()
        super().close()


def _zstandard(path: str) -> io.BufferedReader:
    try:
        import pyarrow as pa
    except ImportError:
        hint = "pip install 'tape-trainer[tables]', or decompress it"
        raise UsageError(f"{path} is decompressed by pyarrow, which is not installed: {hint}") from None
    return io.BufferedReader(pa.input_stream(path, compression="zstd"))  # type: ignore[no-any-return, unused-ignore] # pyarrow is not typed


@contextmanager
def opened(path: str) -> Iterator[io.BufferedReader]:
    """A file as `open_bytes` has it, for as long as it is read; what keeps it from being read is a DataError."""
    with _said(path), open_bytes(path) as file:
        yield file


def read_text_of(path: str, encoding: str = "utf-8", settled: bool = False) -> str:
    """The whole text of a file. Raises DataError, with the line, for bytes that are none in that encoding.

    settled: whether nobody can say another encoding, so that the error does not say how.
    """
    with _said(path), open_bytes(path) as file:
        content = file.read()
    return text_of(path, content, encoding, settled)


def text_of(path: str, content: bytes, encoding: str, settled: bool = False) -> str:
    """The text that bytes spell, without a byte order mark."""
    encoding = order_of(content[:4]) or check_encoding(encoding)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(_why_not(path, content, error, encoding, settled)) from None


def decoded_lines(path: str, encoding: str = "utf-8", settled: bool = False) -> Iterator[str]:
    """The lines of a file one by one, their ends as they are."""
    encoding = check_encoding(encoding)
    try:
        with _said(path), open_bytes(path) as file:
            encoding = order_of(file.peek(4)[:4]) or encoding
            with io.TextIOWrapper(file, encoding, newline="") as lines:
                yield from lines
    except UnicodeDecodeError:
        read_text_of(path, encoding, settled)  # which knows the line
        raise


def check_encoding(encoding: str) -> str:
    """The name of an encoding of text. Raises DataError for any other."""
    try:
        known = codecs.lookup(encoding)
        "a".encode(encoding)
    except (LookupError, ValueError):  # none, or one that makes no text
        known = None
    if known is None or "escape" in known.name or known.name in ("idna", "punycode", "undefined"):
        hint = did_you_mean(encoding, USUAL, f"usual ones are {', '.join(USUAL)}")
        raise DataError(f"encoding is the name of an encoding of text, not {encoding!r}; {hint}", "encoding")
    return encoding


def mark_of(path: str) -> str | None:
    """The encoding that a file's byte order mark says, see `order_of`."""
    with _said(path), open_bytes(path) as file:
        return order_of(file.peek(4)[:4])


def order_of(beginning: bytes) -> str | None:
    """The encoding that the byte order mark at the beginning of a file says; None where there is none."""
    return next((name for mark, name in ORDERS.items() if beginning.startswith(mark)), None)


def _why_not(path: str, content: bytes, error: UnicodeDecodeError, encoding: str, settled: bool) -> str:
    """Where the first byte is that the encoding has not, and what the line is in the usual one."""
    line = error.object.count(b"\n", 0, error.start) + 1  # what was decoded has no byte order mark of UTF-8's
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    begins = f"{path}:{line}: byte 0x{error.object[error.start]:02x} is not {name}"
    if settled:
        return f"{begins}; save the file in the encoding {name}"
    if order_of(content[:4]):
        return f"{begins}, and the byte order mark says that the file is; save it as UTF-8"
    if _is(content, "utf-8"):
        return f"{begins}, and the whole file is UTF-8: leave encoding out"
    around = content[max(content.rfind(b"\n", 0, error.start) + 1, error.start - 12) : error.start + 12]
    shown = around.partition(b"\r")[0].partition(b"\n")[0].decode("cp1252", errors="replace")
    if name == "UTF-8" and "\ufffd" not in shown and b"\0" not in content[:1000]:
        return f"{begins}; say encoding: cp1252 if this is right: {cut(shown, 30)!r}, or save the file as UTF-8"
    some = content[:1000]
    if b"\0" in some:  # where letters are Latin, every other byte of UTF-16 is zero
        wide = "utf-16-le" if some[1::2].count(0) >= some[::2].count(0) else "utf-16-be"
        return f"{begins}; say encoding: {wide}, or save the file as UTF-8"
    fitting = [name for name in ("cp1252", "latin-1", "cp850") if _is(content, name)]
    return f"{begins}; say encoding: NAME, such as {either(fitting)}, or save the file as UTF-8"


def _is(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def _said(path: str) -> Iterator[None]:
    """What keeps a file from being read, as a DataError."""
    try:
        yield
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from None
    except (DataError, UsageError, UnicodeDecodeError, MemoryError):
        raise
    except Exception as error:
        # Anything may have written these bytes, so whatever a decompressor raises is their fault.
        raise DataError(f"{path} is damaged: {error}") from None


def _unreadable(path: str, error: Exception) -> DataError:
    what = getattr(error, "strerror", None)
    if what is None:  # a decompressor's own words
        return DataError(f"{path} is damaged: {error}")
    return DataError(f"{path} cannot be read: {what}")
