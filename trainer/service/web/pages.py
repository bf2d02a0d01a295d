"""What a person sees in a browser: pages that are whole without JavaScript, and are kept up to date with it.

A page has no styles and no scripts but those of the files under `static`, which the browser is told to insist on, and
whatever a person or a run has written is escaped by the templates. Jinja is imported for the first page alone.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trainer import wording
from trainer.runs.columns import PARTS
from trainer.service.states import State
from trainer.service.tokens import SCOPES, Person
from trainer.service.web import shown
from trainer.service.web.drawing import charts
from trainer.service.web.routes import Call
from trainer.service.web.runs import files_of, found_runs, tail_of
from trainer.service.web.thinning import thinned
from trainer.service.web.uploads import uploads_of

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["compare_page", "datasets_page", "home_page", "login_page", "new_page", "refusal", "run_page", "tokens_page"]

FOLDER = Path(__file__).parent / "templates"
POINTS = 800  # of a curve that the server draws: what is seen of it
MOST_COMPARED = 6  # runs, which have colours of their own
# A form's Origin is hidden from ourselves where no page is told anything; others are told nothing all the same.
HEADERS = {"Referrer-Policy": "same-origin"}
STARTER = """\
dataset: {name: moons, rows: 1000}
network:
  - dense: 16
  - tanh
  - dense: 2
