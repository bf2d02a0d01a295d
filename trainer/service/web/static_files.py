"""The files that pages are drawn with: what is in the folder, by its name alone, so that no path leads out of it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.responses import Response

from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call

__all__ = ["static"]

FOLDER = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


async def static(call: Call) -> Response:
    """A style, a script or a picture."""
    path = _files().get(call.path("name"))
    if path is None:
        raise HttpProblem(404, "there is no such file")
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if call.request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=TYPES[path.suffix])


@cache
def _files() -> dict[str, Path]:
    return {path.name: path for path in FOLDER.rglob("*") if path.suffix in TYPES}
