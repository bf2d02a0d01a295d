"""What goes wrong, as RFC 9457 has it: application/problem+json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from trainer.errors import TrainerError, UsageError
from trainer.service.children import Overdue, Unavailable
from trainer.service.queue import Conflict, Full, Gone, Misused
from trainer.service.service import Changed, Invalid
from trainer.service.store import Unwritable

__all__ = ["HttpProblem", "answer_to", "encoded", "problem"]

TITLES = {
    400: "This request cannot be read", 401: "A token is needed", 403: "This is not allowed", 404: "Not there",
    405: "This cannot be done here", 408: "The body did not come", 409: "Not in this state",
    412: "It has changed since", 413: "The body is too large",
    415: "Another media type is needed", 421: "Another host is meant",
    422: "This cannot be used", 429: "There is no more room for you now", 500: "A mistake of this service",
    503: "Not now",
}  # fmt: skip
_OF: tuple[tuple[type[Exception], int], ...] = (
    (Gone, 404), (Misused, 422), (Changed, 412), (Conflict, 409), (Unwritable, 503), (Unavailable, 503),
    (Overdue, 422), (UsageError, 422),
)  # fmt: skip


class HttpProblem(Exception):
    """A request that is refused."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """The answer to a request that is refused."""
    content = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail, **more}
    return Response(
        encoded(json.dumps(content, ensure_ascii=False)),
        status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def encoded(text: str) -> bytes:
    r"""A JSON text as it is sent; half of a surrogate pair, which has no UTF-8, stays the escape that it came as.

    >>> encoded('"é\ud800"')
    b'"\xc3\xa9\\ud800"'
    """
    return text.encode("utf-8", "backslashreplace")


def answer_to(error: Exception) -> Response | None:
    """The answer to what a handler raises; None for what nobody has foreseen."""
    if isinstance(error, HttpProblem):
        return problem(error.status, error.detail, error.headers)
    if isinstance(error, Invalid):
        count = "one thing is" if len(error.problems) == 1 else f"{len(error.problems)} things are"
        return problem(422, f"{count} wrong with this config", errors=error.problems)
    if isinstance(error, Full):
        headers = {"Retry-After": str(error.seconds)}
        return problem(429, str(error), headers, quota=error.name, used=error.used, most=error.most)
    for kind, status in _OF:
        if isinstance(error, kind):
            headers = {"Retry-After": "5"} if status == 503 else {}
            return problem(status, str(error), headers)
    return problem(503, str(error)) if isinstance(error, TrainerError) else None
