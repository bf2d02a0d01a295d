"""What somebody may try against a service, by the numbers of the table in docs/service.md, and what comes of it.

Where a library is known to bear something badly, what is tried here is our own bound before it, by one more than it.
"""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import os
import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from tests.service.conftest import LONG, SMALL, Served
from tests.service.processes import below, opened
from tests.service.test_guard import raw, refused, token
from trainer.service.logs import JsonLines, TextLines
from trainer.service.web import guard, server
from trainer.service.web.problems import HttpProblem
from trainer.service.web.table import ROUTES

ROOT = Path(__file__).parents[2]
JSON = {"Content_Type": "application/json"}
YAML = {"Content_Type": "application/yaml"}

GUARD, HERE, PEOPLE = "tests/service/test_guard.py", "tests/service/test_threats.py", "tests/service/test_people.py"
POLICY, FILES = "tests/config/test_policy.py", "tests/data/readers/test_hostile_files.py"
DASK, REPORTS = "tests/service/test_dask.py", "tests/service/test_reports.py"
ELSEWHERE = "tests/service/test_elsewhere.py"
BAD_ARRAYS, ROBUST = "tests/data/readers/test_bad_array_files.py", "tests/service/test_robust.py"
THREATS: dict[int, list[str]] = {
    1: [f"{GUARD}::test_a_posted_config_reaches_nothing_of_the_server"],
    2: [f"{GUARD}::test_a_config_that_nests_without_end_ends_nothing"],
    3: [f"{GUARD}::test_a_posted_config_reaches_nothing_of_the_server"],
    4: [f"{HERE}::test_what_yaml_would_make_of_a_text_in_silence_is_refused_or_as_it_looks"],
    5: [f"{HERE}::test_what_yaml_would_make_of_a_text_in_silence_is_refused_or_as_it_looks"],
    6: [f"{HERE}::test_any_config_is_taken_or_refused_and_nothing_else"],
    7: [f"{GUARD}::test_a_posted_config_reaches_nothing_of_the_server"],
    8: [f"{GUARD}::test_a_posted_config_reaches_nothing_of_the_server",
        f"{HERE}::test_no_spelling_of_a_path_leads_anywhere"],
    9: [f"{HERE}::test_a_pickle_that_is_uploaded_is_never_read_as_one"],
    10: [f"{FILES}::test_an_archive_that_unpacks_to_one_byte_more_than_there_is_is_refused_before_it_is_read",
         f"{FILES}::test_what_is_refused_is_not_allocated"],
    11: [f"{FILES}::test_a_header_that_claims_more_than_there_is_is_refused"],
    12: [f"{FILES}::test_parameters_of_which_bytes_were_changed_are_refused_or_read_where_no_digest_vouches_for_them",
         f"{FILES}::test_a_checkpoint_of_which_bytes_were_changed_is_never_the_newest"],
    13: [f"{FILES}::test_a_file_of_which_bytes_were_changed_is_read_or_refused_as_data"],
    14: [f"{GUARD}::test_a_posted_config_reaches_nothing_of_the_server",
         f"{ROBUST}::test_what_serves_imports_neither_numpy_nor_plugins"],
    15: [f"{GUARD}::test_without_a_token_that_may_nothing_is_told",
         f"{GUARD}::test_somebody_elses_run_is_not_there"],
    16: [f"{GUARD}::test_another_host_or_another_site_is_refused_before_all_else",
         f"{GUARD}::test_a_host_is_said_once"],
    17: [f"{GUARD}::test_another_host_or_another_site_is_refused_before_all_else",
         f"{GUARD}::test_a_ticket_is_good_once_and_its_cookie_only_from_our_own_pages",
         f"{GUARD}::test_no_other_method_does_anything"],
    18: [f"{ROBUST}::test_nobody_listens_elsewhere_without_saying_how_it_is_kept_secret"],
    19: [f"{GUARD}::test_the_token_is_in_no_log_and_on_no_command_line"],
    20: [f"{GUARD}::test_a_body_is_no_larger_than_it_may_be_however_it_comes",
         f"{HERE}::test_a_body_that_does_not_come_is_waited_for_so_long",
         f"{HERE}::test_headers_that_do_not_come_are_waited_for_so_long",
         f"{HERE}::test_many_who_say_nothing_keep_nobody_waiting"],
    21: [f"{GUARD}::test_no_file_but_those_of_the_run_is_given", f"{HERE}::test_many_ranges_are_one_file"],
    22: [f"{GUARD}::test_what_is_said_of_a_run_is_never_a_page"],
    23: [f"{HERE}::test_sql_in_a_query_is_text"],
    24: [f"{HERE}::test_an_attempt_has_its_limits",
         f"{GUARD}::test_what_is_too_large_is_refused_before_it_waits",
         f"{PEOPLE}::test_a_users_runs_in_line_are_as_many_as_an_admin_says",
         f"{PEOPLE}::test_cpu_seconds_of_a_day_are_refused_while_they_are_used_up_and_waited_for_in_line"],
    25: [f"{HERE}::test_a_line_of_the_log_is_one_line", f"{HERE}::test_a_name_holds_nothing_that_a_terminal_obeys",
         f"{HERE}::test_a_table_of_predictions_holds_no_formula"],
    26: [f"{HERE}::test_folders_are_their_owners_alone_and_no_link_is_followed"],
    27: [f"{HERE}::test_what_is_deployed_is_named_by_its_hash"],
    28: [f"{HERE}::test_no_process_of_the_service_listens_but_at_its_address",
         f"{DASK}::test_a_run_on_a_cluster_has_the_bytes_of_one_here_and_nothing_listens_but_tls_on_loopback",
         f"{DASK}::test_other_computers_are_reached_by_tls_alone",
         f"{REPORTS}::test_the_token_of_an_attempt_is_good_for_it_alone",
         f"{ELSEWHERE}::test_no_token_of_an_attempt_is_on_a_command_line_or_in_an_environment_and_none_is_stored"],
}  # fmt: skip


