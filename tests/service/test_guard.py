"""Who is let in: every route and method, with every way of not being allowed."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import LONG, Served
from trainer.service.store import Store
from trainer.service.tokens import SCOPES, Person, issue, open_session
from trainer.service.web.guard import Application
from trainer.service.web.table import ROUTES

ALL = [(route.method, route.path) for route in ROUTES]
GUARDED = [(route.method, route.path, route.scope) for route in ROUTES if route.scope is not None]
OF_A_RUN = [(method, path) for method, path in ALL if "/runs/{id}" in path or "/models/{id}" in path]
OF_AN_ID = [(method, path) for method, path in ALL if "{id}" in path and (method, path) not in OF_A_RUN]
NAMES = [f"{method} {path}" for method, path in ALL]


@pytest.fixture(scope="module")
def run(served: Served) -> str:
    """A run of the admin's."""
    run = served.submit(LONG)
    served.trains(run)
    served.ask("POST", f"/v1/runs/{run}/cancel")
    served.until(run, "cancelled")
    return run


def token(served: Served, user: str, *scopes: str) -> str:
    body = json.dumps({"user": user, "scopes": list(scopes)})
    answer = served.ask("POST", "/v1/tokens", body, Content_Type="application/json")
    assert answer.status == 201, answer
    return str(answer.json["token"])


def at(path: str, run: str) -> str:
    return path.replace("{id}", run).replace("{name}", "status.json")


def refused(answer, status):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert set(answer.json) >= {"type", "title", "detail"}


@pytest.mark.parametrize(("method", "path", "scope"), GUARDED, ids=[f"{m} {p}" for m, p, _ in GUARDED])
def test_without_a_token_that_may_nothing_is_told(served, run, method, path, scope):
    where = at(path, run)
    for wrong in (None, "trn_", "trn_" + "x" * 43, served.token[:-1], served.token.upper()):
        refused(served.ask(method, where, token=wrong), 401)
    refused(served.ask(method, where, token=None, Authorization=f"Basic {served.token}"), 401)
    refused(served.ask(method, f"{where}?token={served.token}", token=None), 401)
    refused(served.ask(method, where, token=None, Cookie="trainer_session=trn_x"), 401)
    others = [each for each in SCOPES if each not in (scope, "admin")]
    refused(served.ask(method, where, token=token(served, "eve", *others)), 403)


@pytest.mark.parametrize(("method", "path"), OF_A_RUN, ids=[f"{m} {p}" for m, p in OF_A_RUN])
def test_somebody_elses_run_is_not_there(served, run, method, path):
    eve = token(served, "eve", "read", "submit", "cancel")
    takes = next(route.takes for route in ROUTES if (route.method, route.path) == (method, path))
    body, headers = None, {}
    if takes:
        body = json.dumps({"rows": [[0, 0]]} if "predict" in path else {})
        headers = {"Content_Type": "application/json"}
    theirs = served.ask(method, at(path, run), body, token=eve, **headers)
    none = served.ask(method, at(path, "0" * 26), body, token=eve, **headers)
    refused(theirs, 404)
    assert theirs.content.replace(run.encode(), b"") == none.content.replace(b"0" * 26, b"")


@pytest.mark.parametrize(("method", "path"), OF_AN_ID, ids=[f"{m} {p}" for m, p in OF_AN_ID])
def test_somebody_elses_upload_or_token_is_not_there(served, method, path):
    upload = served.ask("POST", "/v1/datasets?name=a.csv", b"a,b\n1,2\n").json["id"]
    mine = served.ask("POST", "/v1/tokens", '{"user": "admin"}', Content_Type="application/json").json["id"]
    known = {"/v1/datasets/{id}": upload, "/v1/tokens/{id}": mine}[path]
    eve = token(served, "eve", "read", "submit", "cancel")
    answers = [served.ask(method, path.replace("{id}", each), token=eve) for each in (known, "0" * 26)]
    assert answers[0].status == answers[1].status in (403, 404), answers
    assert answers[0].content.replace(known.encode(), b"") == answers[1].content.replace(b"0" * 26, b"")


def test_the_router_has_the_routes_of_the_table_and_no_other(served):
    application = Application(None, ROUTES, frozenset())
    assert set(application._routes) == set(ALL)
    assert {path for _, _, path in application._paths} == {path for _, path in ALL}
    told = {(method, path): scope for method, path, scope in GUARDED}
    free = set(ALL) - set(told)
    assert {path for _, path in free} == {
        "/login", "/healthz", "/readyz", "/static/{name}", "/v2", "/v2/health/live", "/v2/health/ready",
    }  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ALL, ids=NAMES)
def test_another_host_or_another_site_is_refused_before_all_else(served, run, method, path):
    port = served.address.rpartition(":")[2]
    for host in ("example.org", f"127.0.0.1.example.org:{port}", f"example.org:{port}", "127.0.0.1:1", ""):
        refused(served.ask(method, at(path, run), Host=host), 421)
    for origin in ("http://example.org", "null", f"http://{served.address}.example.org", "http://127.0.0.1"):
        refused(served.ask(method, at(path, run), Origin=origin), 403)
    for site in ("cross-site", "same-site"):
        refused(served.ask(method, at(path, run), Sec_Fetch_Site=site), 403)


