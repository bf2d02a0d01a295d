"""The description of the routes, OpenAPI 3.1, made of the table that the router is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trainer import __version__
from trainer.service.web.problems import TITLES
from trainer.service.web.routes import Parameter, Route
from trainer.service.web.schemas import PATHS, SCHEMAS, TEXT, reference

__all__ = ["description"]

BODY = frozenset({400, 408, 413, 415})  # what is said of a body that cannot be read; 415 where the guard reads it


def description(routes: Sequence[Route]) -> dict[str, Any]:
    """All routes, with what they take and give."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, routes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "trainer", "version": __version__, "description": "Configs in, live curves and models out."},
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    status, media, schema = route.gives
    kinds = (media, *route.also) if media else ()
    content = {"content": {kind: {"schema": dict(schema)} for kind in kinds}} if kinds else {}
    responses: dict[str, Any] = {str(status): {"description": route.summary, **content}}
    if route.path == "/v1/runs" and route.method == "POST":
        responses["200"] = {**responses["202"], "description": "A run of this config that is there already."}
    if media == "text/event-stream":
        responses["204"] = {"description": "There is nothing more to come."}
    if any(each.name == "If-None-Match" for each in route.headers):
        responses["304"] = {"description": "It is as it was."}
    problem = {"application/problem+json": {"schema": reference("Problem")}}
    for code in sorted(_refused(route)):
        responses[str(code)] = {"description": TITLES[code], "content": problem}
    if links := _links(route, routes):
        responses |= {code: {**each, "links": links} for code, each in responses.items() if code < "300"}
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": _part(route, name)}
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
            "required": not route.optional,
            "content": {media: {"schema": dict(schema)} for media, schema in route.takes.items()},
        }
    return operation


def _links(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    """What can be asked of that which a route makes, by its id."""
    below = [f"{route.path}/{{id}}", *(("/runs/{id}", "/v2/models/{id}") if route.path == "/v1/runs" else ())]
    return {
        _name(each): {"operationId": _name(each), "parameters": {"id": "$response.body#/id"}}
        for each in routes
        if route.method == "POST" and any(f"{each.path}/".startswith(f"{path}/") for path in below)
    }


def _refused(route: Route) -> set[int]:
    """The statuses of refusals: by the guard, of a body, by a database that takes no change, and the route's own."""
    return {
        400, 403, 421, *route.errors,
        *([401] if route.scope else []),
        *((BODY if route.body else BODY - {415}) if route.takes else ()),
        *([503] if route.method != "GET" else []),
    }  # fmt: skip


def _part(route: Route, name: str) -> dict[str, Any]:
    """The schema of a part of a path."""
    return PATHS.get("user" if route.path.startswith("/v1/users/") else name, TEXT)


def _name(route: Route) -> str:
    """What a client calls it: as its function is called, which more than one path may have."""
    name = route.handler.__name__.strip("_")
    return {"get": "get_run", "told": "list_" + route.path.rpartition("/")[2]}.get(name, name)


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    return {
        "name": parameter.name, "in": place, "description": parameter.description, "required": parameter.required,
        "schema": dict(parameter.schema),
    }  # fmt: skip