def test_every_threat_has_its_tests_and_its_row():
    assert set(THREATS) == set(range(1, 29))
    known: dict[str, set[str]] = {}
    for place in {each.partition("::")[0] for tests in THREATS.values() for each in tests}:
        tree = ast.parse((ROOT / place).read_text(encoding="utf-8"))
        known[place] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    missing = [
        each for tests in THREATS.values() for each in tests if each.split("::")[1] not in known[each.split("::")[0]]
    ]
    assert missing == []
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "service.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(THREATS)


def changed(key: str, value: str) -> str:
    return "\n".join(f"{key}: {value}" if line.startswith(f"{key}:") else line for line in SMALL.splitlines()) + "\n"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (f"a: &a {{epochs: 3}}\n<<: *a\n{SMALL}", "merge keys (<<) are not supported"),
        (SMALL + "epochs: 4\n", "'epochs' comes twice"),
        (changed("epochs", "22:22"), "epochs"), (changed("epochs", "0x12"), "epochs"),
        (changed("epochs", "1000000000000000000000000"), "is too large for this service"),
        (changed("epochs", "yes"), "epochs"),
        (changed("step_size", ".nan"), "step_size"), (changed("step_size", ".inf"), "step_size"),
        (changed("batch_size", "no"), "batch_size"),
    ],
    ids=range(9),
)  # fmt: skip
def test_what_yaml_would_make_of_a_text_in_silence_is_refused_or_as_it_looks(served, config, says):
    answer = served.ask("POST", "/v1/validate", config, **YAML)
    refused(answer, 422)
    assert any(says in each["message"] for each in answer.json["errors"]), answer
    number = served.ask("POST", "/v1/validate", changed("step_size", "1e-3"), **YAML)
    assert number.json["resolved"]["step_size"] == 0.001
    leading = served.ask("POST", "/v1/validate", changed("epochs", "012"), **YAML)
    assert leading.json["resolved"]["epochs"] == 12


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.sampled_from(["adam", "dense", "relu", "all", "moons", "1e-3", "upload:x", "run:x", "../x", "", " "]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "dense", "units", "rows", "steps", "path"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def keys(served: Served) -> list[str]:
    return sorted(served.ask("GET", "/v1/schema").json["properties"])


@settings(
    max_examples=150, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_any_config_is_taken_or_refused_and_nothing_else(served, keys, data):
    config: dict[str, Any] = {
        "dataset": {"name": "moons", "rows": 60}, "network": [{"dense": 4}, "tanh", {"dense": 2}],
        "cost": "softmax_cross_entropy", "step_size": 0.1, "batch_size": 20, "epochs": 3,
    }  # fmt: skip
    names = st.one_of(st.sampled_from(keys), st.sampled_from(keys), st.text(min_size=1, max_size=8))
    config |= data.draw(st.dictionaries(names, VALUES, min_size=1, max_size=3))
    body = json.dumps({"config": json.dumps(config)})  # NaN and Infinity are for YAML to judge
    answer = served.ask("POST", "/v1/validate", body, **JSON)
    assert answer.status in (200, 400, 422), (config, answer)
    if answer.status == 422 and "errors" in answer.json:
        assert all(each["message"] for each in answer.json["errors"])
    assert b"ends the process" not in answer.content, config
    assert b"Traceback" not in answer.content


@pytest.mark.parametrize(
    "path",
    ["/etc/hostname", "../token", "../../x", "%2e%2e/token", "%252e%252e/token", "..\\token", "/dev/null", "~/x",
     "file:///etc/hostname", "https://example.org/a.csv", "upload:../token", "upload:" + "0" * 26, "run:" + "0" * 26],
)  # fmt: skip
@pytest.mark.parametrize("key", ["path", "validation_path", "frame"])
def test_no_spelling_of_a_path_leads_anywhere(served, path, key):
    source = {"path": path} if key == "path" else {"name": "moons", key: path}
    rest = SMALL.partition("\n")[2]
    answer = served.ask("POST", "/v1/validate", f"dataset: {json.dumps(source)}\n{rest}", **YAML)
    refused(answer, 422)
    assert served.token.encode() not in answer.content


def test_a_pickle_that_is_uploaded_is_never_read_as_one(served):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([[{}]], dtype=object), y=np.ones(1))
    upload = served.ask("POST", "/v1/datasets?name=objects.npz", buffer.getvalue()).json["config"]
    config = f"dataset: {{path: '{upload}'}}\n" + SMALL.partition("\n")[2]
    answer = served.ask("POST", "/v1/validate", config, **YAML)
    refused(answer, 422)
    assert "only pickle can read" in answer.json["errors"][0]["message"]


def test_a_body_that_does_not_come_is_waited_for_so_long(monkeypatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    route = next(each for each in ROUTES if each.path == "/v1/runs" and each.method == "POST")

    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/v1/runs", "headers": [], "query_string": b""}
    with pytest.raises(HttpProblem, match=r"did not come within 0\.05 s") as caught:
        asyncio.run(guard._body(Request(scope, never), route))
    assert caught.value.status == 408


@pytest.mark.parametrize("said", [b"", b"GET /healthz HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /again HT"])
def test_headers_that_do_not_come_are_waited_for_so_long(monkeypatch, said):
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.1)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def go() -> bytes:
        bound = server.listening("127.0.0.1", 0)
        config = uvicorn.Config(application, http=server._Impatient, lifespan="off", log_config=None)
        serving = uvicorn.Server(config)
        config.load()
        serving.lifespan = config.lifespan_class(config)
        await serving.startup([bound])
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        writer.write(said)
        try:
            async with asyncio.timeout(20):
                return await reader.read()  # until it is closed
        finally:
            writer.close()
            await serving.shutdown([bound])

    answer = asyncio.run(go())
    assert answer.count(b"HTTP/1.1 204") == (b"Host" in said)


def test_no_piece_of_an_answer_waits_for_whoever_has_had_the_one_before():
    async def go() -> bool:
        bound, there = server.listening("127.0.0.1", 0), asyncio.get_running_loop().create_future()
        async with await asyncio.start_server(lambda reader, writer: there.set_result(writer), sock=bound):
            _, own = await asyncio.open_connection(*bound.getsockname())
            writer = await there
            own.close()
            writer.close()
            return bool(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    assert asyncio.run(go())


def test_many_who_say_nothing_keep_nobody_waiting(served):
    host, _, port = served.address.rpartition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        for each in silent:
            each.sendall(b"GET /v1/runs HTTP/1.1\r\nHost: ")
        assert served.ask("GET", "/healthz").status == 200
    finally:
        for each in silent:
            each.close()


def test_a_target_that_names_another_site_is_none_of_ours(served):
    said = raw(served, f"GET http://example.org/v2 HTTP/1.1\r\nHost: {served.address}\r\nConnection: close\r\n\r\n")
    assert re.match(rb"HTTP/1.1 40[14] ", said), said


def test_many_ranges_are_one_file(served):
    run = served.until(served.submit(), "finished")["id"]
    whole = served.ask("GET", f"/v1/runs/{run}/files/resolved.yaml")
    ranges = "bytes=" + ",".join(f"{i}-{i}" for i in range(200))
    answer = served.ask("GET", f"/v1/runs/{run}/files/resolved.yaml", Range=ranges)
    assert (answer.status, answer.content) == (200, whole.content)


@pytest.mark.parametrize("text", ["' OR 1=1 --", "x'; DROP TABLE runs; --", '" OR ""="', "%", "_", "\\", "\x00", "é'"])
def test_sql_in_a_query_is_text(served, text):
    from urllib.parse import quote

    eve = token(served, "eve", "read", "submit", "cancel")
    run = served.submit()
    for query in ("q", "owner", "after"):
        answer = served.ask("GET", f"/v1/runs?{query}={quote(text)}", token=eve)
        assert answer.status in (200, 422)
        assert answer.status == 422 or answer.json["data"] == []
    assert served.ask("GET", f"/v1/runs?owner={quote(text)}").json["data"] == []
    assert served.ask("GET", f"/v1/audit?user={quote(text)}").json["data"] == []
    for path in (f"/v1/runs/{quote(text, safe='')}", f"/v2/models/{quote(text, safe='')}"):
        assert served.ask("GET", path, token=eve).status in (400, 404)
    served.ask("PATCH", f"/v1/runs/{run}", json.dumps({"note": text, "tags": [text]}), **JSON)
    assert served.run(run)["note"] == text
    served.until(run, "finished")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks /proc what a process may")
def test_an_attempt_has_its_limits(served):
    run = served.submit(LONG)
    served.trains(run)
    pid = int(json.loads((served.root / "runs" / run / "lock").read_bytes())["pid"])
    limits = {
        line[:26].strip(): line[26:47].strip()
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    }  # fmt: skip
    told = served.ask("GET", "/v1/me").json["limits"]
    assert limits["Max address space"] == str(told["memory"])
    assert limits["Max file size"] == str(told["file"])
    assert limits["Max core file size"] == "0"
    assert limits["Max open files"] == "1024"
    assert os.getpgid(pid) == pid
    assert served.token.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    served.ask("POST", f"/v1/runs/{run}/cancel")
    served.until(run, "cancelled")


def test_a_line_of_the_log_is_one_line():
    record = logging.makeLogRecord({"msg": "run %s\n2026-01-01  root: all is well\x1b[2J", "args": ("x\r\ny",)})
    record.run, record.trace = "01J", "ab"
    text = TextLines("%(message)s").format(record)
    assert text == "run x\\r\\ny\\n2026-01-01  root: all is well\\x1b[2J"
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert {key: json.loads(line)[key] for key in ("run", "trace")} == {"run": "01J", "trace": "ab"}


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "../x", "=1+1", "", "a" * 81])
def test_a_name_holds_nothing_that_a_terminal_obeys(served, name):
    answer = served.ask("POST", "/v1/runs", json.dumps({"config": SMALL, "name": name or " "}), **JSON)
    refused(answer, 422)
    refused(served.post(f"name: {json.dumps(name)}\n{SMALL}"), 422)


