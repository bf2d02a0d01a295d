"""Many people at one service: what each may have, who has changed what, and in which trace it happened."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from tests.service.conftest import LONG, SMALL, Served
from tests.service.test_states import new_writing, submission
from trainer.errors import UsageError
from trainer.service import queue, quotas
from trainer.service.settings import Quota
from trainer.service.states import Message
from trainer.service.tracing import continued, span, trace_of

JSON = {"Content_Type": "application/json"}


def token(served: Served, user: str, *scopes: str) -> str:
    body = json.dumps({"user": user, "scopes": list(scopes or ("read", "submit", "cancel"))})
    return str(served.ask("POST", "/v1/tokens", body, **JSON).json["token"])


def quota(served: Served, user: str, **given: int | None) -> None:
    answer = served.ask("PUT", f"/v1/users/{user}", json.dumps(given), **JSON)
    assert answer.status == 200, answer


def test_a_users_runs_in_line_are_as_many_as_an_admin_says(served):
    ada = token(served, "ada")
    quota(served, "ada", queued=0)
    answer = served.post(SMALL, "?again=1", token=ada)
    assert (answer.status, answer.json["quota"], answer.json["used"], answer.json["most"]) == (429, "queued", 0, 0)
    assert int(answer.headers["retry-after"]) > 0
    assert "one that begins makes room" in answer.json["detail"]
    quota(served, "ada", queued=None)
    assert served.post(SMALL, "?again=1", token=ada).status == 202
    told = served.ask("GET", "/v1/me", token=ada).json
    assert told["quota"] == {"queued": 100, "running": 1000, "cpu_seconds": 0, "bytes": 32 << 30}
    assert set(told["used"]) == set(told["quota"])


def test_bytes_of_data_and_runs_count_together(served):
    bob = token(served, "bob")
    quota(served, "bob", bytes=1000)
    first = served.ask("POST", "/v1/datasets?name=a.csv", b"a,b\n" * 100, token=bob)
    assert first.status == 201
    more = served.ask("POST", "/v1/datasets?name=b.csv", b"b,c\n" * 200, token=bob)
    assert (more.status, more.json["quota"], more.json["used"]) == (429, "bytes", 400)
    assert "and this takes 800 more; delete some" in more.json["detail"]
    quota(served, "bob", bytes=400)
    assert served.post(SMALL, "?again=1", token=bob).status == 429  # there is no room for its folder
    assert served.ask("DELETE", f"/v1/datasets/{first.json['id']}", token=bob).status == 204
    assert served.ask("GET", "/v1/me", token=bob).json["used"]["bytes"] == 0
    assert not [*(served.root / "uploads").iterdir()]
    quota(served, "bob", bytes=None)
    run = served.post(SMALL, "?again=1", token=bob).json["id"]
    served.until(run, "finished")
    folder = served.root / "runs" / run
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert served.ask("GET", "/v1/me", token=bob).json["used"]["bytes"] == there


def test_a_body_in_pieces_is_counted_as_it_comes(served):
    eve = token(served, "eve")
    quota(served, "eve", bytes=1000)
    pieces = [b"a,b\n" * 100] * 3
    answer = served.ask("POST", "/v1/datasets?name=a.csv", iter(pieces), token=eve)
    assert answer.status == 413
    assert "at most 1,000 bytes" in answer.json["detail"]
    assert served.ask("GET", "/v1/me", token=eve).json["used"]["bytes"] == 0


def test_cpu_seconds_of_a_day_are_refused_while_they_are_used_up_and_waited_for_in_line():
    writing = new_writing()
    usual = Quota(cpu_seconds=10)
    run, _ = queue.submit(writing, submission("ada"), 9)
    waiting, _ = queue.submit(writing, submission("ada"), 9)
    other, _ = queue.submit(writing, submission("bob"), 9)
    assert quotas.check(writing.db, "ada", usual) > 0
    assert queue.start(writing, ["local"], 9, 10)["id"] == run
    quotas.note_use(writing, run, 12.5, 300)
    queue.send(writing, run, Message.FINISHED, "done", attempt=1)
    with pytest.raises(queue.Full, match=r"ada has used 12 CPU seconds today, of 10 a day; at 00:00 UTC") as caught:
        quotas.check(writing.db, "ada", usual)
    assert 0 < caught.value.seconds <= 86_400
    assert queue.start(writing, ["local"], 9, 10)["id"] == other
    assert queue.start(writing, ["local"], 9, 10) is None  # the rest of ada's waits
    quotas.set_quota(writing, "ada", {"cpu_seconds": 0})  # no limit
    assert queue.start(writing, ["local"], 9, 10)["id"] == waiting
    assert quotas.used_by(writing.db, "ada") == {"queued": 0, "running": 1, "cpu_seconds": 12, "bytes": 300}
    writing.db.execute("UPDATE uses SET day = '2020-01-01'")
    quotas.check(writing.db, "ada", usual)


def test_runs_at_once_are_as_many_as_an_admin_says_of_a_user():
    writing = new_writing()
    quotas.set_quota(writing, "ada", {"running": 1})
    for _ in range(3):
        queue.submit(writing, submission("ada"), 9)
    assert queue.start(writing, ["local"], 9) is not None
    assert queue.start(writing, ["local"], 9) is None
    quotas.set_quota(writing, "ada", {"running": 2, "queued": 5})
    assert queue.start(writing, ["local"], 1) is not None
    assert quotas.quota_of(writing.db, "ada", Quota(bytes=7)) == Quota(queued=5, running=2, bytes=7)


@pytest.mark.parametrize("given", [{"runs": 1}, {"queued": -1}, {"queued": 1.5}, {"queued": True}, {"queued": "9"}])
def test_what_is_no_quota_is_refused(served, given):
    with pytest.raises(UsageError, match="queued"):
        quotas.set_quota(new_writing(), "ada", given)
    assert served.ask("PUT", "/v1/users/ada", json.dumps(given), **JSON).status == 422


def test_users_are_listed_with_what_they_have_and_are_let_go(served):
    dora = token(served, "dora")
    run = served.post(SMALL, "?again=1", token=dora).json["id"]
    served.until(run, "finished")
    (told,) = [each for each in served.ask("GET", "/v1/users").json["data"] if each["name"] == "dora"]
    assert told["used"]["cpu_seconds"] >= 0
    assert served.ask("DELETE", "/v1/users/dora").status == 204
    assert served.ask("GET", "/v1/me", token=dora).status == 401
    assert served.run(run)["owner"] == "dora"  # what they have trained stays
    assert served.ask("DELETE", "/v1/users/dora").status == 404


def test_every_change_has_a_line_that_says_who_and_no_line_is_without_one(served):
    finn = token(served, "finn")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    run = served.post(LONG, "?again=1&name=audited", token=finn, traceparent=trace).json["id"]
    served.ask("PATCH", f"/v1/runs/{run}", '{"note": "x"}', token=finn, **JSON)
    served.ask("POST", f"/v1/runs/{run}/pause", token=finn)
    served.until(run, "paused")
    served.ask("POST", f"/v1/runs/{run}/resume", '{"overrides": ["epochs=2000000"]}', token=finn, **JSON)
    served.ask("POST", f"/v1/runs/{run}/cancel", token=finn)
    served.until(run, "cancelled")
    served.ask("DELETE", f"/v1/runs/{run}", token=finn)
    served.ask("DELETE", f"/v1/runs/{run}", token=finn)  # 404: nothing was changed
    data = b"a,b\n1,2\n"
    upload = served.ask("POST", "/v1/datasets?name=a.csv", data, token=finn).json["id"]
    served.ask("DELETE", f"/v1/datasets/{upload}", token=finn)
    served.ask("GET", served.ask("POST", "/v1/tickets", token=finn).json["path"], token=None)
    lines = served.ask("GET", "/v1/audit?user=finn").json["data"][::-1]
    assert [(each["what"], each["target"]) for each in lines] == [
        ("submitted", run), ("described", run), ("paused", run), ("resumed", run), ("cancelled", run),
        ("deleted", run), ("uploaded", upload), ("upload deleted", upload), ("logged in", "finn"),
    ]  # fmt: skip
    assert trace_of(lines[0]["trace"]) == trace_of(trace)
    assert trace_of(lines[1]["trace"]) not in ("", trace_of(trace))
    assert lines[6]["detail"] == {"name": "a.csv", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert served.token not in json.dumps(lines)
    quota(served, "finn", queued=3)
    made = served.ask("POST", "/v1/tokens", '{"user": "finn"}', **JSON).json
    served.ask("DELETE", f"/v1/tokens/{made['id']}")
    served.ask("DELETE", "/v1/users/finn")
    newest = served.ask("GET", "/v1/audit?limit=4").json
    assert [(each["user"], each["what"], each["target"]) for each in newest["data"][::-1]] == [
        ("admin", "quota set", "finn"), ("admin", "token made", "finn"), ("admin", "token taken back", made["id"]),
        ("admin", "user deleted", "finn"),
    ]  # fmt: skip
    assert newest["has_more"]
    older = served.ask("GET", f"/v1/audit?limit=1000&before={newest['last_id']}").json["data"]
    assert {each["id"] for each in older} & {each["id"] for each in newest["data"]} == set()


def test_an_attempt_goes_on_with_the_trace_of_who_asked_for_it(served):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    run = served.post(LONG, "?again=1", traceparent=trace).json["id"]
    served.trains(run)
    pid = json.loads((served.root / "runs" / run / "lock").read_bytes())["pid"]
    assert Path(f"/proc/{pid}").exists()
    row = served.ask("GET", f"/v1/runs/{run}").json
    assert trace_of(row["trace"]) == trace_of(trace)
    served.ask("POST", f"/v1/runs/{run}/cancel")
    served.until(run, "cancelled")


@pytest.mark.parametrize(
    "wrong",
    [None, "", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-" + "a" * 32 + "-" + "0" * 16 + "-01",
     "ff-" + "a" * 32 + "-b7ad6b7169203331-01", "00-" + "A" * 32 + "-b7ad6b7169203331-01",
     "00-" + "a" * 32 + "-b7ad6b7169203331-01-more"],
)  # fmt: skip
def test_what_is_no_trace_begins_one(wrong):
    assert trace_of(continued(wrong)) not in (wrong or "x", "a" * 32, "0" * 32)


def test_a_trace_goes_on_with_its_flag_and_in_a_later_version_too():
    trace = "a" * 32
    assert continued(f"00-{trace}-b7ad6b7169203331-01").endswith("-01")
    assert continued(f"00-{trace}-b7ad6b7169203331-00").endswith("-00")
    assert trace_of(continued(f"cc-{trace}-b7ad6b7169203331-01-more")) == trace


def test_a_request_is_a_span_where_opentelemetry_is_installed(monkeypatch):
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exported, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    asked = f"00-{'a' * 32}-b7ad6b7169203331-01"
    with span("GET /v1/runs", asked) as told:
        assert trace_of(told) == "a" * 32
    (made,) = exported.get_finished_spans()
    assert (made.name, made.kind) == ("GET /v1/runs", trace.SpanKind.SERVER)
    assert made.parent is not None
    assert f"{made.parent.span_id:016x}" == "b7ad6b7169203331"
    assert f"{made.context.span_id:016x}" in told


def test_without_opentelemetry_a_trace_goes_on_all_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with span("GET /v1/runs", f"00-{'a' * 32}-b7ad6b7169203331-01") as told:
        assert trace_of(told) == "a" * 32
