"""Every route that there is."""

from __future__ import annotations

from typing import Any

from trainer.service import quotas
from trainer.service.tokens import SCOPES
from trainer.service.web import models, others, people, runs, streams, uploads
from trainer.service.web.description import description
from trainer.service.web.page_table import PAGES
from trainer.service.web.routes import Call, Parameter, Route

__all__ = ["ROUTES"]

MEBI = 1 << 20
TOLD = ("ops", "layers", "costs", "optimizers", "schedules", "metrics", "preprocessors", "callbacks", "plugins")
RUN, LIST, ANY = {"$ref": "#/components/schemas/Run"}, {"$ref": "#/components/schemas/RunList"}, {"type": "object"}
ROWS = {"$ref": "#/components/schemas/Rows"}
TENSORS = {"$ref": "#/components/schemas/Tensors"}
CONFIG = {"$ref": "#/components/schemas/Submission"}
TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
JSON = "application/json"
KEY = Parameter("Idempotency-Key", "The same key and body get the first answer again.")
MATCH = Parameter("If-Match", "The ETag of the run as it was read.")
LAST = Parameter("Last-Event-ID", "The last event that was had.")
AFTER = Parameter("after", "The last event that was had.", WHOLE)
CONFIGS = {**dict.fromkeys(runs.YAML_TYPES, TEXT), JSON: CONFIG}
SETTINGS = (
    Parameter("name", "What the run is called."),
    Parameter("set", "An override, KEY=VALUE; any number of them.", {"type": "array", "items": TEXT}),
    Parameter("again", "Train it again, though the same was trained.", {"type": "boolean"}),
)
REPORT = Parameter("report", "Answer 200 with `errors` where something is wrong, as an editor wants it.",
                   {"type": "boolean"})  # fmt: skip


async def _openapi(call: Call) -> Any:
    from trainer.service.web.answers import json_answer

    return json_answer(description(ROUTES))


def _run(method: str, rest: str, summary: str, scope: str, handler: Any, **more: Any) -> Route:
    """A route of one run."""
    gives = more.pop("gives", (200, JSON, RUN))
    errors = (404, *more.pop("errors", ()))
    return Route(method, f"/v1/runs/{{id}}{rest}", summary, scope, handler, gives, errors=errors, **more)


def _model(method: str, rest: str, summary: str, handler: Any, *, errors: tuple[int, ...] = (), **more: Any) -> Route:
    """A route of a run's model, by the Open Inference Protocol."""
    found = (404, 422, 503, *errors)
    return Route(method, f"/v2/models/{{id}}{rest}", summary, "read", handler, (200, JSON, ANY), errors=found, **more)


