"""How a browser is let in and out: a token, or a ticket that is good once, becomes a cookie that no script can read."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlencode

from starlette.responses import RedirectResponse, Response

from trainer.service.store import Writing
from trainer.service.tokens import SESSION, Person, new_token, person_of
from trainer.service.tokens import open_session as open_new
from trainer.service.web.guard import COOKIE
from trainer.service.web.pages import login_page
from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call

__all__ = ["login", "logout", "open_session"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # a cookie goes there without TLS
_OURS = re.compile(r"/(new|datasets|tokens|compare|runs/[0-9A-Z]{26})?(\?[\w=&%.+:-]*)?")  # never another site's


async def login(call: Call) -> Response:
    """The form that takes a token; with a ticket, a cookie."""
    if not (ticket := call.query("ticket")):
        return login_page(_ours(call.query("wanted")), wrong=bool(call.query("wrong")))
    person = call.service.tickets.redeem(ticket)
    if person is None:
        raise HttpProblem(
            401,
            "this ticket was used already, or is older than five minutes: trainer login URL --browser makes another",
        )
    return await _let_in(call, person, "/")


async def open_session(call: Call) -> Response:
    """A token that was typed becomes a cookie."""
    try:
        given = parse_qs(call.body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        raise HttpProblem(400, "a form of more fields than there are") from None
    token, wanted = (given.get(name, [""])[0].strip() for name in ("token", "wanted"))
    person = person_of(call.service.store, token)
    if person is None:
        return RedirectResponse(f"/login?{urlencode({'wrong': 1, 'wanted': _ours(wanted)})}", 303)
    return await _let_in(call, person, _ours(wanted))


def _ours(wanted: str) -> str:
    """The address of a page of ours; the first of all for everything else."""
    return wanted if _OURS.fullmatch(wanted) else "/"


async def _let_in(call: Call, person: Person, wanted: str) -> Response:
    session = new_token()

    def enter(writing: Writing) -> None:
        if not open_new(writing, session, person):
            raise HttpProblem(401, "the token that this was made from is not good any more: log in with another")

    await call.service.change(replace(person, trace=call.trace), "logged in", person.user, enter)
    answer = RedirectResponse(wanted, 303)
    secure = call.request.url.scheme == "https" or call.request.url.hostname not in LOOPBACK
    answer.set_cookie(
        COOKIE, session, max_age=int(SESSION.total_seconds()), httponly=True, samesite="strict", secure=secure
    )
    return answer


async def logout(call: Call) -> Response:
    """The cookie is worth nothing any more. A token that was sent as such stays: it is not the browser's."""
    if "authorization" not in call.request.headers:
        await call.service.change(call.who, "signed out", call.who.user, lambda w: _end(w, call.who.token))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _end(writing: Writing, session: str) -> None:
    writing.db.execute("DELETE FROM tokens WHERE id = ?", (session,))
