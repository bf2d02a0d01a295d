"""Who one is, and for admins who may what: tokens, users and their quotas, and the audit."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from trainer.service import audit, queue, quotas
from trainer.service.store import Writing
from trainer.service.tokens import check_scopes, issue, new_token
from trainer.service.web.answers import json_answer, json_body, number
from trainer.service.web.problems import HttpProblem
from trainer.service.web.routes import Call
from trainer.service.web.schemas import MOST_DAYS, USER

__all__ = [
    "audit_lines", "delete_token", "delete_user", "list_tokens", "list_users", "make_ticket", "make_token",
    "me", "put_user",
]  # fmt: skip


async def me(call: Call) -> Response:
    """Who one is here, and what one may have."""
    settings = call.service.settings
    return json_answer(
        {
            "user": call.who.user,
            "scopes": sorted(call.who.scopes),
            "limits": call.service.limits(),
            **call.service.quota(call.who.user),
            "datasets": sorted(settings.datasets),
            "plugins": sorted(settings.plugins),
        }
    )


async def list_tokens(call: Call) -> Response:
    """Every token that there is, without what it is."""
    rows = call.service.store.rows("SELECT id, user, scopes, created, expires, used FROM tokens ORDER BY id")
    return json_answer({"object": "list", "data": [_token(dict(row)) for row in rows]})


async def make_token(call: Call) -> Response:
    """A token, which is told this once."""
    given = {"days": 30, "scopes": ["read", "submit", "cancel"], **json_body(call)}
    if unknown := set(given) - {"user", "scopes", "days"}:
        raise HttpProblem(422, f"a token has no {', '.join(sorted(unknown))}")
    user, days, scopes = _checked(given.get("user")), given["days"], given["scopes"]
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= MOST_DAYS:
        raise HttpProblem(422, f"days is a number of at most {MOST_DAYS:,}, and more than 0")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise HttpProblem(422, "scopes is a list of texts")
    check_scopes(scopes)
    token = new_token()
    row = await call.service.change(
        call.who, "token made", user, lambda w: issue(w, token, user, scopes, days * 86_400), scopes=scopes, days=days
    )
    return json_answer({**_token(row), "token": token}, 201)


async def delete_token(call: Call) -> Response:
    """A token that is good for nothing from now on."""
    token = call.path("id")

    def away(writing: Writing) -> None:
        if not writing.db.execute("DELETE FROM tokens WHERE id = ?", (token,)).rowcount:
            raise queue.Gone(f"there is no token {token}")

    await call.service.change(call.who, "token taken back", token, away)
    return Response(status_code=204)


def _token(row: dict[str, Any]) -> dict[str, Any]:
    expires = row["expires"]
    scopes = row["scopes"].split()
    return {
        "object": "token", "id": row["id"], "user": row["user"], "scopes": scopes,
        "created_at": row["created"], "expires_at": expires, "used_at": row.get("used"),
    }  # fmt: skip


async def make_ticket(call: Call) -> Response:
    """An address that logs a browser in, once, within five minutes."""
    ticket = call.service.tickets.issue(call.who)
    return json_answer({"path": f"/login?ticket={ticket}"}, 201)


# Users: whoever has a token, a run or a quota.


async def list_users(call: Call) -> Response:
    """Everybody, with what they may have and have."""
    names = quotas.users(call.service.store)
    return json_answer({"object": "list", "data": [_user(call, name) for name in names]})


async def put_user(call: Call) -> Response:
    """What a user may have from now on, in place of what is usual."""
    user = _named(call)
    given = {name: _whole(value) for name, value in json_body(call).items()}
    await call.service.change(
        call.who, "quota set", user, lambda writing: quotas.set_quota(writing, user, given), **given
    )
    return json_answer(_user(call, user))


async def delete_user(call: Call) -> Response:
    """No token of a user's is good any more, and their quota is forgotten; their runs stay."""
    user = _named(call)

    def away(writing: Writing) -> None:
        tokens = writing.db.execute("DELETE FROM tokens WHERE user = ?", (user,)).rowcount
        if not tokens + writing.db.execute("DELETE FROM users WHERE name = ?", (user,)).rowcount:
            raise queue.Gone(f"{user} has no token and no quota")

    await call.service.change(call.who, "user deleted", user, away)
    return Response(status_code=204)


def _whole(value: Any) -> Any:
    """What JSON writes as 5.0 is a whole number, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _named(call: Call) -> str:
    return _checked(call.path("name"))


def _checked(user: object) -> str:
    if not isinstance(user, str) or not re.fullmatch(USER, user):
        raise HttpProblem(422, "user is a name of at most 40 small letters, digits, and . _ -, a letter first")
    return user


def _user(call: Call, name: str) -> dict[str, Any]:
    return {"object": "user", "name": name, **call.service.quota(name)}


async def audit_lines(call: Call) -> Response:
    """Who has changed what, the newest first."""
    limit, before = number(call, "limit"), number(call, "before")
    found = audit.lines(call.service.store, before, call.query("user"), limit + 1)
    last = found[:limit][-1]["id"] if found else None
    return json_answer({"object": "list", "data": found[:limit], "has_more": len(found) > limit, "last_id": last})