ROUTES: tuple[Route, ...] = (
    *PAGES,
    Route("POST", "/v1/runs", "Check a config and put a run in line; one that was trained already is told instead.",
          "submit", runs.submit, (202, JSON, RUN), CONFIGS, SETTINGS, (400, 413, 415, 422, 429, 503), 256 << 10,
          (KEY,)),
    Route("GET", "/v1/runs", "Runs, the newest first.", "read", runs.list_runs, (200, JSON, LIST), queries=(
        Parameter("state", "Only those in this state."), Parameter("owner", "Only this user's; for admins."),
        Parameter("q", "Only those with this in their name."), Parameter("limit", "At most so many.", WHOLE),
        Parameter("after", "Those behind this id.")), errors=(422,)),
    Route("POST", "/v1/validate", "Check a config, without a run.", "submit", runs.validate, (200, JSON, ANY), CONFIGS,
          (*SETTINGS, REPORT), (400, 413, 415, 422), 256 << 10),
    _run("GET", "", "A run.", "read", runs.get),
    _run("PATCH", "", "Another name, other tags, another note.", "submit", runs.patch, takes={JSON: {
        "type": "object", "additionalProperties": False,
        "properties": {"name": TEXT, "tags": {"type": "array", "items": TEXT}, "note": TEXT}}},
        errors=(400, 412, 422), headers=(MATCH,)),
    _run("DELETE", "", "Away with a run that rests, and its folder.", "cancel", runs.delete, gives=(204, "", {}),
         errors=(409,), headers=(MATCH,)),
    _run("POST", "/cancel", "Stop for good, with a checkpoint.", "cancel", runs.cancel, gives=(202, JSON, RUN),
         errors=(409,)),
    _run("POST", "/pause", "Stop for now, with a checkpoint.", "cancel", runs.pause, gives=(202, JSON, RUN),
         errors=(409,)),
    _run("POST", "/resume", "Go on from the newest checkpoint, also with more epochs.", "submit", runs.resume,
         gives=(202, JSON, RUN), errors=(400, 409, 422), takes={JSON: {"type": "object", "additionalProperties": False,
         "properties": {"overrides": {"type": "array", "items": TEXT}}}}),
    _run("GET", "/config", "The config as it was posted.", "read", runs.config, gives=(200, "application/yaml", TEXT)),
    _run("GET", "/resolved", "The config as it is used.", "read", runs.resolved, gives=(200, "application/yaml", TEXT)),
    _run("GET", "/metrics", "The columns of its metrics, thinned to what can be seen.", "read", runs.metrics,
         gives=(200, JSON, ANY), queries=(Parameter("names", "Columns, with commas between."),
         Parameter("max_points", "At most about so many.", WHOLE)), errors=(422,)),
    _run("GET", "/log", "The end of its log.", "read", runs.log, gives=(200, "text/plain", TEXT),
         queries=(Parameter("tail", "So many lines.", WHOLE),), errors=(422,)),
    _run("GET", "/files", "The files of its folder.", "read", runs.files, gives=(200, JSON, ANY)),
    _run("GET", "/files/{name}", "One of them.", "read", runs.file, gives=(200, "application/octet-stream", TEXT)),
    _run("GET", "/model", "Its parameters, with all that predicting takes; as a zip with resolved.yaml, too.", "read",
         runs.model, gives=(200, "application/octet-stream", TEXT),
         queries=(Parameter("format", "How.", {"enum": ["safetensors", "zip"]}),), errors=(422,)),
    _run("GET", "/events", "What happens to it, as Server-Sent Events.", "read", streams.run_events,
         gives=(200, "text/event-stream", TEXT), queries=(AFTER,), headers=(LAST,), errors=(422,)),
    _run("GET", "/history", "What has happened to it, as a page.", "read", runs.events_page, gives=(200, JSON, ANY),
         queries=(AFTER, Parameter("limit", "At most so many.", WHOLE)), errors=(422,)),
    _run("GET", "/columns", "What its model takes: the columns of a row.", "read", models.columns,
         gives=(200, JSON, ANY), errors=(422,)),
    _run("POST", "/predict", "What its model says of rows.", "read", models.predict, gives=(200, JSON, ANY),
         body=16 * MEBI, takes={"text/csv": TEXT, JSON: ROWS}, errors=(400, 413, 415, 422)),
    Route("GET", "/v2", "What this is, as the Open Inference Protocol asks.", None, models.server, (200, JSON, ANY)),
    Route("GET", "/v2/health/live", "The process answers.", None, models.live, (200, JSON, ANY)),
    Route("GET", "/v2/health/ready", "Predictions are made.", None, models.server_ready, (200, JSON, ANY),
          errors=(503,)),
    _model("GET", "", "What its model takes and gives: names, types and shapes of tensors.", models.metadata),
    _model("GET", "/ready", "Whether it has a model yet.", models.model_ready, errors=(409,)),
    _model("POST", "/infer", "What its model says of tensors.", models.infer, takes={JSON: TENSORS}, body=16 * MEBI,
           errors=(400, 413, 415)),
    Route("GET", "/v1/events", "What happens to all runs that one may see, as Server-Sent Events.", "read",
          streams.all_events, (200, "text/event-stream", TEXT), queries=(AFTER,), headers=(LAST,), errors=(422,)),
    Route("GET", "/v1/schema", "The JSON schema of a config.", "read", others.schema, (200, JSON, ANY)),
    *(Route("GET", f"/v1/{kind}", f"The {kind} that there are.", "read", others.told, (200, JSON, ANY), errors=(503,))
      for kind in TOLD),
    Route("GET", "/v1/executors", "Where runs are trained.", "read", others.executors, (200, JSON, ANY)),
    Route("GET", "/v1/me", "Who one is, and what one may have.", "read", people.me, (200, JSON, ANY)),
    Route("POST", "/v1/datasets", "Upload a file of data.", "submit", uploads.upload, (201, JSON, ANY),
          {"application/octet-stream": TEXT}, (Parameter("name", "What the file is called."),),
          (408, 413, 422, 503), 0),
    Route("GET", "/v1/datasets", "The files that one has here.", "read", uploads.list_uploads, (200, JSON, ANY)),
    Route("DELETE", "/v1/datasets/{id}", "Away with a file.", "submit", uploads.delete_upload, (204, "", {}),
          errors=(404, 409)),
    Route("GET", "/v1/tokens", "Every token, without what it is.", "admin", people.list_tokens, (200, JSON, ANY)),
    Route("POST", "/v1/tokens", "A new token, which is told once.", "admin", people.make_token, (201, JSON, ANY), {
        JSON: {"type": "object", "additionalProperties": False, "required": ["user"], "properties": {
            "user": TEXT, "scopes": {"type": "array", "items": {"enum": list(SCOPES)}}, "days": {"type": "number"}}}},
        errors=(400, 422)),
    Route("DELETE", "/v1/tokens/{id}", "Good for nothing from now on.", "admin", people.delete_token, (204, "", {}),
          errors=(404,)),
    Route("POST", "/v1/tickets", "An address that logs a browser in, once.", "read", people.make_ticket,
          (201, JSON, ANY)),
    Route("GET", "/v1/users", "Everybody, with what they may have and have.", "admin", people.list_users,
          (200, JSON, ANY)),
    Route("PUT", "/v1/users/{name}", "What a user may have, in place of what is usual.", "admin", people.put_user,
          (200, JSON, ANY), {JSON: {"type": "object", "additionalProperties": False, "properties": {
              name: {"type": ["integer", "null"], "minimum": 0, "maximum": quotas.MOST} for name in quotas.NAMES}}},
          errors=(400, 415, 422)),
    Route("DELETE", "/v1/users/{name}", "No token of a user's is good any more; their runs stay.", "admin",
          people.delete_user, (204, "", {}), errors=(404, 422)),
    Route("GET", "/v1/audit", "Who has changed what, the newest first.", "admin", people.audit_lines, (200, JSON, ANY),
          queries=(Parameter("user", "Only theirs."), Parameter("limit", "At most so many.", WHOLE),
                   Parameter("before", "Those before this one.", WHOLE)), errors=(422,)),
    Route("GET", "/metrics", "Counters, as Prometheus reads them.", "admin", others.prometheus,
          (200, "text/plain", TEXT)),
    Route("GET", "/openapi.json", "This description.", "read", _openapi, (200, JSON, ANY)),
    Route("GET", "/healthz", "The process answers.", None, others.alive, (200, JSON, ANY)),
    Route("GET", "/readyz", "Runs are taken and trained.", None, others.ready, (200, JSON, ANY), errors=(503,)),
)  # fmt: skip
