"""The server process: a socket, uvicorn on it, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from trainer.errors import UsageError
from trainer.service.service import Service
from trainer.service.settings import Settings
from trainer.service.web.guard import Application
from trainer.service.web.table import ROUTES

__all__ = ["address", "hosts_of", "listening", "serve"]

MOST_AT_ONCE = 10_000  # connections
HEADER_SECONDS = 10.0


class _Impatient(H11Protocol):
    """Lets a connection go whose headers do not come, for which uvicorn waits as long as it takes."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._came()
        elif self._late is None:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._came()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._late = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


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
    # Of a socket whose protocol is not said, asyncio does not know that it is TCP's, and the second piece of an answer
    # would wait for whoever has had the first, which takes 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def _allow_files() -> None:
    """As many open files as may be: every viewer is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_AT_ONCE + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


def serve(
    settings: Settings,
    bound: socket.socket,
    *,
    allowed_hosts: tuple[str, ...] = (),
    certificate: tuple[str, str] | None = None,
    first: Callable[[Service], None] = lambda service: None,
    began: Callable[[Service], None] = lambda service: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then stop attempts with their checkpoints.

    Args:
        certificate: files of a TLS certificate and its key.
        first: is called before anything begins.
        began: is called when requests are answered.

    Raises UsageError where another process serves the same folder.
    """
    _allow_files()
    service = Service(settings)
    first(service)
    app = Application(service, ROUTES, hosts_of(bound, allowed_hosts))
    tls: dict[str, Any] = {} if certificate is None else {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    config = uvicorn.Config(
        app,
        http=_Impatient,  # h11 limits headers; httptools does not
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
