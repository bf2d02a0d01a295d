"""What models say of rows: as rows and as tables, and by the Open Inference Protocol, version 2.

A body is handed on as the text that it is, and read by the worker that predicts: sixteen megabytes of JSON would keep
everybody else waiting here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.responses import Response

from trainer import __version__
from trainer.service.queue import Conflict
from trainer.service.web.answers import json_answer, text_of
from trainer.service.web.problems import HttpProblem, encoded
from trainer.service.web.routes import Call

__all__ = ["columns", "infer", "live", "metadata", "model_ready", "predict", "server", "server_ready"]

FILE = "parameters.safetensors"


async def predict(call: Call) -> Response:
    """What a run's model says of rows."""
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "text/csv":
        found = await _asked(call, csv=text_of(call.body))
        return Response(found["csv"], media_type="text/csv; charset=utf-8")
    return _json(await _asked(call, rows=text_of(call.body)))


async def infer(call: Call) -> Response:
    """What a run's model says of tensors."""
    return _json(await _asked(call, tensors=text_of(call.body)))


async def metadata(call: Call) -> Response:
    """What a run's model takes and gives."""
    return _json(await _asked(call, describe=True))


async def columns(call: Call) -> Response:
    """What a row is for a run's model, as a form asks for it."""
    return _json(await _asked(call, columns=True))


async def model_ready(call: Call) -> Response:
    """Whether a run has parameters yet."""
    return json_answer({"name": _trained(call).name, "ready": True})


async def server(call: Call) -> Response:
    """What this is, as the protocol asks."""
    return json_answer({"name": "tape-trainer", "version": __version__, "extensions": []})


async def live(call: Call) -> Response:
    """The process answers."""
    return json_answer({"live": True})


async def server_ready(call: Call) -> Response:
    """Predictions are made."""
    if not call.service.ready:
        raise HttpProblem(503, "what predicts is being loaded, or goes down", {"Retry-After": "1"})
    return json_answer({"ready": True})


def _json(found: Mapping[str, Any]) -> Response:
    return Response(encoded(found["json"]), media_type="application/json")


def _trained(call: Call) -> Path:
    """The folder of a run that has parameters. Raises Gone and Conflict."""
    row = call.service.run(call.who, call.path("id"))
    assert row is not None
    folder = call.service.settings.folder(row["id"])
    if not (folder / FILE).is_file():
        raise Conflict("this run has no parameters yet; it has after its first epoch, when it ends or pauses")
    return folder


async def _asked(call: Call, **question: object) -> dict[str, Any]:
    """The predictor's answer. Raises HttpProblem with what is wrong with the question."""
    folder = _trained(call)
    found = await call.service.predictor.ask({"folder": str(folder), "name": folder.name, **question})
    if "error" in found:
        raise HttpProblem(400 if found.get("unreadable") else 422, found["error"])
    return found
