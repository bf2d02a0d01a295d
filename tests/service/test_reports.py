"""What a process elsewhere may ask with the token of its attempt: this test is that process."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import SMALL, Answer, Served
from tests.service.test_guard import GUARDED, at, refused
from trainer import __version__
from trainer.service.tokens import ATTEMPT

POINTS = {"kind": "points", "epoch": 1, "epochs": 3, "step": 3, "steps": 9, "loss": 0.5, "rows": [{"epoch": 1}]}
EXIT = {"code": 0, "asked": False, "cpu_seconds": 0.5, "peak_bytes": 1 << 20}


class Posed:
    """An attempt that this test has in hand."""

    def __init__(self, served: Served, orders: Path) -> None:
        self.served, self.reports, self.said = served, 0, 0
        before = {path.name for path in orders.iterdir()}
        self.run = served.submit()
        while not (new := [each for each in orders.glob("*.json") if each.name not in before]):
            time.sleep(0.02)
        self.order = json.loads(new[0].read_text())
        self.token = self.order["token"]
        self.folder = served.root / "runs" / self.run

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        return self.served.ask(method, f"/v1/attempts/{path}", data, token=self.token, Content_Type=kind, **more)

    def begin(self, instance: str = "one", version: str = __version__) -> Answer:
        return self.ask("POST", "begin", {"instance": instance, "version": version})

    def report(self, *messages: Any, **more: Any) -> Answer:
        self.reports += 1
        said = {"number": self.reports, "first": self.said + 1, "messages": list(messages), "records": {}, "exit": None}
        self.said += len(messages)
        return self.ask("POST", "report", {**said, **more})

    def put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        assert self.ask("PUT", f"files/{digest}", content).status == 201
        return digest

    def manifest(self, **files: str) -> Answer:
        named = [{"name": name.replace("__", "/").replace("_", "."), "sha256": each} for name, each in files.items()]
        return self.ask("PUT", "manifest", {"files": named})


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("orders")


@pytest.fixture(scope="module")
def posing(serve: Callable[..., Served], orders: Path) -> Served:
    """A service whose engine keeps each order for us, whole, and does nothing else."""
    script = f"head -n 1 > {orders}/$$ && mv {orders}/$$ {orders}/$$.json; cat > /dev/null"
    command = {"command": f"sh -c {shlex.quote(script)}", "slots": 100}
    return serve("--launcher", f"command={json.dumps(command)}")


@pytest.fixture
def posed(posing, orders):
    it = Posed(posing, orders)
    yield it
    posing.ask("POST", f"/v1/runs/{it.run}/cancel")
    if it.ask("POST", "report", {}).status == 422:  # it lives
        it.report(exit=EXIT)


def test_the_token_of_an_attempt_is_good_for_it_alone(posed):
    assert set(posed.order) == {"url", "certificate", "token"}
    assert posed.begin().status == 200
    for method, path, scope in GUARDED:
        answer = posed.served.ask(method, at(path, posed.run), token=posed.token)
        if scope != ATTEMPT:
            refused(answer, 403)
        else:
            refused(posed.served.ask(method, at(path, posed.run)), 403)  # of an admin, who is no attempt
            assert answer.status not in (401, 403), (method, path)


def test_two_attempts_reach_nothing_of_one_another(posed, orders):
    other = Posed(posed.served, orders)
    assert {posed.begin().status, other.begin().status} == {200}
    digest = other.put(b"theirs")
    assert posed.manifest(log_txt=digest).json == {"missing": [digest]}
    assert posed.report(POINTS).status == 200
    assert posed.served.run(other.run)["progress"]["step"] == 0
    posed.served.ask("POST", f"/v1/runs/{other.run}/cancel")  # else another attempt at it would have an order, too
    assert other.report(exit=EXIT).status == 200


def test_an_attempt_begins_once(posed):
    first = posed.begin()
    assert first.json["work"]["run"] == posed.run
    assert first.json["work"]["config"] == SMALL
    assert posed.begin().json["work"] == first.json["work"]  # its answer may not have come
    again = posed.begin("another")
    refused(again, 409)
    assert "has begun elsewhere" in again.json["detail"]


def test_another_version_trains_nothing(posed):
    refused(posed.begin(version="0.0.0"), 409)
    ended = posed.served.until(posed.run, "failed")
    assert ended["reason"] == f"the trainer there is 0.0.0, and this one is {__version__}: install the same"


def test_a_token_ends_with_its_attempt(posed):
    posed.begin()
    posed.served.ask("POST", f"/v1/runs/{posed.run}/cancel")
    assert posed.report(POINTS).json["wish"] == "cancel"
    assert posed.report(exit=EXIT).status == 200
    assert posed.served.until(posed.run, "cancelled")["reason"] == "cancelled by admin"
    refused(posed.report(POINTS), 401)
    refused(posed.begin(), 401)


def test_an_attempt_that_is_cancelled_before_it_begins_never_does(posed):
    posed.served.ask("POST", f"/v1/runs/{posed.run}/cancel")
    posed.served.until(posed.run, "cancelled")
    refused(posed.begin(), 401)


def test_files_count_once_all_of_a_set_have_come(posed):
    posed.begin()
    status, arrays = b'{"status": "running"}\n', b"arrays"
    here = hashlib.sha256(status).hexdigest()
    first = posed.put(arrays)
    assert posed.manifest(checkpoints__a_safetensors=first, status_json=here).json == {"missing": [here]}
    assert sorted(path.name for path in posed.folder.iterdir()) == ["attempt.json", "attempt.lock"]
    refused(posed.ask("PUT", f"files/{first}", b"others"), 422)
    posed.put(status)
    assert posed.manifest(checkpoints__a_safetensors=first, status_json=here).json == {"missing": []}
    assert (posed.folder / "checkpoints" / "a.safetensors").read_bytes() == arrays
    assert (posed.folder / "status.json").read_bytes() == status
    assert json.loads((posed.folder / "attempt.json").read_bytes())["began"] == 1
    assert posed.manifest(status_json=here).json == {"missing": []}  # which lies there; the checkpoint was let go of
    assert not (posed.folder / "checkpoints" / "a.safetensors").exists()
    assert posed.manifest(a_txt=posed.put(b""), b_txt=posed.put(b"")).json == {"missing": []}
    assert (posed.folder / "a.txt").read_bytes() == (posed.folder / "b.txt").read_bytes() == b""


@pytest.mark.parametrize(
    "name",
    ["../token", "/etc/passwd", "checkpoints/../../x", "attempt.json", "attempt.lock", "lock", ".hidden", "a/b/c", "",
     "x\0", "..", "a/.b", "x.tmp", "link/x\n"],
)  # fmt: skip
def test_no_file_goes_elsewhere_than_into_its_runs_folder(posed, name):
    posed.begin()
    digest = posed.put(b"{}")
    refused(posed.ask("PUT", "manifest", {"files": [{"name": name, "sha256": digest}]}), 409)


def test_no_link_is_followed(posed, tmp_path):
    posed.begin()
    (posed.folder / "checkpoints").symlink_to(tmp_path)
    (posed.folder / "log.txt").symlink_to(tmp_path / "token")
    assert posed.manifest(checkpoints__a_json=posed.put(b"{}")).json == {"missing": []}
    assert not list(tmp_path.iterdir())
    assert posed.report(records={"log.txt": {"at": 0, "text": "x\n"}}).status == 503
    assert not list(tmp_path.iterdir())


def test_records_go_on_from_where_both_agree_and_are_never_cut_before(posed):
    posed.begin()
    path = posed.folder / "metrics.csv"

    def says(at: int, text: str) -> int:
        return int(posed.report(records={"metrics.csv": {"at": at, "text": text}}).json["records"]["metrics.csv"])

    assert (says(0, "a\nb\n"), path.read_text()) == (4, "a\nb\n")
    assert (says(4, "c\n"), path.read_text()) == (6, "a\nb\nc\n")
    assert (says(0, "a\n"), path.read_text()) == (2, "a\nb\nc\n")  # it comes again, and is there already
    assert (says(2, "B\n"), path.read_text()) == (4, "a\nB\n")  # another attempt's line, and what followed
    assert (says(9, "z\n"), path.read_text()) == (4, "a\nB\n")  # behind a hole: go on from here
    late = posed.ask("POST", "report", {"number": 1, "first": 1, "messages": [], "exit": None, "records": {
        "metrics.csv": {"at": 0, "text": "late\n"}}})  # fmt: skip
    assert (late.status, path.read_text()) == (200, "a\nB\n")


@pytest.mark.parametrize(
    "wrong",
    [{"messages": [{"kind": "points"}]}, {"messages": [{"kind": "state", "state": "finished"}]}, {"messages": [1]},
     {"messages": [{**POINTS, "rows": [{"x": "1"}]}]}, {"messages": [{**POINTS, "step": -1}]},
     {"messages": [{"kind": "ended", "status": "cancelled", "reason": ""}]}, {"exit": {"code": 0}},
     {"exit": {**EXIT, "code": 4096}}, {"records": {"token": {"at": 0, "text": ""}}}, {"number": "1"}, {"first": -1},
     {"records": {"log.txt": {"at": -1, "text": ""}}}, {"records": []}, {"more": 1}],
    ids=range(14),
)  # fmt: skip
def test_a_report_is_what_an_attempt_says_or_nothing(posed, wrong):
    posed.begin()
    refused(posed.report(**wrong), 422)
    assert posed.served.run(posed.run)["state"] == "running"


@pytest.fixture
def quota(posing):
    """Says how many bytes there may be besides those that there are."""

    def give(more: int) -> int:
        used = int(posing.ask("GET", "/v1/me").json["used"]["bytes"])
        most = json.dumps({"bytes": used + more})
        assert posing.ask("PUT", "/v1/users/admin", most, Content_Type="application/json").status == 200
        return used

    yield give
    posing.ask("PUT", "/v1/users/admin", "{}", Content_Type="application/json")


def test_what_is_handed_in_counts_as_its_owners(posed, quota):
    posed.begin()
    before = quota(10_000)
    digest = posed.put(b"x" * 6000)
    assert posed.manifest(findings_json=digest).json == {"missing": []}
    now = posed.served.ask("GET", "/v1/me").json["used"]["bytes"]
    assert 6000 <= now - before < 7000
    content = b"y" * 4000
    refused(posed.ask("PUT", f"files/{hashlib.sha256(content).hexdigest()}", content), 429)
    ended = posed.served.until(posed.run, "failed")
    assert "bytes of data and runs here, of " in ended["reason"]
    assert ended["reason"].endswith(" at most, and this run would have 4,000 more; delete some, and resume it")
    assert (posed.folder / "findings.json").read_bytes() == b"x" * 6000  # what was acknowledged stays
    assert posed.report(POINTS).status == 401  # it is over


def test_records_count_as_well(posed, quota):
    posed.begin()
    quota(1 << 20)
    line = "x" * 65_535 + "\n"
    said = [posed.report(records={"log.txt": {"at": len(line) * i, "text": line}}).status for i in range(34)]
    assert 429 in said, said
    assert {*said[: said.index(429)]} == {200}
    assert {*said[said.index(429) + 1 :]} <= {401, 409}  # it is over, or about to be
    assert posed.served.until(posed.run, "failed")["reason"].endswith("delete some, and resume it")


def test_only_what_an_attempt_needs_is_fetched(posed):
    upload = posed.served.ask("POST", "/v1/datasets?name=a.csv", b"a,b\n1,2\n").json["sha256"]
    posed.begin()
    refused(posed.ask("GET", f"files/{upload}"), 404)
    refused(posed.ask("GET", f"files/{hashlib.sha256(posed.token.encode()).hexdigest()}"), 404)
