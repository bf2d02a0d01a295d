"""Answers: JSON of runs, and files that are read as they are sent."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sqlite3
import stat
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from starlette.responses import Response, StreamingResponse

from trainer.service.service import Service
from trainer.service.web.problems import HttpProblem, encoded
from trainer.service.web.routes import Call
from trainer.service.web.schemas import ETAG

__all__ = [
    "as_run",
    "file_answer",
    "json_answer",
    "json_body",
    "matched",
    "number",
    "page",
    "place",
    "switch",
    "text_of",
    "zip_answer",
]

TYPES = {
    ".json": "application/json", ".csv": "text/csv; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
    ".yaml": "application/yaml", ".txt": "text/plain; charset=utf-8", ".sha256": "text/plain; charset=utf-8",
}  # fmt: skip
PIECE = 256 << 10


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(encoded(text), status, headers=dict(headers or {}), media_type="application/json")


def json_body(call: Call) -> dict[str, Any]:
    """The mapping that a body is. Raises HttpProblem; numbers that JSON has no word for are refused."""
    if not call.body:
        return {}
    try:
        value = json.loads(call.body, parse_constant=_refuse)
        if b"\\u" in call.body:  # half of a surrogate pair can be written so, and is no text that could be kept
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise HttpProblem(400, f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise HttpProblem(400, "the body is a mapping: {...}")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON's")


def place(service: Service, row: sqlite3.Row) -> int | None:
    """How many are before a run that is in line, itself counted; None of any other."""
    if row["state"] != "queued":
        return None
    found = service.store.row("SELECT count(*) AS n FROM runs WHERE state = 'queued' AND id <= ?", row["id"])
    return int(found["n"]) if found else None


def launcher_of(service: Service, row: sqlite3.Row) -> str | None:
    """What trains a run, or has trained it last; before it has begun what it asks for, None where that is nothing."""
    begun = service.store.row(
        "SELECT launcher FROM attempts WHERE run = ? AND number = ? AND launcher IS NOT NULL", row["id"], row["attempt"]
    )
    asked: str | None = row["launcher"]
    return asked if begun is None or row["state"] == "queued" else str(begun["launcher"])


def as_run(service: Service, row: sqlite3.Row) -> dict[str, Any]:
    """A run as it is told."""
    return {
        "object": "run",
        **{
            name: row[name] for name in ("id", "name", "owner", "state", "reason", "wish", "attempt", "note", "version")
        },
        "launcher": launcher_of(service, row),
        "place": place(service, row),
        "tags": json.loads(row["tags"]),
        "overrides": json.loads(row["overrides"]),
        "sha256": row["sha256"],
        "size": json.loads(row["size"]),
        "created_at": row["created"],
        "started_at": row["started"],
        "ended_at": row["ended"],
        "progress": {name: row[name] for name in ("epoch", "epochs", "step", "steps")},
        "loss": row["loss"],
        "trace": row["trace"],
    }


def page(service: Service, rows: list[sqlite3.Row], limit: int) -> dict[str, Any]:
    """A list of which there may be more."""
    shown = rows[:limit]
    return {
        "object": "list",
        "data": [as_run(service, row) for row in shown],
        "has_more": len(rows) > limit,
        "last_id": shown[-1]["id"] if shown else None,
    }


def matched(call: Call) -> int | None:
    """The version that If-Match names; None where it names none. Raises HttpProblem for what is none of ours."""
    given = call.request.headers.get("if-match")
    if given is None or given == "*":
        return None
    if not re.fullmatch(ETAG, given):
        raise HttpProblem(400, f'If-Match is the ETag of a run, such as "3", and not {given}')
    return int(given.strip('"'))


def number(call: Call, name: str) -> int:
    """A whole number of the query, within what the route says of it. Raises HttpProblem for what is none."""
    text, schema = call.query(name), call.schema(name)
    least, most = schema["minimum"], schema["maximum"]
    if not text:
        return int(schema["default"])
    if not text.isdecimal() or not text.isascii() or len(text) > 19 or not least <= int(text) <= most:
        raise HttpProblem(422, f"{name} is a whole number from {least:,} to {most:,}")
    return int(text)


def switch(call: Call, name: str) -> bool:
    """A yes or no of the query, no where there is none. Raises HttpProblem for anything else."""
    text = call.query(name)
    if text not in call.schema(name)["enum"]:
        raise HttpProblem(422, f"{name} is true or false, and not '{text}'")
    return text in ("true", "1")


def text_of(body: bytes) -> str:
    """A body that is text. Raises HttpProblem with the line that is none."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise HttpProblem(400, f"line {line} of the body is not UTF-8 text: byte 0x{body[error.start]:02X}") from None


async def file_answer(call: Call, folder: Path, name: str, *, attached: bool = True) -> Response:
    """A plain file of a folder. What is a link, or no file, is not there."""
    descriptor, about = opened(folder, name)
    tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
    if call.request.headers.get("if-none-match") == tag:
        os.close(descriptor)
        return Response(status_code=304, headers={"ETag": tag})
    headers = {"ETag": tag, "Content-Length": str(about.st_size), "Cache-Control": "no-cache"}
    if attached:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if call.request.method == "HEAD":
        os.close(descriptor)
        return Response(headers=headers, media_type=TYPES.get(Path(name).suffix, "application/octet-stream"))
    return StreamingResponse(
        _pieces(descriptor, about.st_size), headers=headers,
        media_type=TYPES.get(Path(name).suffix, "application/octet-stream"),
    )  # fmt: skip


def opened(folder: Path, name: str) -> tuple[int, os.stat_result]:
    """A plain file of a folder that is no link itself, to read. Raises HttpProblem where there is none."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
        finally:
            os.close(place)
    except OSError:
        raise HttpProblem(404, f"this run has no {name}, or not yet") from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise HttpProblem(404, f"this run has no {name}, or not yet")
    return descriptor, about


async def zip_answer(call: Call, folder: Path, names: Sequence[str], called: str) -> Response:
    """Plain files of a folder as a zip, which is made while it is sent; the same files are the same bytes."""
    headers = {"Content-Disposition": f'attachment; filename="{called}"'}
    files = {name: os.fdopen(opened(folder, name)[0], "rb") for name in names}
    if call.request.method == "HEAD":
        for file in files.values():
            file.close()
        return Response(headers=headers, media_type="application/zip")
    return StreamingResponse(_zipped(files), headers=headers, media_type="application/zip")


def _zipped(files: Mapping[str, BinaryIO]) -> Iterator[bytes]:
    sink = _Sink()
    with ExitStack() as stack, zipfile.ZipFile(sink, "w") as archive:
        for file in files.values():
            stack.enter_context(file)
        for name, file in files.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                while piece := file.read(PIECE):
                    entry.write(piece)
                    yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What is written, until somebody takes it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


async def _pieces(descriptor: int, length: int) -> AsyncIterator[bytes]:
    """As many bytes as there were when it was opened, though a log may grow meanwhile."""
    try:
        while length > 0:
            piece = await asyncio.to_thread(os.read, descriptor, min(PIECE, length))
            if not piece:
                return
            length -= len(piece)
            yield piece
    finally:
        os.close(descriptor)
