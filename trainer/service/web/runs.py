"""What can be asked of runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from starlette.responses import Response

from trainer.config.served import without_paths
from trainer.service.service import NAME, NAME_IS, Invalid
from trainer.service.states import ENDED, Message, State
from trainer.service.web.answers import (
    as_run,
    file_answer,
    json_answer,
    json_body,
    matched,
    number,
    opened,
    page,
    switch,
    text_of,
    zip_answer,
)
from trainer.service.web.problems import HttpProblem, encoded
from trainer.service.web.routes import Call
from trainer.service.web.schemas import KEY, LAUNCHER, MOST_NOTE, MOST_OVERRIDES, MOST_TAGS, MOST_TEXT, YAML_TYPES
from trainer.service.web.thinning import thinned

__all__ = [
    "asked_config", "cancel", "config", "delete", "events_page", "file", "files", "files_of", "found_runs", "get",
    "list_runs", "log", "metrics", "model", "patch", "pause", "resolved", "resume", "submit", "tail_of", "validate",
]  # fmt: skip

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}")
PRINTED = "output.txt"  # what a process and its libraries have printed, with tracebacks
MOST_PRINTED = 10_000  # lines of it
HIDDEN = frozenset({"lock", "attempt.lock", "attempt.json"})  # of the service's own


def asked_config(call: Call) -> dict[str, Any]:
    """What a request asks for: YAML as it is, or JSON, of which all but the config may stand in the query as well."""
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given = {"config": text_of(call.body)} if media in YAML_TYPES else json_body(call)
    if unknown := set(given) - {"config", "name", "overrides", "tags", "note", "again", "launcher"}:
        raise HttpProblem(422, f"a run has no {', '.join(sorted(unknown))}")
    if isinstance(given.get("config"), dict):
        given["config"] = json.dumps(given["config"], indent=1)  # which is YAML
    said = {
        "config": "", "name": call.query("name") or "config", "tags": [], "note": "",
        "overrides": call.request.query_params.getlist("set"), "again": switch(call, "again"),
        "launcher": call.query("launcher") or None,
    }  # fmt: skip
    _check(said)  # also what the body says otherwise
    asked = {**said, "config": None, **given}
    _check(asked)
    return asked


def _check(asked: dict[str, Any]) -> None:
    if not isinstance(asked.get("config"), str):
        raise HttpProblem(422, "config is missing: the YAML as a text, or the same as a mapping")
    if not isinstance(asked["name"], str) or not NAME.fullmatch(asked["name"]):
        raise HttpProblem(422, NAME_IS)
    for key, most in (("overrides", MOST_OVERRIDES), ("tags", MOST_TAGS)):
        value = asked[key]
        texts = isinstance(value, list) and all(isinstance(each, str) and len(each) <= MOST_TEXT for each in value)
        if not texts or len(value) > most:
            raise HttpProblem(422, f"{key} is a list of at most {most} texts")
    if not isinstance(asked["note"], str) or len(asked["note"]) > MOST_NOTE:
        raise HttpProblem(422, f"note is a text of at most {MOST_NOTE:,} characters")
    launcher = asked["launcher"]
    if launcher is not None and not (isinstance(launcher, str) and re.fullmatch(LAUNCHER, launcher)):
        raise HttpProblem(422, "launcher is the name of one: GET /v1/launchers has them")
    if not isinstance(asked["again"], bool):
        raise HttpProblem(422, "again is true or false")


async def submit(call: Call) -> Response:
    """Check a config, and put a run in line: 202, and 200 for one that is there already."""
    if call.service.supervisor.draining:
        raise HttpProblem(503, "this service is going down", {"Retry-After": "10"})
    key = call.request.headers.get("idempotency-key")
    if key is not None and not re.fullmatch(KEY, key):
        raise HttpProblem(400, "an Idempotency-Key has at most 200 printable characters of ASCII, and no blanks")
    run, is_new = await call.service.submit(call.who, asked_config(call), key)
    return _shown(call, run, 202 if is_new else 200)


async def validate(call: Call) -> Response:
    """What a config comes to, without a run."""
    asked, report = asked_config(call), switch(call, "report")
    try:
        found = await call.service.check(
            call.who, {name: asked[name] for name in ("name", "config", "overrides")}, asked["launcher"]
        )
    except Invalid as error:
        if not report:
            raise
        return json_answer({"errors": error.problems})
    return json_answer({name: found[name] for name in ("name", "sha256", "size", "epochs", "resolved")})


def _shown(call: Call, run: str, status: int = 200) -> Response:
    row = call.service.run(call.who, run)
    assert row is not None
    headers = {"ETag": f'"{row["version"]}"', "Location": f"/v1/runs/{run}"}
    return json_answer(as_run(call.service, row), status, headers)


async def get(call: Call) -> Response:
    """A run."""
    row = call.service.run(call.who, call.path("id"))
    assert row is not None
    if row["state"] in ENDED and call.request.headers.get("if-none-match") == f'"{row["version"]}"':
        return Response(status_code=304, headers={"ETag": f'"{row["version"]}"'})
    return _shown(call, row["id"])


async def list_runs(call: Call) -> Response:
    """Runs, the newest first."""
    return json_answer(page(call.service, *found_runs(call)))


def found_runs(call: Call) -> tuple[list[sqlite3.Row], int]:
    """The runs that a query asks for, and the limit; there is one more where there are more."""
    where, values = ["1"], list[object]()
    if not call.who.is_admin:
        where, values = ["owner = ?"], [call.who.user]
    elif owner := call.query("owner"):
        where, values = ["owner = ?"], [owner]
    if state := call.query("state"):
        if state not in set(State):
            raise HttpProblem(422, f"there is no state '{state}'; there are: {', '.join(State)}")
        where.append("state = ?")
        values.append(state)
    if text := call.query("q"):
        where.append("instr(lower(name), lower(?)) > 0")
        values.append(text)
    if after := call.query("after"):
        where.append("id < ?")
        values.append(after)
    limit = number(call, "limit")
    sql = f"SELECT * FROM runs WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608  conditions from above
    return call.service.store.rows(sql, *values, limit + 1), limit


async def patch(call: Call) -> Response:
    """Another name, other tags, another note."""
    given = _some(call, "name", "tags", "note")
    changes = {key: json.dumps(value) if key == "tags" else str(value) for key, value in given.items()}
    run = call.path("id")
    await call.service.describe(call.who, run, changes, matched(call))
    return _shown(call, run)


def _some(call: Call, *known: str) -> dict[str, Any]:
    """What a body gives of what can be given."""
    given = json_body(call)
    if unknown := set(given) - set(known):
        raise HttpProblem(422, f"{', '.join(sorted(unknown))} cannot be given here; {', '.join(known)} can")
    _check(
        {"config": "", "name": "x", "overrides": [], "tags": [], "note": "", "again": False, "launcher": None, **given}
    )
    return given


async def delete(call: Call) -> Response:
    """Away with a run and its folder."""
    await call.service.delete(call.who, call.path("id"), matched(call))
    return Response(status_code=204)


async def cancel(call: Call) -> Response:
    """Stop for good, with a checkpoint."""
    await call.service.tell(call.who, call.path("id"), Message.CANCEL)
    return _shown(call, call.path("id"), 202)


async def pause(call: Call) -> Response:
    """Stop for now, with a checkpoint."""
    await call.service.tell(call.who, call.path("id"), Message.PAUSE)
    return _shown(call, call.path("id"), 202)


async def resume(call: Call) -> Response:
    """Go on from the newest checkpoint, also with more epochs."""
    overrides = _some(call, "overrides").get("overrides", [])
    await call.service.resume(call.who, call.path("id"), overrides)
    return _shown(call, call.path("id"), 202)


def _folder(call: Call) -> Path:
    row = call.service.run(call.who, call.path("id"))
    assert row is not None
    return call.service.settings.folder(row["id"])


async def config(call: Call) -> Response:
    """The config as it was posted."""
    row = call.service.run(call.who, call.path("id"))
    assert row is not None
    return Response(row["config"], media_type="application/yaml")


async def resolved(call: Call) -> Response:
    """The config as it is used."""
    return await file_answer(call, _folder(call), "resolved.yaml", attached=False)


async def log(call: Call) -> Response:
    """The end of the log."""
    path, lines = _folder(call) / "log.txt", number(call, "tail")
    return Response(await asyncio.to_thread(tail_of, path, lines), media_type="text/plain; charset=utf-8")


def tail_of(path: Path, lines: int) -> bytes:
    """The last lines of a file; nothing of one that is not there."""
    try:
        with open(opened(path.parent, path.name)[0], "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 400 * lines))
            return b"".join(file.read().splitlines(keepends=True)[-lines:])
    except HttpProblem:  # not yet
        return b""


async def files(call: Call) -> Response:
    """The files of a run's folder."""
    return json_answer({"object": "list", "data": await asyncio.to_thread(files_of, _folder(call))})