def test_a_table_of_predictions_holds_no_formula(served):
    table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{('=1+1', 'plain')[i % 2]}\n" for i in range(60))
    upload = served.ask("POST", "/v1/datasets?name=rows.csv", table).json["config"]
    config = f"dataset: {{path: '{upload}', target: kind}}\n" + SMALL.partition("\n")[2]
    run = served.until(served.submit(config), "finished")["id"]
    rows = "a,b\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(60))
    text = served.ask("POST", f"/v1/runs/{run}/predict", rows, Content_Type="text/csv").content.decode()
    cells = {cell for line in text.splitlines() for cell in line.split(",")}
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    asked = json.dumps({"rows": [[1, 2]]})
    names = served.ask("POST", f"/v1/runs/{run}/predict", asked, **JSON).json["class_names"]
    assert sorted(names) == ["=1+1", "plain"]  # as data they are what they are


def test_folders_are_their_owners_alone_and_no_link_is_followed(served, tmp_path):
    run = served.until(served.submit(), "finished")["id"]
    folder = served.root / "runs" / run
    for place in (served.root, served.root / "runs", served.root / "uploads", folder):
        assert place.stat().st_mode & 0o077 == 0, place
    aside = tmp_path / "aside"
    folder.rename(aside)
    folder.symlink_to(aside)
    try:
        for path in ("files/resolved.yaml", "model", "resolved"):
            assert served.ask("GET", f"/v1/runs/{run}/{path}").status == 404
        assert served.ask("GET", f"/v1/runs/{run}/log").content == b""
        assert served.ask("GET", f"/v1/runs/{run}/metrics").json["columns"] == {}
        assert served.ask("GET", f"/v1/runs/{run}/files").json["data"] == []
    finally:
        folder.unlink()
        aside.rename(folder)


