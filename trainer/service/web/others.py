"""What can be asked besides runs: who one is, tokens, uploads, schemas, and how the service does."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from trainer.service import queue
from trainer.service.ids import is_id, new_id, now
from trainer.service.store import Unwritable, Writing
from trainer.service.tokens import SESSION, check_scopes, issue, new_token
from trainer.service.web.answers import json_answer, json_body
from trainer.service.web.guard import COOKIE
from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call

__all__ = [
    "alive", "delete_token", "delete_upload", "list_tokens", "list_uploads", "login", "make_ticket", "make_token", "me",
    "prometheus", "ready", "schema", "upload",
]  # fmt: skip

SUFFIXES = (".csv", ".npz", ".npy", ".txt")
UPLOAD_SECONDS = 600.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")  # a cookie goes there without TLS
_USER = re.compile(r"[a-z][a-z0-9_.-]{0,39}")
_FILE_NAME = re.compile(r"[\w][\w .+-]{0,119}")


async def alive(call: Call) -> Response:
    """The process answers."""
    return json_answer({"alive": True})


async def ready(call: Call) -> Response:
    """Runs are taken and trained, and the disk takes what is written."""
    if call.service.failure is not None:
        raise HttpProblem(503, call.service.failure)
    if not call.service.ready:
        why = "it is going down" if call.service.supervisor.draining else "what trains is being loaded"
        raise HttpProblem(503, why, {"Retry-After": "1"})
    try:
        await call.service.store.write(
            lambda w: w.db.execute("INSERT OR REPLACE INTO facts VALUES ('ready', ?)", (now(),))
        )
    except Unwritable as error:
        raise HttpProblem(503, str(error), {"Retry-After": "5"}) from None
    return json_answer({"ready": True})


async def prometheus(call: Call) -> Response:
    """Counters, as Prometheus reads them."""
    lines = [f"trainer_{name} {value:g}\n" for name, value in call.service.counters().items()]
    return Response("".join(lines), media_type="text/plain; version=0.0.4; charset=utf-8")


async def me(call: Call) -> Response:
    """Who one is here, and what one may have."""
    limits = call.service.limits()
    settings = call.service.settings
    return json_answer(
        {
            "user": call.who.user,
            "scopes": sorted(call.who.scopes),
            "limits": limits,
            "datasets": sorted(settings.datasets),
            "plugins": sorted(settings.plugins),
        }
    )


async def schema(call: Call) -> Response:
    """The JSON schema of a config."""
    found = await call.service.checker.ask({"ask": "schema"})
    return json_answer(found["schema"])


# Tokens.


async def list_tokens(call: Call) -> Response:
    """Every token that there is, without what it is."""
    rows = call.service.store.rows("SELECT id, user, scopes, created, expires FROM tokens ORDER BY id")
    return json_answer({"object": "list", "data": [_token(dict(row)) for row in rows]})


async def make_token(call: Call) -> Response:
    """A token, which is told this once."""
    given = {"days": 30, "scopes": ["read", "submit", "cancel"], **json_body(call)}
    if unknown := set(given) - {"user", "scopes", "days"}:
        raise HttpProblem(422, f"a token has no {', '.join(sorted(unknown))}")
    user, days, scopes = given.get("user"), given["days"], given["scopes"]
    if not isinstance(user, str) or not _USER.fullmatch(user):
        raise HttpProblem(422, "user is a name of at most 40 small letters, digits, and . _ -, a letter first")
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= 3650:
        raise HttpProblem(422, "days is a number of at most 3,650")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise HttpProblem(422, "scopes is a list of texts")
    check_scopes(scopes)
    token = new_token()
    row = await call.service.store.write(lambda w: issue(w, token, user, scopes, days * 86_400))
    return json_answer({**_token(row), "token": token}, 201)


async def delete_token(call: Call) -> Response:
    """A token that is good for nothing from now on."""
    token = call.path("id")
    gone = await call.service.store.write(lambda w: w.db.execute("DELETE FROM tokens WHERE id = ?", (token,)).rowcount)
    if not gone:
        raise queue.Gone(f"there is no token {token}")
    return Response(status_code=204)


def _token(row: dict[str, Any]) -> dict[str, Any]:
    expires = row["expires"]
    scopes = row["scopes"].split()
    return {
        "object": "token", "id": row["id"], "user": row["user"], "scopes": scopes,
        "created_at": row["created"], "expires_at": expires,
    }  # fmt: skip


async def make_ticket(call: Call) -> Response:
    """An address that logs a browser in, once, within five minutes."""
    ticket = call.service.tickets.issue(call.who)
    return json_answer({"path": f"/login?ticket={ticket}"}, 201)


async def login(call: Call) -> Response:
    """The ticket becomes a cookie."""
    person = call.service.tickets.redeem(call.query("ticket"))
    if person is None:
        raise HttpProblem(
            401, "this ticket was used already, or is older than five minutes: trainer login makes another"
        )
    session = new_token()
    await call.service.store.write(
        lambda w: issue(w, session, person.user, sorted(person.scopes), SESSION.total_seconds())
    )
    answer = RedirectResponse("/v1/me", 303)
    secure = call.request.url.scheme == "https" or call.request.url.hostname not in LOOPBACK
    answer.set_cookie(
        COOKIE, session, max_age=int(SESSION.total_seconds()), httponly=True, samesite="strict", secure=secure
    )
    return answer


# Data.


async def upload(call: Call) -> Response:
    """Take a file, and keep it once however often it comes."""
    name = call.query("name")
    suffix = os.path.splitext(name)[1].lower()
    if not _FILE_NAME.fullmatch(name) or suffix not in SUFFIXES:
        raise HttpProblem(422, f"name is that of a file, ?name=flowers.csv, and ends in {', '.join(SUFFIXES)}")
    service, owner = call.service, call.who.user
    row = service.store.row("SELECT coalesce(sum(bytes), 0) AS n FROM uploads WHERE owner = ?", owner)
    used = int(row["n"]) if row else 0
    room = min(service.settings.limits.upload, service.settings.limits.uploads - used)
    temporary = service.settings.uploads / f".{new_id()}"
    try:
        digest, size = await _received(call, str(temporary), room, used)
        os.replace(temporary, service.settings.uploads / f"{digest}{suffix}")
    except ClientDisconnect:
        raise HttpProblem(400, "the file did not come whole") from None
    finally:
        temporary.unlink(missing_ok=True)
    values = (new_id(), owner, name, digest, suffix, size, now())
    await service.store.write(lambda w: w.db.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)", values))
    keys = ("id", "owner", "name", "sha256", "suffix", "bytes", "created")
    return json_answer(_upload(dict(zip(keys, values, strict=True))), 201)


async def _received(call: Call, path: str, room: int, used: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            async with asyncio.timeout(UPLOAD_SECONDS):
                async for piece in call.request.stream():
                    size += len(piece)
                    if size > room:
                        raise HttpProblem(413, f"there is room for {room:,} bytes of yours; {used:,} are here")
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
    """The files that one has here."""
    rows = call.service.store.rows("SELECT * FROM uploads WHERE owner = ? ORDER BY id DESC", call.who.user)
    return json_answer({"object": "list", "data": [_upload(dict(row)) for row in rows]})


async def delete_upload(call: Call) -> Response:
    """Away with a file, unless a run or somebody else has it."""
    name = call.path("id")
    row = call.service.store.row("SELECT * FROM uploads WHERE id = ?", name) if is_id(name) else None
    if row is None or not (call.who.is_admin or row["owner"] == call.who.user):
        raise queue.Gone(f"there is no upload {name}")
    used = call.service.store.row("SELECT id FROM runs WHERE instr(files, ?) > 0 LIMIT 1", row["sha256"])
    if used is not None:
        raise queue.Conflict(f"run {used['id']} was trained on it, and needs it to go on; delete that run first")

    def away(writing: Writing) -> bool:
        writing.db.execute("DELETE FROM uploads WHERE id = ?", (name,))
        found = writing.db.execute("SELECT 1 FROM uploads WHERE sha256 = ? LIMIT 1", (row["sha256"],)).fetchone()
        return found is None

    if await call.service.store.write(away):
        (call.service.settings.uploads / f"{row['sha256']}{row['suffix']}").unlink(missing_ok=True)
    return Response(status_code=204)


def _upload(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "dataset", "id": row["id"], "name": row["name"], "sha256": row["sha256"], "bytes": row["bytes"],
        "created_at": row["created"], "config": f"upload:{row['id']}",
    }  # fmt: skip