def files_of(folder: Path) -> list[dict[str, Any]]:
    """The names and sizes of the files that are given."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # not yet
        return []
    try:
        with os.scandir(place) as entries:
            plain = [e for e in entries if e.is_file(follow_symlinks=False) and _offered(e.name)]
            return [{"name": e.name, "bytes": e.stat().st_size} for e in sorted(plain, key=lambda e: e.name)]
    finally:
        os.close(place)


async def file(call: Call) -> Response:
    """One file of a run's folder."""
    folder, name = _folder(call), call.path("name")
    if not _offered(name):
        raise HttpProblem(404, "there is no such file")
    if name == PRINTED:
        text = (await asyncio.to_thread(tail_of, folder / name, MOST_PRINTED)).decode("utf-8", "replace")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(encoded(without_paths(text)), headers=headers, media_type="text/plain; charset=utf-8")
    return await file_answer(call, folder, name)


def _offered(name: str) -> bool:
    return _FILE.fullmatch(name) is not None and name not in HIDDEN


async def model(call: Call) -> Response:
    """The parameters, with all that predicting takes; also as a zip with the config as it was used."""
    folder, kind = _folder(call), call.query("format", "safetensors")
    if kind not in ("safetensors", "zip"):
        raise HttpProblem(422, f"a model comes as safetensors or as zip, not as '{kind}'")
    if kind == "safetensors":
        return await file_answer(call, folder, "parameters.safetensors")
    return await zip_answer(call, folder, ("parameters.safetensors", "resolved.yaml"), f"{call.path('id')}.zip")


async def metrics(call: Call) -> Response:
    """The columns of metrics.csv, thinned to what can be seen."""
    folder, most = _folder(call), number(call, "max_points")
    wanted = [name for name in call.query("names").split(",") if name]
    columns = await asyncio.to_thread(thinned, folder / "metrics.csv", wanted, most)
    return json_answer({"object": "metrics", "columns": columns})


async def events_page(call: Call) -> Response:
    """What happened to a run, as a page of JSON."""
    row = call.service.run(call.who, call.path("id"))
    assert row is not None
    after, limit = number(call, "after"), number(call, "limit")
    rows = call.service.store.rows(
        "SELECT seq, at, kind, data FROM events WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?",
        row["id"],
        after,
        limit + 1,
    )

    data = [
        {"id": r["seq"], "created_at": r["at"], "type": r["kind"], "data": json.loads(r["data"])} for r in rows[:limit]
    ]
    last = data[-1]["id"] if data else None
    return json_answer({"object": "list", "data": data, "has_more": len(rows) > limit, "last_id": last})