def test_what_is_deployed_is_named_by_its_hash():
    lines = (
        (ROOT / "docs" / "deploy" / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    )
    pinned = [line for line in lines if line and not line.startswith(("#", " "))]
    assert all(re.match(r"[a-z0-9._-]+==\S+ +(--hash=sha256:[0-9a-f]{64} *)+$", line) for line in pinned), pinned
    names = {line.partition("==")[0] for line in pinned}
    assert {"numpy", "pyyaml", "starlette", "uvicorn", "h11", "safetensors"} <= names
    assert "--require-hashes" in (ROOT / "docs" / "deploy" / "Containerfile").read_text(encoding="utf-8")


def listening_of(*pids: int) -> list[str]:
    """Where processes listen, and those that they have started: addresses and ports, as the kernel writes them."""
    known = [*pids, *(each for pid in pids for each in below(pid))]
    sockets = {
        found[1] for pid in known for link in opened(pid) for found in [re.match(r"socket:\[(\d+)\]", link)] if found
    }
    listening = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                listening.append(words[1])
    return listening


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="asks /proc who listens")
def test_no_process_of_the_service_listens_but_at_its_address(served):
    served.until(served.submit(), "finished")
    port = int(served.address.rpartition(":")[2])
    assert listening_of(served.process.pid) == [f"0100007F:{port:04X}"]
