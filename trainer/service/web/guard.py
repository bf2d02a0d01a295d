"""Who is let in. It stands before everything, and what it does not know it refuses.

In this order: the host that is asked for is one of ours (another site's name may lead to this address), no other site's
page asks, there is such a route for whoever knows a token, the token has the scope, a cookie's change is asked for by
our own page, and the body is not larger and not slower than it may be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic, perf_counter
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import compile_path

from trainer.service.ids import now
from trainer.service.service import Service
from trainer.service.tokens import Person, attempt_of, person_of
from trainer.service.tracing import span, trace_of
from trainer.service.web.problems import HttpProblem, answer_to, problem
from trainer.service.web.routes import Call, Route

__all__ = ["COOKIE", "Application"]

log = logging.getLogger("trainer.service")
COOKIE = "trainer_session"
BODY_SECONDS = 10.0
USE_SECONDS = 60.0  # between two times that the use of a token is written down
SAFE = frozenset({"GET", "HEAD"})
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", _POLICY),
)


class Application:
    """The ASGI application: guard and router in one, so that no route is reached around the guard.

    hosts: what a Host header may be, with its port.
    """

    def __init__(self, service: Service, routes: Sequence[Route], hosts: frozenset[str]) -> None:
        self.service, self.hosts = service, hosts
        self._paths = [(compile_path(path)[0], compile_path(path)[2], path) for path in {r.path: None for r in routes}]
        self._routes = {(route.method, route.path): route for route in routes}
        self._uses: dict[str, float] = {}  # of tokens, when that was written down last

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":  # no lifespan, and no WebSocket
            return
        request = Request(scope, receive)

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in SECURE if pair[0] not in names)]
                if b"cache-control" not in names:
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        route, allowed = self._find(request)
        where = route.path if route is not None else "elsewhere"
        begun = perf_counter()
        with span(f"{request.method} {where}", request.headers.get("traceparent")) as trace:
            try:
                answer = await self._answer(request, route, allowed, trace)
            except ClientDisconnect:
                return
            except Exception as error:
                answer = self._refusal(request, error)
            self._log(request, where, answer.status_code, trace, perf_counter() - begun)
        await answer(scope, receive, guarded)

    def _refusal(self, request: Request, error: Exception) -> Response:
        found = answer_to(error)
        if found is None:
            log.error("%s %s", request.method, request.url.path, exc_info=error)
            found = problem(500, "it is written in the service's log, and not your mistake")
        self.service.refused(found.status_code)
        return _as_page(request, found) or found

    def _log(self, request: Request, where: str, status: int, trace: str, seconds: float) -> None:
        """A line for a request; what it may hold besides the route that there is stays out of it."""
        if log.isEnabledFor(logging.INFO):
            person: Person | None = request.scope.get("person")
            told = {
                "method": request.method, "route": where, "status": status, "ms": round(1000 * seconds, 2),
                "user": person and person.user, "trace": trace_of(trace),
                "run": request.path_params.get("id") if status < 400 else None,
            }  # fmt: skip
            log.info("%s %s %s", request.method, where, status, extra=told)

    async def _answer(self, request: Request, route: Route | None, allowed: list[str], trace: str) -> Response:
        headers = request.scope["headers"]
        self._check_site(request, headers)
        person = None
        if route is None or route.scope is not None:  # whoever has no token does not learn what routes there are
            person = request.scope["person"] = replace(self._person(request, headers), trace=trace)
            if person.attempt is None:
                self._used(person)
        if route is None:
            if allowed:
                raise HttpProblem(405, f"{request.url.path} takes {', '.join(allowed)}", {"Allow": ", ".join(allowed)})
            raise HttpProblem(404, f"there is nothing at {request.url.path}")
        if route.scope is not None:
            assert person is not None
            if not person.may(route.scope):
                raise HttpProblem(403, f"this token may not {route.scope}: it has {', '.join(sorted(person.scopes))}")
        body = await _body(request, route) if route.body else b""
        return await route.handler(Call(request, self.service, person, route, body, trace))

    def _used(self, person: Person) -> None:
        """Write down, once in a while, that a token is in use."""
        if monotonic() - self._uses.get(person.token, -USE_SECONDS) < USE_SECONDS:
            return
        self._uses[person.token] = monotonic()
        at, token = now(), person.token
        self.service.store.change(lambda w: w.db.execute("UPDATE tokens SET used = ? WHERE id = ?", (at, token)))

    def _check_site(self, request: Request, headers: Sequence[tuple[bytes, bytes]]) -> None:
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0].decode("latin-1").lower() not in self.hosts:
            raise HttpProblem(421, "this service has another name; start it with --allow-host NAME for further ones")
        own = [f"{scheme}://{hosts[0].decode('latin-1').lower()}" for scheme in ("http", "https")]
        if any(value.decode("latin-1").lower() not in own for name, value in headers if name == b"origin"):
            raise HttpProblem(403, "the page that asks this is of another site")
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise HttpProblem(403, "the page that asks this is of another site")

    def _find(self, request: Request) -> tuple[Route | None, list[str]]:
        """The route; and the methods that the path has where it is another one."""
        method = "GET" if request.method == "HEAD" else request.method
        path = request.scope["path"]
        for pattern, convertors, spelt in self._paths:
            found = pattern.match(path)
            if found is None:
                continue
            allowed = sorted(m for m, p in self._routes if p == spelt)
            if (method, spelt) in self._routes:
                given = {name: convertors[name].convert(value) for name, value in found.groupdict().items()}
                request.scope["path_params"] = given
                return self._routes[method, spelt], allowed
            return None, allowed
        return None, []

    def _person(self, request: Request, headers: Sequence[tuple[bytes, bytes]]) -> Person:
        given = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
        if len(given) == 1 and given[0].startswith("Bearer "):
            token = given[0].removeprefix("Bearer ").strip()
            person = person_of(self.service.store, token) or attempt_of(self.service.store, token)
        elif not given and (cookie := request.cookies.get(COOKIE)):
            person = person_of(self.service.store, cookie)
            same = request.headers.get("sec-fetch-site") == "same-origin" or "origin" in request.headers
            if person is not None and request.method not in SAFE and not same:
                raise HttpProblem(403, "a change that a cookie asks for comes from a page of this service")
        else:
            person = None
        if person is None:
            way = "Authorization: Bearer trn_…; the admin's is in the service's folder, in the file token"
            raise HttpProblem(401, f"send a token: {way}", {"WWW-Authenticate": "Bearer"})
        return person


def _as_page(request: Request, refused: Response) -> Response | None:
    from trainer.service.web.pages import refusal

    return refusal(request, refused)


async def _body(request: Request, route: Route) -> bytes:
    """The whole body, which is no larger and comes no later than it may."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal():
        raise HttpProblem(400, "Content-Length is no number")
    if int(length) > route.body:
        raise HttpProblem(413, f"a body of {int(length):,} bytes; at most {route.body:,} are read here")
    pieces, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                size += len(piece)
                if size > route.body:
                    raise HttpProblem(413, f"the body has more than {route.body:,} bytes")
                pieces.append(piece)
    except TimeoutError:
        raise HttpProblem(408, f"the body did not come within {BODY_SECONDS:g} s") from None
    body = b"".join(pieces)
    if body and not route.takes:
        raise HttpProblem(400, "this takes no body")
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media not in route.takes:
        raise HttpProblem(415, f"this takes {', '.join(route.takes)}, and not '{media}'")
    return body
