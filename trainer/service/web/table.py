"""Every route that there is."""

from __future__ import annotations

from typing import Any

from trainer.service.service import NAME
from trainer.service.tokens import ATTEMPT
from trainer.service.web import attempts, models, others, people, runs, streams, uploads
from trainer.service.web.description import description
from trainer.service.web.page_table import PAGES
from trainer.service.web.routes import Call, Parameter, Route
from trainer.service.web.schemas import (
    BEGIN,
    CONFIGS,
    ETAG,
    EVENT,
    FILE_NAME,
    KEY,
    LAUNCHER,
    MANIFEST,
    MOST_FILE_NAME,
    MOST_OVERRIDES,
    OVERRIDES,
    QUOTA,
    REPORTED,
    SETTINGS,
    STATE,
    SWITCH,
    TEXT,
    TEXTS,
    TOKEN,
    pattern,
    reference,
    whole,
)

__all__ = ["ROUTES"]

MEBI = 1 << 20
TOLD = ("ops", "layers", "costs", "optimizers", "schedules", "metrics", "preprocessors", "callbacks", "plugins")
RUN, LIST, ROWS, TENSORS = map(reference, ("Run", "RunList", "Rows", "Tensors"))
ANY: dict[str, Any] = {"type": "object"}
JSON = "application/json"
SAME = Parameter("Idempotency-Key", "The same key and body get the first answer again.", pattern(KEY))
MATCH = Parameter("If-Match", "The ETag of the run as it was read.", pattern(ETAG))
SEEN = Parameter("If-None-Match", "The ETag of what one has: 304 where it is the same still.")
LAST = Parameter("Last-Event-ID", "The last event that was had.", pattern(EVENT, empty=True))
AFTER = Parameter("after", "The last event that was had.", whole(0, 0, 10**18 - 1))
SAID = (
    Parameter("name", "What the run is called.", pattern(NAME.pattern, empty=True)),
    Parameter("set", f"An override, KEY=VALUE; at most {MOST_OVERRIDES}, as far as an address is long.", TEXTS),
    Parameter("launcher", "What is to train it; without it whichever can.", pattern(LAUNCHER, empty=True)),
    Parameter("again", "Train it again, though the same was trained.", SWITCH),
)
REPORT = Parameter("report", "Answer 200 with `errors` where something is wrong, as an editor wants it.", SWITCH)


def limit(default: int, most: int) -> Parameter:
    """How long a page is."""
    return Parameter("limit", "At most so many.", whole(default, 1, most))


async def _openapi(call: Call) -> Any:
    from trainer.service.web.answers import json_answer

    return json_answer(description(ROUTES))


def _run(method: str, rest: str, summary: str, scope: str, handler: Any, **more: Any) -> Route:
    """A route of one run."""
    gives = more.pop("gives", (200, JSON, RUN))
    errors = (404, *more.pop("errors", ()))
    return Route(method, f"/v1/runs/{{id}}{rest}", summary, scope, handler, gives, errors=errors, **more)


def _model(method: str, rest: str, summary: str, handler: Any, **more: Any) -> Route:
    """A route of a run's model, by the Open Inference Protocol."""
    found = (404, 409, 422, 503)
    return Route(method, f"/v2/models/{{id}}{rest}", summary, "read", handler, (200, JSON, ANY), errors=found, **more)


