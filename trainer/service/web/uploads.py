"""Files of data: taken, kept once for each content, and forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from trainer.service import queue, quotas
from trainer.service.ids import is_id, new_id, now
from trainer.service.store import Writing
from trainer.service.web.answers import json_answer
from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call
from trainer.service.web.schemas import FILE_NAME, MOST_FILE_NAME, SUFFIXES

__all__ = ["delete_upload", "list_uploads", "received", "upload", "uploads_of"]

KEYS = ("id", "owner", "name", "sha256", "suffix", "bytes", "created")
UPLOAD_SECONDS = 600.0


async def upload(call: Call) -> Response:
    """Take a file, and keep it once however often it comes."""
    name = call.query("name")
    suffix = os.path.splitext(name)[1].lower()
    if not re.fullmatch(FILE_NAME, name) or len(name) > MOST_FILE_NAME:
        raise HttpProblem(422, f"name is that of a file, ?name=flowers.csv, and ends in {', '.join(SUFFIXES)}")
    service, owner = call.service, call.who.user
    usual = service.settings.quota
    room = quotas.check(service.store.reading, owner, usual, _announced(call))
    most = service.settings.limits.upload
    what = "a file of data" if most <= room else "all that you may have, of which so much is left,"
    temporary, this = service.settings.uploads / f".{new_id()}", new_id()

    def keep(writing: Writing) -> dict[str, Any]:
        quotas.check(writing.db, owner, usual, size)
        os.replace(temporary, service.settings.uploads / f"{digest}{suffix}")
        values = (this, owner, name, digest, suffix, size, now())
        writing.db.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return dict(zip(KEYS, values, strict=True))

    try:
        digest, size = await received(call, str(temporary), min(most, room), what)
        row = await service.change(call.who, "uploaded", this, keep, name=name, sha256=digest, bytes=size)
    except ClientDisconnect:
        raise HttpProblem(400, "the file did not come whole") from None
    finally:
        temporary.unlink(missing_ok=True)
    return json_answer(_upload(row), 201)


def _announced(call: Call) -> int:
    """How long the file says that it is; 0 where it does not."""
    length = call.request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


async def received(call: Call, path: str, most: int, what: str) -> tuple[str, int]:
    """The SHA-256 and the length of the body, which lies at a path; raises HttpProblem for one that is too large.

    what: it is, of which so many bytes are taken.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            async with asyncio.timeout(UPLOAD_SECONDS):
                async for piece in call.request.stream():
                    size += len(piece)
                    if size > most:
                        raise HttpProblem(413, f"{what} has at most {most:,} bytes here")
                    digest.update(piece)
                    file.write(piece)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    except TimeoutError:
        raise HttpProblem(408, f"the file did not come within {UPLOAD_SECONDS:g} s") from None
    except OSError as error:
        raise HttpProblem(503, f"the file cannot be kept: {error.strerror}") from None
    return digest.hexdigest(), size


async def list_uploads(call: Call) -> Response:
    """The files that one has here, and the data sets that everybody may choose by name."""
    offered = sorted(call.service.settings.datasets)
    return json_answer({"object": "list", "data": uploads_of(call), "offered": offered})


def uploads_of(call: Call) -> list[dict[str, Any]]:
    """The files of whoever asks, the newest first."""
    rows = call.service.store.rows("SELECT * FROM uploads WHERE owner = ? ORDER BY id DESC", call.who.user)
    return [_upload(dict(row)) for row in rows]


async def delete_upload(call: Call) -> Response:
    """Away with a file, unless a run or somebody else has it."""
    name = call.path("id")
    row = call.service.store.row("SELECT * FROM uploads WHERE id = ?", name) if is_id(name) else None
    if row is None or not (call.who.is_admin or row["owner"] == call.who.user):
        raise queue.Gone(f"there is no upload {name}")
    used = call.service.store.row("SELECT id FROM runs WHERE instr(files, ?) > 0 LIMIT 1", row["sha256"])
    if used is not None:
        raise queue.Conflict(f"run {used['id']} was trained on it, and needs it to go on; delete that run first")

    path = call.service.settings.uploads / f"{row['sha256']}{row['suffix']}"

    def away(writing: Writing) -> None:
        writing.db.execute("DELETE FROM uploads WHERE id = ?", (name,))

    def sweep(writing: Writing) -> None:  # once that is on the disk, and before the same content can come again
        same = "SELECT 1 FROM uploads WHERE sha256 = ? AND suffix = ? LIMIT 1"
        if writing.db.execute(same, (row["sha256"], row["suffix"])).fetchone() is None:
            path.unlink(missing_ok=True)

    await call.service.change(call.who, "upload deleted", name, away, sha256=row["sha256"])
    await call.service.store.write(sweep)
    return Response(status_code=204)


def _upload(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "dataset", "id": row["id"], "name": row["name"], "sha256": row["sha256"], "bytes": row["bytes"],
        "created_at": row["created"], "config": f"upload:{row['id']}",
    }  # fmt: skip
