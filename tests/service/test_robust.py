"""What a service bears: processes that die, an end in the middle of things, and being begun again."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hints import advised
from tests.service.conftest import LONG, SMALL, Served
from tests.service.processes import children
from trainer.plugins.manager import shared
from trainer.runs.lock import held
from trainer.service.settings import DATASETS

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks /proc who started whom")


@pytest.fixture
def one(serve: Callable[..., Served]) -> Served:
    """A service of one's own, with one slot."""
    return serve("--slots", "1")


def holder(served: Served, run: str) -> int:
    """The process that trains a run."""
    return int(json.loads((served.root / "runs" / run / "lock").read_bytes())["pid"])


def reasons(served: Served, run: str) -> list[str]:
    data = served.ask("GET", f"/v1/runs/{run}/history?limit=1000").json["data"]
    return [each["data"]["reason"] for each in data if each["type"] == "state"]


@needs_proc
def test_the_server_itself_loads_no_array_and_no_plugin(served):
    run = served.submit()
    served.until(run, "finished")
    maps = Path(f"/proc/{served.process.pid}/maps").read_text()
    assert "sqlite" in maps
    assert not [line for line in maps.splitlines() if "numpy" in line or "matplotlib" in line]


def test_what_serves_imports_neither_numpy_nor_plugins():
    code = (
        "import sys, trainer.service.web.server; "
        "print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'scipy', 'trainer_ops', 'trainer_datasets')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_data_sets_that_may_be_chosen_are_there():
    assert set(shared().names("datasets")) >= DATASETS


def test_an_attempt_that_is_killed_goes_on_from_its_newest_checkpoint(one):
    run = one.submit(LONG + "checkpoint: {epochs: 1}\n")
    one.trains(run)
    os.kill(holder(one, run), signal.SIGKILL)
    for told in one.client.events(run):
        if told.kind == "points" and told.data["attempt"] == 2:
            break
    assert any("SIGKILL" in reason for reason in reasons(one, run))
    assert any("attempt 2 begins" in reason for reason in reasons(one, run))
    one.ask("POST", f"/v1/runs/{run}/cancel")
    one.until(run, "cancelled")


def test_a_run_that_dies_three_times_without_getting_further_fails_with_the_reason(one):
    run = one.submit(LONG + "checkpoint: {epochs: 1000000}\n")
    killed = 0
    for told in one.client.events(run):
        if told.kind == "points" and told.data["attempt"] == killed + 1:
            os.kill(holder(one, run), signal.SIGKILL)
            killed += 1
    ended = one.run(run)
    assert (ended["state"], killed) == ("failed", 3)
    assert ended["reason"] == "SIGKILL, the third time in a row without getting further"


@needs_proc
def test_runs_outlive_the_fork_server_and_the_server(one):
    run = one.submit(LONG)
    one.trains(run)
    (fork_server,) = children(one.process.pid)
    os.kill(fork_server, signal.SIGKILL)
    for told in one.client.events(run):
        if told.kind == "points" and told.data["attempt"] == 2:
            break
    last = one.run(run)["progress"]["step"]
    folder = one.root / "runs" / run
    one.stop(signal.SIGKILL)
    while held(folder):
        time.sleep(0.02)
    assert json.loads((folder / "status.json").read_bytes())["status"] == "interrupted"  # it has its checkpoint
    one.start()
    for told in one.client.events(run):
        if told.kind == "points" and told.data["attempt"] == 3 and told.data["step"] > 0:
            break
    assert one.run(run)["progress"]["step"] > 0, last
    one.ask("POST", f"/v1/runs/{run}/cancel")
    assert one.until(run, "cancelled")["attempt"] == 3


def test_a_service_that_is_asked_to_end_stops_runs_with_checkpoints_and_the_next_goes_on(one):
    run, waiting = one.submit(LONG), one.submit(SMALL)
    one.trains(run)
    assert one.stop(signal.SIGTERM) == 0
    folder = one.root / "runs" / run
    assert json.loads((folder / "status.json").read_bytes())["status"] == "interrupted"
    one.start()
    assert one.run(run)["state"] in ("queued", "running")
    for told in one.client.events(run):
        if told.kind == "points" and told.data["attempt"] == 2:
            assert told.data["step"] > 0
            break
    one.ask("POST", f"/v1/runs/{run}/cancel")
    one.until(run, "cancelled")
    assert one.until(waiting, "finished")["attempt"] == 1
    assert one.ask("GET", "/readyz").status == 200


def test_a_service_that_is_asked_to_end_before_it_has_loaded_everything_ends(serve):
    assert serve().stop(signal.SIGTERM) == 0


def test_one_folder_is_served_once(served):
    command = [sys.executable, "-m", "trainer", "serve", "--root", str(served.root), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"{served.root} is being served by process {served.process.pid}" in done.stderr


def test_nobody_listens_elsewhere_without_saying_how_it_is_kept_secret(tmp_path):
    command = [sys.executable, "-m", "trainer", "serve", "--root", str(tmp_path / "root"), "--host", "0.0.0.0"]  # noqa: S104  it is refused
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--certificate FILE and --key FILE" in done.stderr
    assert not (tmp_path / "root").exists()


def test_a_child_imports_nothing_that_the_fork_server_has_not(tmp_path):
    """Else every attempt would wait for what one process could have loaded for all."""
    code = """
import asyncio, json, sys
from pathlib import Path
from trainer.service.children import Children
from trainer.service.supervisor import policy
from trainer.service.settings import Settings

async def go(root, config):
    settings, children = Settings(root), Children()
    work = {"run": "x", "attempt": 1, "name": "x", "folder": str(root), "config": config, "overrides": [],
            "policy": policy(settings, {}, 1), "limits": {}, "traceparent": "", "row": None}
    child = await children.fork("attempt", work)
    said = [json.loads(line) async for line in child.reader]
    child.writer.close()
    await children.end()
    print(json.dumps(next(each["modules"] for each in said if each["kind"] == "imported")))

asyncio.run(go(Path(sys.argv[1]), sys.argv[2]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), SMALL], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == []


@needs_proc
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_processes_die_at_random_and_no_run_is_lost_or_trained_twice(seed):
    """Sixty times in all, in three processes of pytest's; `tools/service_kills.py` does it a thousand times."""
    tool = Path(__file__).parents[2] / "tools" / "service_kills.py"
    command = [sys.executable, tool, "--runs", "6", "--kills", "20", "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done


@needs_proc
def test_viewers_miss_nothing_while_the_service_is_stopped_and_killed():
    """Twenty of them; `tools/service_viewers.py` has two hundred, and says what they cost."""
    tool = Path(__file__).parents[2] / "tools" / "service_viewers.py"
    command = [sys.executable, tool, "--viewers", "20", "--stalled", "2", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert "0 viewers with a gap" in done.stdout


def test_without_its_database_a_service_finds_its_runs_in_their_folders(one):
    table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60))
    data = one.ask("POST", "/v1/datasets?name=flowers.csv", table).json
    upload = f"dataset: {{path: '{data['config']}', target: kind}}\n" + SMALL.partition("\n")[2]
    finished = [one.submit(SMALL), one.submit(upload)]
    for run in finished:
        one.until(run, "finished")
    model = one.ask("GET", f"/v1/runs/{finished[0]}/model").content
    cancelled = one.submit(LONG)
    one.trains(cancelled)
    one.ask("POST", f"/v1/runs/{cancelled}/cancel")
    one.until(cancelled, "cancelled")
    working, waiting = one.submit(LONG), one.submit(LONG)
    one.trains(working)
    before = {each["id"]: each for each in one.ask("GET", "/v1/runs").json["data"]}
    one.stop()
    (one.root / "service.sqlite").write_bytes(b"not a database, and longer than a header" * 100)
    (one.root / "runs" / "notes").mkdir()
    command = [sys.executable, "-m", "trainer", "serve", "--root", str(one.root), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    said = advised(done.stderr, f"or find what the folders know: trainer serve --root {one.root} --reindex")
    (one.root / "service.sqlite").rename(one.root / "damaged.sqlite")
    told = shlex.split(said.partition("trainer serve ")[2])
    assert told[:2] == ["--root", str(one.root)]
    one.options = (*one.options, *told[2:])
    one.start()
    log = one.root.with_suffix(".log").read_text()
    assert "4 runs found in folders: 1 cancelled, 2 finished, 1 queued" in log
    assert "runs/notes is left out: ValueError: its name is no id" in log
    assert "runs that had not begun" in log  # as `waiting`
    after = {each["id"]: each for each in one.ask("GET", "/v1/runs").json["data"]}
    assert after.keys() == before.keys() - {waiting}
    for run in (*finished, cancelled):
        same = ("owner", "name", "state", "reason", "created_at", "attempt")
        assert [after[run][name] for name in same] == [before[run][name] for name in same], run
    assert one.ask("GET", f"/v1/runs/{finished[0]}/model").content == model
    assert one.ask("GET", f"/v1/runs/{finished[0]}/metrics").json["columns"]["epoch"] == [1, 2, 3]
    assert [each["id"] for each in one.ask("GET", "/v1/datasets").json["data"]] == [data["id"]]
    for told in one.client.events(working):
        if told.kind == "points" and told.data["attempt"] == 2:
            assert told.data["step"] > 0  # it goes on
            break
    one.ask("POST", f"/v1/runs/{working}/cancel")
    assert one.until(working, "cancelled")["attempt"] == 2
    body = json.dumps({"overrides": ["epochs=5"]})
    assert one.ask("POST", f"/v1/runs/{finished[0]}/resume", body, Content_Type="application/json").status == 202
    assert one.until(finished[0], "finished")["progress"]["epoch"] == 5