ROUTES: tuple[Route, ...] = (
    *PAGES,
    Route("POST", "/v1/runs", "Check a config and put a run in line; one that was trained already is told instead.",
          "submit", runs.submit, (202, JSON, RUN), CONFIGS, SAID, (422, 429), 256 << 10, (SAME,)),
    Route("GET", "/v1/runs", "Runs, the newest first.", "read", runs.list_runs, (200, JSON, LIST), queries=(
        Parameter("state", "Only those in this state.", STATE), Parameter("owner", "Only this user's; for admins."),
        Parameter("q", "Only those with this in their name."), limit(50, 200),
        Parameter("after", "Those behind this id.")), errors=(422,)),
    Route("POST", "/v1/validate", "Check a config, without a run.", "submit", runs.validate, (200, JSON, ANY), CONFIGS,
          (*SAID, REPORT), (422,), 256 << 10),
    _run("GET", "", "A run.", "read", runs.get, headers=(SEEN,)),
    _run("PATCH", "", "Another name, other tags, another note.", "submit", runs.patch, takes={JSON: {
        "type": "object", "additionalProperties": False,
        "properties": SETTINGS}}, errors=(412, 422), headers=(MATCH,), body=256 << 10, optional=True),
    _run("DELETE", "", "Away with a run that rests, and its folder.", "cancel", runs.delete, gives=(204, "", {}),
         errors=(409, 412), headers=(MATCH,)),
    _run("POST", "/cancel", "Stop for good, with a checkpoint.", "cancel", runs.cancel, gives=(202, JSON, RUN),
         errors=(409,)),
    _run("POST", "/pause", "Stop for now, with a checkpoint.", "cancel", runs.pause, gives=(202, JSON, RUN),
         errors=(409,)),
    _run("POST", "/resume", "Go on from the newest checkpoint, also with more epochs.", "submit", runs.resume,
         gives=(202, JSON, RUN), errors=(409, 422, 429), takes={JSON: {"type": "object",
         "additionalProperties": False, "properties": {"overrides": OVERRIDES}}}, body=256 << 10, optional=True),
    _run("GET", "/config", "The config as it was posted.", "read", runs.config, gives=(200, "application/yaml", ANY)),
    _run("GET", "/resolved", "The config as it is used.", "read", runs.resolved, gives=(200, "application/yaml", ANY),
         headers=(SEEN,)),
    _run("GET", "/metrics", "The columns of its metrics, thinned to what can be seen.", "read", runs.metrics,
         gives=(200, JSON, ANY), queries=(Parameter("names", "Columns, with commas between."),
         Parameter("max_points", "At most about so many.", whole(2000, 10, 100_000))), errors=(422,)),
    _run("GET", "/log", "The end of its log.", "read", runs.log, gives=(200, "text/plain", TEXT),
         queries=(Parameter("tail", "So many lines.", whole(200, 1, 10_000)),), errors=(422,)),
    _run("GET", "/files", "The files of its folder.", "read", runs.files, gives=(200, JSON, ANY)),
    _run("GET", "/files/{name}", "One of them.", "read", runs.file, gives=(200, "*/*", {}),
         headers=(SEEN,)),
    _run("GET", "/model", "Its parameters, with all that predicting takes; as a zip with resolved.yaml, too.", "read",
         runs.model, gives=(200, "application/octet-stream", {}), also=("application/zip",), headers=(SEEN,),
         queries=(Parameter("format", "How.", {"enum": ["safetensors", "zip"]}),), errors=(422,)),
    _run("GET", "/events", "What happens to it, as Server-Sent Events.", "read", streams.run_events,
         gives=(200, "text/event-stream", {}), queries=(AFTER,), headers=(LAST,), errors=(422,)),
    _run("GET", "/history", "What has happened to it, as a page.", "read", runs.events_page, gives=(200, JSON, ANY),
         queries=(AFTER, limit(100, 1000)), errors=(422,)),
    _run("GET", "/columns", "What its model takes: the columns of a row.", "read", models.columns,
         gives=(200, JSON, ANY), errors=(409, 422, 503)),
    _run("POST", "/predict", "What its model says of rows.", "read", models.predict, gives=(200, JSON, ANY),
         body=16 * MEBI, takes={"text/csv": TEXT, JSON: ROWS}, errors=(409, 422), also=("text/csv",)),
    Route("GET", "/v2", "What this is, as the Open Inference Protocol asks.", None, models.server, (200, JSON, ANY)),
    Route("GET", "/v2/health/live", "The process answers.", None, models.live, (200, JSON, ANY)),
    Route("GET", "/v2/health/ready", "Predictions are made.", None, models.server_ready, (200, JSON, ANY),
          errors=(503,)),
    _model("GET", "", "What its model takes and gives: names, types and shapes of tensors.", models.metadata),
    _model("GET", "/ready", "Whether it has a model yet.", models.model_ready),
    _model("POST", "/infer", "What its model says of tensors.", models.infer, takes={JSON: TENSORS}, body=16 * MEBI),
    Route("GET", "/v1/events", "What happens to all runs that one may see, as Server-Sent Events.", "read",
          streams.all_events, (200, "text/event-stream", {}), queries=(AFTER,), headers=(LAST,), errors=(422,)),
    Route("GET", "/v1/schema", "The JSON schema of a config.", "read", others.schema, (200, JSON, ANY), errors=(503,)),
    *(Route("GET", f"/v1/{kind}", f"The {kind} that there are.", "read", others.told, (200, JSON, ANY), errors=(503,))
      for kind in TOLD),
    Route("GET", "/v1/launchers", "Where runs are trained.", "read", others.launchers, (200, JSON, ANY)),
    Route("GET", "/v1/me", "Who one is, and what one may have.", "read", people.me, (200, JSON, ANY)),
    Route("POST", "/v1/datasets", "Upload a file of data.", "submit", uploads.upload, (201, JSON, ANY),
          {"*/*": {}}, (Parameter("name", "What the file is called.",
          {**pattern(FILE_NAME), "maxLength": MOST_FILE_NAME}, required=True),), (422, 429), 0, optional=True),
    Route("GET", "/v1/datasets", "The files that one has here.", "read", uploads.list_uploads, (200, JSON, ANY)),
    Route("DELETE", "/v1/datasets/{id}", "Away with a file.", "submit", uploads.delete_upload, (204, "", {}),
          errors=(404, 409)),
    Route("GET", "/v1/tokens", "Every token, without what it is.", "admin", people.list_tokens, (200, JSON, ANY)),
    Route("POST", "/v1/tokens", "A new token, which is told once.", "admin", people.make_token, (201, JSON, ANY),
          {JSON: TOKEN}, errors=(422,)),
    Route("DELETE", "/v1/tokens/{id}", "Good for nothing from now on.", "admin", people.delete_token, (204, "", {}),
          errors=(404,)),
    Route("POST", "/v1/tickets", "An address that logs a browser in, once.", "read", people.make_ticket,
          (201, JSON, ANY)),
    Route("POST", "/v1/attempts/begin", "What an attempt elsewhere is to do, for one process.", ATTEMPT, attempts.begin,
          (200, JSON, ANY), {JSON: BEGIN}, errors=(409, 422)),
    Route("POST", "/v1/attempts/report", "How far it is, and how it ended; what is wished.", ATTEMPT, attempts.report,
          (200, JSON, ANY), {JSON: REPORTED}, errors=(409, 422), body=8 * MEBI),
    Route("GET", "/v1/attempts/files/{sha256}", "A file that it needs.", ATTEMPT, attempts.fetch, (200, "*/*", {}),
          errors=(404, 409, 503)),
    Route("PUT", "/v1/attempts/files/{sha256}", "A file of its run's folder, which a manifest will name.", ATTEMPT,
          attempts.hand_in, (201, JSON, ANY), {"*/*": {}}, errors=(409, 422), body=0, optional=True),
    Route("PUT", "/v1/attempts/manifest", "All files of a set, which take their places once all have come.", ATTEMPT,
          attempts.manifest, (200, JSON, ANY), {JSON: MANIFEST}, errors=(409, 422), body=4 * MEBI),
    Route("GET", "/v1/users", "Everybody, with what they may have and have.", "admin", people.list_users,
          (200, JSON, ANY)),
    Route("PUT", "/v1/users/{name}", "What a user may have, in place of what is usual.", "admin", people.put_user,
          (200, JSON, ANY), {JSON: QUOTA}, errors=(422,), optional=True),
    Route("DELETE", "/v1/users/{name}", "No token of a user's is good any more; their runs stay.", "admin",
          people.delete_user, (204, "", {}), errors=(404, 422)),
    Route("GET", "/v1/audit", "Who has changed what, the newest first.", "admin", people.audit_lines, (200, JSON, ANY),
          queries=(Parameter("user", "Only theirs."), limit(100, 1000),
                   Parameter("before", "Those before this one.", whole(2**62, 0, 2**62))), errors=(422,)),
    Route("GET", "/metrics", "Counters, as Prometheus reads them.", "admin", others.prometheus,
          (200, "text/plain", TEXT)),
    Route("GET", "/openapi.json", "This description.", "read", _openapi, (200, JSON, ANY)),
    Route("GET", "/healthz", "The process answers.", None, others.alive, (200, JSON, ANY)),
    Route("GET", "/readyz", "Runs are taken and trained.", None, others.ready, (200, JSON, ANY), errors=(503,)),
)  # fmt: skip
