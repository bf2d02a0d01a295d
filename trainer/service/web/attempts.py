"""What the processes of attempts elsewhere ask, each with the token of its own attempt."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from trainer.service.ids import new_id
from trainer.service.remote.attempts import Attempt
from trainer.service.remote.files import RECORDS
from trainer.service.web.answers import file_answer, json_answer, json_body
from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call
from trainer.service.web.schemas import DIGEST, MOST_NAME
from trainer.service.web.uploads import received

__all__ = ["begin", "fetch", "hand_in", "manifest", "report"]

MOST_FILES = 10_000
_COUNTS = ("epoch", "epochs", "step", "steps")
_ENDS = ("finished", "diverged", "failed", "lost")


def _attempt(call: Call) -> Attempt:
    """Whose token it is. Raises Superseded where it is over."""
    assert call.who.attempt is not None
    return call.service.supervisor.attempts.of(*call.who.attempt)


async def begin(call: Call) -> Response:
    """What is to be done, for one process and no other."""
    given, attempt = json_body(call), _attempt(call)
    _need(set(given) == {"instance", "version"} and all(isinstance(each, str) for each in given.values()), "begin")
    _need(0 < len(given["instance"]) <= MOST_NAME, "instance")
    return json_answer(await call.service.supervisor.attempts.begin(attempt, given["instance"], given["version"]))


async def report(call: Call) -> Response:
    """How far it is, and how it ended; the answer has what is wished."""
    said, attempt = json_body(call), _attempt(call)
    _need(set(said) == {"number", "first", "messages", "records", "exit"}, "report")
    _need(all(_is_count(said[name]) for name in ("number", "first")), "report")
    _need(isinstance(said["messages"], list) and all(map(_is_message, said["messages"])), "messages")
    _need(isinstance(said["records"], dict) and all(_is_piece(*each) for each in said["records"].items()), "records")
    _need(said["exit"] is None or _is_exit(said["exit"]), "exit")
    return json_answer(await call.service.supervisor.attempts.report(attempt, said))


async def fetch(call: Call) -> Response:
    """A file that the attempt needs."""
    try:
        path = await call.service.supervisor.attempts.place(_attempt(call), call.path("sha256"))
    except KeyError:
        raise HttpProblem(404, "the attempt needs no such file") from None
    return await file_answer(call, path.parent, path.name)


async def hand_in(call: Call) -> Response:
    """A file of its run's folder, which counts once a manifest names it."""
    attempt, wanted = _attempt(call), call.path("sha256")
    if not re.fullmatch(DIGEST, wanted):
        raise HttpProblem(422, "a file is called by its SHA-256, 64 digits of 0-9 and a-f")
    attempts, length = call.service.supervisor.attempts, call.request.headers.get("content-length", "0")
    room = await attempts.room(attempt, int(length) if length.isdecimal() else 0)
    folder = attempts.incoming(attempt)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    attempt.heard()
    temporary = folder / f".{new_id()}"
    try:
        most = min(room, call.service.settings.limits.file)
        digest, size = await received(call, str(temporary), most, "a file of a run")
        if digest != wanted:
            raise HttpProblem(422, f"these bytes have the SHA-256 {digest}")
        temporary.replace(folder / digest)
    except ClientDisconnect:
        raise HttpProblem(400, "the file did not come whole") from None
    finally:
        temporary.unlink(missing_ok=True)
        attempt.heard()
    return json_answer({"object": "file", "sha256": digest, "bytes": size}, 201)


async def manifest(call: Call) -> Response:
    """All files of a set, which then take their places; or those that have not come."""
    given, attempt = json_body(call), _attempt(call)
    named = given.get("files")
    _need(set(given) == {"files"} and isinstance(named, list) and len(named) <= MOST_FILES, "files")
    assert isinstance(named, list)
    _need(all(_is_named(each) for each in named), "files")
    return json_answer({"missing": await call.service.supervisor.attempts.accept(attempt, named)})


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise HttpProblem(422, f"{what} is not as an attempt says it; /openapi.json has its schema")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_message(message: Any) -> bool:
    kind = message.get("kind") if isinstance(message, dict) else None
    if kind == "points":
        rows = message.get("rows")
        return (
            all(_is_count(message.get(name)) for name in _COUNTS)
            and _is_number(message.get("loss"))
            and isinstance(rows, list)
            and all(isinstance(row, dict) and all(map(_is_number, row.values())) for row in rows)
        )
    if kind == "ended":
        return message.get("status") in _ENDS and isinstance(message.get("reason"), str)
    return kind in ("log", "warning") and isinstance(message.get("text"), str)


def _is_piece(name: Any, piece: Any) -> bool:
    return (
        name in RECORDS
        and isinstance(piece, dict)
        and _is_count(piece.get("at"))
        and isinstance(piece.get("text"), str)
    )


def _is_exit(ended: Any) -> bool:
    return (
        isinstance(ended, dict)
        and type(ended.get("code")) is int
        and -64 <= ended["code"] <= 255
        and isinstance(ended.get("asked"), bool)
        and _is_number(ended.get("cpu_seconds"))
        and _is_count(ended.get("peak_bytes"))
    )


def _is_named(each: Any) -> bool:
    return (
        isinstance(each, dict)
        and set(each) == {"name", "sha256"}
        and isinstance(each["name"], str)
        and isinstance(each["sha256"], str)
        and re.fullmatch(DIGEST, each["sha256"]) is not None
    )
