"""The server process: a socket, uvicorn on it, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from trainer.errors import UsageError
from trainer.service.service import Service
from trainer.service.settings import Settings
from trainer.service.web.guard import Application
from trainer.service.web.table import ROUTES

__all__ = ["address", "hosts_of", "listening", "serve"]

MOST_AT_ONCE = 2000  # connections


class _Server(uvicorn.Server):
    """Ends live streams before it waits for them; the signals are ours."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.supervisor.draining = True
        self._service.feed.close()
        await super().shutdown(sockets)


def listening(host: str, port: int) -> socket.socket:
    """A socket at which the service is reached. Raises UsageError where it is taken, or is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(1024)
    except (OSError, OverflowError) as error:
        bound.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        hint = (
            "another program listens there; choose another, --port N, or 0 for one that is free"
            if taken
            else str(error)
        )
        raise UsageError(f"{host}:{port} cannot be had: {hint}") from None
    return bound


def address(bound: socket.socket, scheme: str = "http") -> str:
    """What a person on this computer opens."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  it is read here, not bound
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def hosts_of(bound: socket.socket, allowed: tuple[str, ...] = ()) -> frozenset[str]:
    """What a Host header may say: this computer's own names, and those that an admin allows."""
    host, port = bound.getsockname()[:2]
    names = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host, *allowed}
    return frozenset(name.lower() for each in names for name in (each, f"{each}:{port}"))


def serve(
    settings: Settings,
    bound: socket.socket,
    *,
    allowed_hosts: tuple[str, ...] = (),
    certificate: tuple[str, str] | None = None,
    began: Callable[[Service], None] = lambda service: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then stop attempts with their checkpoints.

    Args:
        certificate: files of a TLS certificate and its key.
        began: is called when requests are answered.

    Raises UsageError where another process serves the same folder.
    """
    service = Service(settings)
    app = Application(service, ROUTES, hosts_of(bound, allowed_hosts))
    tls: dict[str, Any] = {} if certificate is None else {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    config = uvicorn.Config(
        app,
        http="h11",  # which limits headers; httptools does not
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_AT_ONCE,
        h11_max_incomplete_event_size=32 << 10,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        **tls,
    )

    async def go() -> None:
        server = _Server(config, service)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, _stop, server)
        await service.begin()
        try:
            began(service)
            await server.serve([bound])
        finally:
            await service.end()

    asyncio.run(go())


def _stop(server: uvicorn.Server) -> None:
    server.force_exit = server.should_exit  # a second one waits for no request any more
    server.should_exit = True
