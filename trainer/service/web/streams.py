"""Live events: Server-Sent Events, as an answer that goes on for as long as somebody listens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from trainer.service.states import RESTING, State
from trainer.service.tokens import is_good
from trainer.service.web.answers import number
from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call
from trainer.service.web.schemas import EVENT

__all__ = ["Stream", "all_events", "run_events"]

PING = 15.0


class Stream(Response):
    """Sends what comes behind a position of a lane, until the viewer or the service goes, or all is over."""

    def __init__(
        self, call: Call, lane: str, cursor: int, *, reset: bool = False, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self._feed, self._store, self._token = call.service.feed, call.service.store, call.who.token
        self._lane, self._cursor, self._reset, self._is_over = lane, cursor, reset, is_over

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"),
                   (b"x-accel-buffering", b"no")]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        leaving = asyncio.create_task(_left(receive))
        try:
            with self._feed.viewer():
                async with asyncio.timeout(None) as limit:
                    await self._follow(send, limit, leaving)
        except (TimeoutError, OSError):
            return  # it does not read, or is gone
        finally:
            leaving.cancel()

    async def _follow(self, send: Any, limit: asyncio.Timeout, leaving: asyncio.Task[None]) -> None:
        async def sent(body: bytes, *, more: bool = True) -> None:
            with self._feed.sending(limit):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        await sent(b"retry: 2000\n\n" + (b"event: reset\ndata: {}\n\n" if self._reset else b""))
        loop = asyncio.get_running_loop()
        quiet_since = looked = loop.time()
        while not leaving.done():
            text, self._cursor = self._feed.after(self._lane, self._cursor)
            if text:
                await sent(text)
                quiet_since = loop.time()
            elif loop.time() - quiet_since >= PING:
                await sent(b": still here\n\n")
                quiet_since = loop.time()
            if self._feed.closing:
                await sent(b"event: restart\ndata: {}\n\n", more=False)
                return
            if text and self._feed.after(self._lane, self._cursor)[0]:
                continue  # there is more in the database
            if b"event: state" in text and self._is_over():
                await sent(b"", more=False)
                return
            text = b""  # which is not kept for every viewer that waits
            if loop.time() - looked >= PING:
                looked = loop.time()
                if not is_good(self._store, self._token):
                    await sent(b"", more=False)
                    return
            await self._feed.wait(leaving)


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _cursor(call: Call) -> int | None:
    """The event that was had last, of which a browser that comes again says more than its address; None for none."""
    after, last = number(call, "after") if call.query("after") else None, call.request.headers.get("last-event-id")
    if not last:
        return after
    if not re.fullmatch(EVENT, last):
        raise HttpProblem(422, "Last-Event-ID is the id of an event")
    return int(last)


async def run_events(call: Call) -> Response:
    """A run's events; from the first that is kept, or from behind the one that the viewer had last."""
    row = call.service.run(call.who, call.path("id"))
    assert row is not None
    cursor = _cursor(call)
    if cursor is not None and State(row["state"]) in RESTING:
        last = call.service.store.row("SELECT coalesce(max(seq), 0) AS seq FROM events WHERE run = ?", row["id"])
        if last is not None and cursor >= last["seq"]:
            return Response(status_code=204)  # which tells a browser not to come again
    reset = cursor is not None and cursor < row["pruned"]
    return Stream(call, f"run:{row['id']}", cursor or 0, reset=reset, is_over=lambda: _is_over(call, row["id"]))


def _is_over(call: Call, run: str) -> bool:
    """Whether a run rests, or is no more: who comes again with the last event is told that there is nothing."""
    row = call.service.store.row("SELECT state FROM runs WHERE id = ?", run)
    return row is None or State(row["state"]) in RESTING


async def all_events(call: Call) -> Response:
    """The events of all runs that this person may see, from now on or from behind the one that was had last."""
    lane = "all" if call.who.is_admin else f"owner:{call.who.user}"
    cursor, newest = _cursor(call), call.service.feed.newest
    reset = cursor is not None and newest - cursor > 10_000
    return Stream(call, lane, newest if cursor is None or reset else cursor, reset=reset)
