"""HTTP between an attempt elsewhere and its service: the standard library's, with one connection that is kept."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from trainer.errors import TrainerError, UsageError
from trainer.service.trust import distrusted, trusting

__all__ = ["Link", "Refused", "Unreachable", "Untrusted"]

SECONDS = 30.0
WAY = "the service hands on the file of its --certificate, and who has signed another is known here by SSL_CERT_FILE"
PIECE = 1 << 20


class Unreachable(TrainerError):
    """Nobody answers, or not now."""


class Untrusted(Unreachable):
    """Whoever answers cannot show that it is the service."""


class Refused(TrainerError):
    """The service does not do what is asked; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Link:
    """A service, by the order that an attempt is handed (see `trainer.service.remote.launcher.Order`)."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._order = order
        self._parts = urlsplit(order["url"])
        if self._parts.scheme not in ("http", "https") or not self._parts.hostname:
            raise UsageError(f"'{order['url']}' is no address of a service; one is https://train.example.org:8470")
        self._context: ssl.SSLContext | None = None
        if self._parts.scheme == "https":
            self._context = trusting(order["certificate"])
        self._connection: http.client.HTTPConnection | None = None

    def again(self) -> Link:
        """Another connection to the same service, for another thread."""
        return Link(self._order)

    def ask(self, method: str, path: str, body: object = None, *, file: BinaryIO | None = None) -> Any:
        """What comes back, of JSON its value. Raises Unreachable and Refused.

        body: a value that is sent as JSON, or bytes of it.
        file: is sent as it is, from its beginning, instead.
        """
        data: Any = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        if file is not None:
            length = file.seek(0, 2)
            file.seek(0)
            data, headers = file, {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
        try:
            response = self._sent(method, path, data, headers)
            return json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(error) from error

    def fetch(self, path: str, target: Path) -> None:
        """Write what comes back into a file. Raises Unreachable and Refused."""
        try:
            response = self._sent("GET", path, None, {})
            with target.open("wb") as out:
                while piece := response.read(PIECE):
                    out.write(piece)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from error

    def _sent(self, method: str, path: str, data: Any, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The answer, whose body is to be read. A connection that was closed while it was idle is made again."""
        kept = self._connection is not None
        if self._connection is None:
            assert self._parts.hostname is not None
            host, port = self._parts.hostname, self._parts.port
            self._connection = (
                http.client.HTTPConnection(host, port, timeout=SECONDS)
                if self._context is None
                else http.client.HTTPSConnection(host, port, timeout=SECONDS, context=self._context)
            )
        try:
            self._connection.request(method, path, data, {"Authorization": f"Bearer {self._order['token']}", **headers})
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError, http.client.CannotSendRequest):
            self.close()
            if not kept:
                raise
            if hasattr(data, "seek"):
                data.seek(0)
            return self._sent(method, path, data, headers)
        if response.status >= 400:
            detail = _detail(response)
            if response.status >= 500:
                raise Unreachable(detail)
            raise Refused(response.status, detail)
        return response

    def _lost(self, error: Exception) -> Unreachable:
        self.close()
        if isinstance(error, ssl.SSLCertVerificationError):
            return Untrusted(distrusted(self._order["url"], error, WAY))
        return Unreachable(f"the service at {self._order['url']} does not answer: {str(error) or type(error).__name__}")

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _detail(response: http.client.HTTPResponse) -> str:
    content = response.read()
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the service answers {response.status}"
