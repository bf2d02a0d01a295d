"""What goes out of a run says nothing of where anything lies: every file and every event, however it has ended."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import trainer
from tests.service.conftest import LONG, SMALL, Served
from tests.service.test_attempts import service, submission, until
from tests.service.test_elsewhere import COMMAND
from trainer.service import queue
from trainer.service.settings import Limits
from trainer.service.states import State
from trainer.service.web.runs import HIDDEN, PRINTED

PLACES = {str(Path(trainer.__file__).parents[1]), sys.prefix, sys.base_prefix, tempfile.gettempdir(), str(Path.home())}


def tells_no_place(texts: Mapping[str, str], *roots: Path) -> None:
    for name, text in texts.items():
        for place in {*PLACES, *map(str, roots)} - {"/"}:
            assert place not in text, (name, text[max(0, text.index(place) - 80) :][:200])


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served]) -> Served:
    return serve("--launcher", "local", "--launcher", COMMAND)


@pytest.mark.parametrize("launcher", ["local", "command"])
def test_of_a_run_that_finished(served, launcher):
    table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60))
    upload = served.ask("POST", "/v1/datasets?name=flowers.csv", table).json["config"]
    config = f"dataset: {{path: '{upload}', target: kind}}\n{SMALL.partition(chr(10))[2]}"
    run = served.submit(config, f"?again=1&launcher={launcher}")
    assert served.until(run, "finished", "failed")["state"] == "finished"
    printed = served.root / "runs" / run / PRINTED  # what a library may have printed
    printed.write_text(f'Traceback (most recent call last):\n  File "{trainer.__file__}", line 3, in f\n')
    names = [each["name"] for each in served.ask("GET", f"/v1/runs/{run}/files").json["data"]]
    assert {"status.json", "log.txt", "environment.json", "resolved.yaml", PRINTED} <= {*names}
    texts = {name: served.ask("GET", f"/v1/runs/{run}/files/{name}").content.decode("latin-1") for name in names}
    for more in ("", "/history?limit=1000", "/log", "/resolved", "/config"):
        texts[more] = served.ask("GET", f"/v1/runs/{run}{more}").content.decode()
    texts["page"] = served.ask("GET", f"/runs/{run}", Accept="text/html").content.decode()
    tells_no_place(texts, served.root)
    assert texts[PRINTED] == 'Traceback (most recent call last):\n  File "__init__.py", line 3, in f\n'
    assert json.loads(texts["environment.json"])["command"] == ["trainer", "attempt"]


def test_of_a_run_that_failed(tmp_path):
    """A file that grows too large is told with its path by whoever writes it."""

    async def go() -> None:
        async with service(tmp_path / "root", limits=Limits(file=30_000)) as it:
            run, _ = await it.store.write(lambda writing: queue.submit(writing, submission(LONG), 9))
            row = await until(it, run, lambda row: row["state"] == State.FAILED)
            wrong = "metrics.csv cannot be written: "
            assert row["reason"].startswith(wrong)
            folder = it.settings.folder(run)
            files = {path.name: path.read_text("latin-1") for path in folder.iterdir() if path.is_file()}
            given = {name: text for name, text in files.items() if name not in {*HIDDEN, PRINTED}}
            events = {str(each["seq"]): each["data"] for each in it.store.rows("SELECT seq, data FROM events")}
            tells_no_place({**given, **events}, tmp_path)
            assert json.loads(given["status.json"])["reason"].startswith(f"StorageError: {wrong}")
            assert f"failed: StorageError: {wrong}" in given["log.txt"]

    asyncio.run(go())