@pytest.mark.parametrize("path", sorted({path for _, path in ALL}))
def test_no_other_method_does_anything(served, run, path):
    known = {method for method, where in ALL if where == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - known:
        answer = served.ask(method, at(path, run))
        refused(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == known
        assert not any(name.startswith("access-control") for name in answer.headers)


def raw(served: Served, text: str) -> bytes:
    host, _, port = served.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        answer = b""
        try:
            connection.sendall(text.encode())
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:  # it has read enough
            return answer
    return answer


@pytest.mark.parametrize(
    "hosts", ["", "Host: {0}\r\nHost: {0}\r\n", "Host: {0}\r\nHost: example.org\r\n"], ids=["none", "two", "other"]
)
def test_a_host_is_said_once(served, hosts):
    said = raw(served, f"GET /healthz HTTP/1.1\r\n{hosts.format(served.address)}Connection: close\r\n\r\n")
    assert re.match(rb"HTTP/1.1 4(00|21) ", said), said


def test_a_body_is_no_larger_than_it_may_be_however_it_comes(served):
    large = b"#" * (300 << 10)
    refused(served.post(large), 413)
    pieces = f"{len(large):x}\r\n{large.decode()}\r\n0\r\n\r\n"
    said = raw(
        served,
        f"POST /v1/runs HTTP/1.1\r\nHost: {served.address}\r\nAuthorization: Bearer {served.token}\r\n"
        f"Content-Type: application/yaml\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{pieces}",
    )
    assert said.startswith(b"HTTP/1.1 413 "), said[:200]
    said = raw(
        served, f"GET /healthz HTTP/1.1\r\nHost: {served.address}\r\nConnection: close\r\nX: {'y' * (2 << 20)}\r\n\r\n"
    )
    assert b"alive" not in said


def test_only_configs_are_taken_for_configs(served):
    for media in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/html", ""):
        refused(served.post(LONG, Content_Type=media), 415)


@pytest.mark.parametrize(
    "name",
    ["..", "../token", "..%2ftoken", "%2e%2e/token", "%252e%252e%252ftoken", "token%00.csv", "lock", "attempt.json",
     "checkpoints", "..\\token", "/etc/hostname", "link.csv", ".hidden", "a" * 300],
)  # fmt: skip
def test_no_file_but_those_of_the_run_is_given(served, run, name):
    link = served.root / "runs" / run / "link.csv"
    if not link.is_symlink():
        link.symlink_to(served.root / "token")
    answer = served.ask("GET", f"/v1/runs/{run}/files/{name}")
    assert answer.status in (307, 400, 404), answer
    assert served.token.encode() not in answer.content
    listed = served.ask("GET", f"/v1/runs/{run}/files").json["data"]
    assert not {"link.csv", "lock", "attempt.json"} & {each["name"] for each in listed}


def test_a_ticket_is_good_once_and_its_cookie_only_from_our_own_pages(served, run):
    path = served.ask("POST", "/v1/tickets").json["path"]
    answer = served.ask("GET", path, token=None)
    assert answer.status == 303
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    refused(served.ask("GET", path, token=None), 401)
    session = cookie.partition(";")[0]
    assert served.ask("GET", "/v1/me", token=None, Cookie=session).json["user"] == "admin"
    change = ("POST", f"/v1/runs/{run}/cancel")
    refused(served.ask(*change, token=None, Cookie=session), 403)
    assert served.ask(*change, token=None, Cookie=session, Origin=served.url).status == 202
    assert served.ask(*change, token=None, Cookie=session, Sec_Fetch_Site="same-origin").status == 202


def test_a_token_that_was_taken_back_or_has_expired_is_worth_nothing(served):
    body = json.dumps({"user": "bob", "scopes": ["read"], "days": 1e-9})
    short = served.ask("POST", "/v1/tokens", body, Content_Type="application/json").json
    refused(served.ask("GET", "/v1/me", token=short["token"]), 401)
    bob = served.ask("POST", "/v1/tokens", '{"user": "bob"}', Content_Type="application/json").json
    assert served.ask("GET", "/v1/me", token=bob["token"]).json["user"] == "bob"
    assert served.ask("DELETE", f"/v1/tokens/{bob['id']}").status == 204
    refused(served.ask("GET", "/v1/me", token=bob["token"]), 401)
    assert bob["token"].encode() not in (served.root / "service.sqlite").read_bytes()


def test_a_browser_is_out_when_the_token_that_let_it_in_is_taken_back(served):
    def cookie(*request: str, **settings: Any) -> str:
        return str(served.ask(*request, **settings).headers["set-cookie"]).partition(";")[0]

    def let_in(token: str) -> str:
        return cookie("GET", served.ask("POST", "/v1/tickets", token=token).json["path"], token=None)

    def typed(token: str) -> str:
        form = {"Content_Type": "application/x-www-form-urlencoded", "Origin": served.url}
        return cookie("POST", "/login", f"token={token}", token=None, **form)

    made = [served.ask("POST", "/v1/tokens", '{"user": "carol"}', Content_Type="application/json") for _ in range(2)]
    lost, kept = (each.json["token"] for each in made)
    sessions = [let_in(lost), typed(lost)]
    sessions.append(let_in(sessions[0].partition("=")[2]))  # of a session's own ticket
    late, other = served.ask("POST", "/v1/tickets", token=lost).json["path"], typed(kept)
    for session in (*sessions, other):
        assert served.ask("GET", "/v1/me", token=None, Cookie=session).json["user"] == "carol"
    assert served.ask("DELETE", f"/v1/tokens/{made[0].json['id']}").status == 204
    for session in sessions:
        refused(served.ask("GET", "/v1/me", token=None, Cookie=session), 401)
    refused(served.ask("GET", late, token=None), 401)
    assert served.ask("GET", "/v1/me", token=None, Cookie=other).status == 200


def test_a_session_is_over_when_its_token_is(tmp_path):
    store = Store(tmp_path / "service.sqlite")
    token = store.change(lambda writing: issue(writing, "trn_short", "dan", ["read"], seconds=60)).result()
    person = Person("dan", frozenset({"read"}), str(token["id"]))
    assert store.change(lambda writing: open_session(writing, "trn_session", person)).result()
    assert [row["expires"] for row in store.rows("SELECT expires FROM tokens")] == [token["expires"]] * 2
    store.change(lambda writing: writing.db.execute("UPDATE tokens SET expires = '2026-01-01'")).result()
    assert not store.change(lambda writing: open_session(writing, "trn_other", person)).result()
    store.close()


def test_what_is_said_of_a_run_is_never_a_page(served):
    answer = served.post(LONG.replace("epochs: 1000000", "epochs: 1"), "?again=1")
    run, text = answer.json["id"], "<script>alert(1)</script>"
    answer = served.ask(
        "PATCH", f"/v1/runs/{run}", json.dumps({"note": text, "tags": [text]}), Content_Type="application/json"
    )
    assert (answer.json["note"], answer.headers["content-type"]) == (text, "application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    refused(served.ask("PATCH", f"/v1/runs/{run}", json.dumps({"name": text}), Content_Type="application/json"), 422)
    served.until(run, "finished")
    assert served.ask("GET", f"/v1/runs/{run}/files/loss.svg").headers["content-disposition"].startswith("attachment")


def test_the_token_is_in_no_log_and_on_no_command_line(served):
    assert served.token not in served.root.with_suffix(".log").read_text()
    assert (served.root / "token").stat().st_mode & 0o077 == 0
    assert served.root.stat().st_mode & 0o077 == 0
    for name in ("cmdline", "environ") if Path("/proc/self").exists() else ():
        assert served.token.encode() not in Path(f"/proc/{served.process.pid}/{name}").read_bytes()


@pytest.mark.parametrize(
    "text",
    ["dataset: {path: /etc/hostname}", "dataset: ../token", "plugins: [./mine.py]", "plugins: [os]",
     "dataset: {path: 'https://example.org/a.csv'}", "dataset: {name: mnist}", "start_from: ../other",
     "x: !!python/object/apply:os.getcwd []", "a: &a [1]\nb: *a", "optimizer: os.getcwd", "dataset: {path: .}"],
)  # fmt: skip
def test_a_posted_config_reaches_nothing_of_the_server(served, text):
    key = text.partition(":")[0]
    rest = "\n".join(line for line in LONG.splitlines() if not line.startswith(f"{key}:"))
    refused(served.post(f"{text}\n{rest}\n"), 422)


def test_a_config_that_nests_without_end_ends_nothing(served):
    for bomb in ("[" * 20_000, "a: " + "{b: " * 5_000, "\n".join(f"{' ' * i}a:" for i in range(300))):
        refused(served.post(bomb), 422)
    assert served.ask("GET", "/healthz").status == 200


def test_what_is_too_large_is_refused_before_it_waits(served):
    answer = served.post(LONG.replace("1000000", "1000000000"))
    refused(answer, 422)
    message = "this run is too large for this service: steps: 3,000,000,000, of 1,000,000,000 at most"
    assert [each["message"] for each in answer.json["errors"]] == [message]
    assert served.ask("POST", "/v1/validate", LONG, Content_Type="application/yaml").status == 200
    wide = served.post(LONG.replace("dense: 4", "dense: 10000000000"))
    refused(wide, 422)
    assert "parameters: 20,000,000,000, of 100,000,000 at most" in wide.json["errors"][0]["message"]
    assert wide.json["errors"][0]["line"] == 2
    refused(served.post(LONG.replace("dense: 4", "dense: 1000000").replace("20", "all").replace("60", "6000")), 422)


def test_the_description_has_every_route_and_what_it_may_answer(served):
    described = served.ask("GET", "/openapi.json").json
    assert described["openapi"] == "3.1.0"
    assert {(m.upper(), path) for path, methods in described["paths"].items() for m in methods} == set(ALL)
    ids = [each["operationId"] for methods in described["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))