cost: softmax_cross_entropy
optimizer: adam
step_size: 0.01
batch_size: 50
epochs: 200
"""


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        duration=wording.duration,
        number=lambda value: "–" if value is None else wording.number(value),
        bytes=shown.bytes_text,
        count=shown.count_text,
    )
    return made


def _page(page: str, who: Person | None, status: int = 200, /, **values: Any) -> Response:
    text = _templates().get_template(f"{page}.html").render(who=who, at=page, **values)
    return Response(text, status, headers=HEADERS, media_type="text/html")


async def home_page(call: Call) -> Response:
    """The runs, the newest first, and what is in line."""
    rows, limit = found_runs(call)
    mine, values = ("1", ()) if call.who.is_admin else ("owner = ?", (call.who.user,))
    counted = call.service.store.rows(
        f"SELECT state, count(*) AS n FROM runs WHERE {mine} GROUP BY state",  # noqa: S608  one of the two above
        *values,
    )
    return _page(
        "home",
        call.who,
        runs=await shown.shown_all(call.service, rows[:limit]),
        more=rows[limit - 1]["id"] if len(rows) > limit else None,
        counts={row["state"]: row["n"] for row in counted},
        states=[*State],
        asked={name: call.query(name) for name in ("q", "state", "owner", "after")},
    )


def _run(call: Call, run: str) -> sqlite3.Row:
    row = call.service.run(call.who, run)
    assert row is not None
    return row


async def run_page(call: Call) -> Response:
    """All of a run."""
    row = _run(call, call.path("id"))
    folder = call.service.settings.folder(row["id"])
    columns, log, files = await asyncio.to_thread(
        lambda: (thinned(folder / "metrics.csv", most=POINTS), tail_of(folder / "log.txt", 200), files_of(folder))
    )
    against = call.query("against")
    return _page(
        "run",
        call.who,
        run={**shown.shown(call.service, row), "config": row["config"]},
        charts=charts(columns),
        numbers=_numbers(columns),
        history=shown.history(call.service, row["id"]),
        log=log.decode("utf-8", "replace"),
        files=files,
        others=_others(call, row["id"]),
        against=against,
        difference=await asyncio.to_thread(_difference, call, row, _run(call, against)) if against else [],
    )


def _numbers(columns: Mapping[str, list[float | None]]) -> list[dict[str, Any]]:
    """Of each curve its last, its least and its largest number."""
    found = []
    for name, values in columns.items():
        there = [value for value in values if value is not None]
        if there and (name.partition("_")[0] in PARTS or name == "step_size"):
            found.append({"name": name.replace("_", " "), "last": there[-1], "low": min(there), "high": max(there)})
    return found


def _others(call: Call, run: str) -> list[sqlite3.Row]:
    """The runs with which one may be compared: the newest of those that have begun."""
    mine, values = ("1", ()) if call.who.is_admin else ("owner = ?", (call.who.user,))
    return call.service.store.rows(
        f"SELECT id, name, state, created FROM runs WHERE {mine} AND id != ? AND attempt > 0"  # noqa: S608  as above
        " ORDER BY id DESC LIMIT 30",
        *values,
        run,
    )


def _difference(call: Call, this: sqlite3.Row, other: sqlite3.Row) -> list[tuple[str, str]]:
    """Of the configs as they are used; as they were posted, where one is not in use yet."""
    folders = [call.service.settings.folder(row["id"]) / "resolved.yaml" for row in (this, other)]
    names = (f"{this['name']} {this['id']}", f"{other['name']} {other['id']}")
    try:
        texts = [path.read_text(encoding="utf-8") for path in folders]
    except FileNotFoundError:
        texts = ["\n".join([row["config"], *json.loads(row["overrides"])]) for row in (this, other)]
    return shown.difference(texts[0], texts[1], names)


async def compare_page(call: Call) -> Response:
    """Several runs beside one another: the settings in which they differ, and their curves."""
    ids = [*dict.fromkeys(call.request.query_params.getlist("run"))][:MOST_COMPARED]
    rows = [_run(call, each) for each in ids]
    folders = [call.service.settings.folder(row["id"]) for row in rows]

    def read() -> tuple[list[Any], list[Any]]:
        return (
            [_settings(folder / "resolved.yaml") for folder in folders],
            [_numbers(thinned(folder / "metrics.csv", most=POINTS)) for folder in folders],
        )

    settings, numbers = await asyncio.to_thread(read)
    names = [*dict.fromkeys(name for each in settings for name in each)]
    metrics = [*dict.fromkeys(number["name"] for each in numbers for number in each)]
    lasts = [{number["name"]: number for number in each} for each in numbers]
    return _page(
        "compare",
        call.who,
        runs=await shown.shown_all(call.service, rows),
        settings=[
            (name, values)
            for name in names
            if len(set(values := [each.get(name, "–") for each in settings])) > 1 and name != "name"
        ],
        numbers=[(name, [each.get(name) for each in lasts]) for name in metrics],
        others=_others(call, ""),
        most=MOST_COMPARED,
    )


def _settings(path: Path) -> dict[str, str]:
    """A config as it is used, by the path of each setting; nothing where it is not in use yet."""
    import yaml

    found: dict[str, str] = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{name}.{key}" if name else str(key), inner)
        else:
            text = json.dumps(value, ensure_ascii=False, default=str)
            found[name] = value if isinstance(value, str) else text

    try:
        walk("", yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    return found


async def new_page(call: Call) -> Response:
    """A config to write, or that of another run to change."""
    config, name = STARTER, ""
    if call.query("from"):
        row = _run(call, call.query("from"))
        config, name = row["config"], row["name"]
    elif call.query("upload"):
        config = STARTER.replace("{name: moons, rows: 1000}", f"{{path: 'upload:{call.query('upload')}'}}")
    settings = call.service.settings
    return _page(
        "new", call.who, config=config, name=name, uploads=uploads_of(call), datasets=sorted(settings.datasets)
    )


async def datasets_page(call: Call) -> Response:
    """The files that one has here."""
    return _page("datasets", call.who, uploads=uploads_of(call))


async def tokens_page(call: Call) -> Response:
    """Who may do what."""
    rows = call.service.store.rows("SELECT id, user, scopes, created, expires FROM tokens ORDER BY id DESC")
    return _page("tokens", call.who, tokens=rows, scopes=SCOPES)


def login_page(wanted: str = "/", *, wrong: bool = False) -> Response:
    """The page on which a token is given; `wanted` is shown after it."""
    return _page("login", None, wanted=wanted, wrong=wrong)


def refusal(request: Request, refused: Response) -> Response | None:
    """A problem as a page, for whoever asks for pages; None for those who do not, and are to be told as usual."""
    path = request.url.path
    if "text/html" not in request.headers.get("accept", "") or path.startswith(("/v1/", "/v2/", "/static/")):
        return None
    if refused.status_code == 401 and path != "/login":
        wanted = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'wanted': wanted})}", 303)
    about = json.loads(bytes(refused.body))
    return _page("problem", None, refused.status_code, title=about["title"], detail=about["detail"])
