"""What a route is. The table in `table` has all of them; nothing else is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from trainer.service.service import Service
    from trainer.service.tokens import Person

__all__ = ["Call", "Parameter", "Route"]

SMALL = 64 << 10


@dataclass(frozen=True)
class Call:
    """A request that the guard has let through: of whom, to which service, in which trace."""

    request: Request
    service: Service
    person: Person | None
    route: Route
    body: bytes = b""
    trace: str = ""

    @property
    def who(self) -> Person:
        """The person; only for routes that ask for a scope."""
        assert self.person is not None
        return self.person

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """A part of the query."""
        return self.request.query_params.get(name, default)

    def schema(self, name: str) -> Mapping[str, Any]:
        """What the description says of a part of the query."""
        return next(each.schema for each in self.route.queries if each.name == name)


@dataclass(frozen=True)
class Parameter:
    """Of a query, or a header."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        scope: that a token needs; None for what everybody may ask.
        handler: makes the answer.
        takes: media types of the body, and the schema of each.
        gives: what comes back when all is well: status, media type and schema.
        also: further media types of it.
        errors: statuses of refusals, besides those that follow from the rest of the route.
        optional: whether a body may be missing.
        body: bytes of a body that are read; what is larger is refused. 0 for one that the handler itself reads.
    """

    method: str
    path: str
    summary: str
    scope: str | None
    handler: Callable[[Call], Awaitable[Response]]
    gives: tuple[int, str, Mapping[str, Any]]
    takes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    queries: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    body: int = SMALL
    headers: tuple[Parameter, ...] = ()
    also: tuple[str, ...] = ()
    optional: bool = False
