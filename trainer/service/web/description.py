"""The description of the routes, OpenAPI 3.1, made of the table that the router is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trainer import __version__
from trainer.service.states import State
from trainer.service.web.problems import TITLES
from trainer.service.web.routes import Parameter, Route

__all__ = ["description"]

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
TEXTS = {"type": "array", "items": TEXT}
MAYBE = {"type": ["string", "null"]}
COUNTS = {"type": "object", "additionalProperties": WHOLE}
SCHEMAS: dict[str, Any] = {
    "Run": {
        "type": "object",
        "required": ["object", "id", "name", "owner", "state", "reason", "progress", "version"],
        "properties": {
            "object": {"const": "run"}, "id": TEXT, "name": TEXT, "owner": TEXT, "state": {"enum": [*State]},
            "reason": TEXT, "wish": MAYBE, "place": {"type": ["integer", "null"]}, "attempt": WHOLE,
            "tags": TEXTS, "note": TEXT, "overrides": TEXTS, "sha256": TEXT, "size": COUNTS, "progress": COUNTS,
            "loss": {"type": ["number", "null"]}, "created_at": TEXT, "started_at": MAYBE, "ended_at": MAYBE,
            "version": WHOLE, "trace": MAYBE,
        },
    },
    "RunList": {
        "type": "object",
        "required": ["object", "data", "has_more", "last_id"],
        "properties": {
            "object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Run"}},
            "has_more": {"type": "boolean"}, "last_id": MAYBE,
        },
    },
    "Submission": {
        "type": "object", "required": ["config"], "additionalProperties": False,
        "properties": {
            "config": {"type": ["string", "object"]}, "name": TEXT, "overrides": TEXTS, "tags": TEXTS, "note": TEXT,
            "again": {"type": "boolean"},
        },
    },
    "Rows": {
        "type": "object", "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": {"type": ["object", "array"]}}},
    },
    "Tensors": {
        "type": "object", "required": ["inputs"],
        "properties": {
            "id": TEXT, "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
            "inputs": {"type": "array", "items": {
                "type": "object", "required": ["name", "shape", "datatype", "data"],
                "properties": {"name": TEXT, "shape": {"type": "array", "items": WHOLE}, "datatype": TEXT,
                               "data": {"type": "array"}}}},
        },
    },
    "Problem": {
        "type": "object", "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT,
            "errors": {"type": "array", "items": {"type": "object", "required": ["message"], "properties": {
                "message": TEXT, "line": {"type": ["integer", "null"]}, "column": {"type": ["integer", "null"]},
                "excerpt": MAYBE, "source": MAYBE}}},
        },
    },
}  # fmt: skip


def description(routes: Sequence[Route]) -> dict[str, Any]:
    """All routes, with what they take and give."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "trainer", "version": __version__, "description": "Configs in, live curves and models out."},
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    status, media, schema = route.gives
    content = {"content": {media: {"schema": dict(schema)}}} if media else {}
    refused = {400, 421, 403, *route.errors} | ({401} if route.scope else set())
    responses: dict[str, Any] = {str(status): {"description": route.summary, **content}}
    if route.path == "/v1/runs" and route.method == "POST":
        responses["200"] = {**responses["202"], "description": "A run of this config that is there already."}
    if route.gives[1] == "text/event-stream":
        responses["204"] = {"description": "There is nothing more to come."}
    for code in sorted(refused):
        problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[str(code)] = {"description": TITLES[code], "content": problem}
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": TEXT}
                for name in re.findall(r"{(\w+)}", route.path)
            ),
            *(_parameter(each, "query") for each in route.queries),
            *(_parameter(each, "header") for each in route.headers),
        ],
        "responses": responses,
        "security": [{"token": [route.scope]}] if route.scope else [],
    }
    if route.takes:
        operation["requestBody"] = {
            "content": {media: {"schema": dict(schema)} for media, schema in route.takes.items()}
        }
    return operation


def _name(route: Route) -> str:
    """What a client calls it: as its function is called, which more than one path may have."""
    name = route.handler.__name__.strip("_")
    return {"get": "get_run", "told": "list_" + route.path.rpartition("/")[2]}.get(name, name)


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    return {
        "name": parameter.name, "in": place, "description": parameter.description, "schema": dict(parameter.schema),
    }  # fmt: skip
