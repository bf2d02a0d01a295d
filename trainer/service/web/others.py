"""What can be asked besides runs and people: schemas, what there is to choose from, and how the service does."""

from __future__ import annotations

from starlette.responses import Response

from trainer.service.ids import now
from trainer.service.store import Unwritable
from trainer.service.web.answers import json_answer
from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call

__all__ = ["alive", "launchers", "prometheus", "ready", "schema", "told"]


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


async def schema(call: Call) -> Response:
    """The JSON schema of a config."""
    return json_answer(await call.service.told("schema"))


async def told(call: Call) -> Response:
    """What there is of a kind, or the plugins, as the last word of the path says."""
    return json_answer({"object": "list", "data": await call.service.told(call.request.url.path.rpartition("/")[2])})


async def launchers(call: Call) -> Response:
    """Where runs are trained, how many more begin at once, with how many threads, and what is in the way."""
    supervisor = call.service.supervisor
    data = [
        {
            "name": name, "free": max(0, each.free), "threads": each.threads, "outlives": each.outlives,
            "trouble": supervisor.troubles.get(name),
        }
        for name, each in supervisor.launchers.items()
    ]  # fmt: skip
    return json_answer({"object": "list", "data": data})
