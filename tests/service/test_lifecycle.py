"""A run's life over HTTP: posted, watched, stopped, resumed, asked for predictions, and forgotten."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from itertools import islice
from pathlib import Path

import pytest
import yaml

from tests.service.conftest import LONG, SMALL, Served

ROOT = Path(__file__).parents[2]


def states(served: Served, run: str) -> list[str]:
    data = served.ask("GET", f"/v1/runs/{run}/history?limit=1000").json["data"]
    return [each["data"]["state"] for each in data if each["type"] == "state"]


def test_a_posted_config_is_trained_to_its_end(served):
    answer = served.post(SMALL, "?name=first&again=1")
    assert (answer.status, answer.json["name"]) == (202, "first")
    assert answer.json["state"] in ("queued", "running")  # a slot is free, and may be quicker than the answer
    run = served.until(answer.json["id"], "finished")
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["reason"], run["progress"]["epoch"], run["attempt"]) == ("after 3 epochs", 3, 1)
    assert run["loss"] > 0  # of the last step that was told: its end takes nothing away
    assert states(served, run["id"]) == ["queued", "running", "finished"]


def test_what_it_leaves_are_the_bytes_of_trainer_run(served, tmp_path):
    run = served.until(served.submit(), "finished")["id"]
    (tmp_path / "config.yaml").write_text(SMALL)
    command = [sys.executable, "-m", "trainer", "run", "config.yaml", "--out", "runs", "--quiet"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (local,) = (tmp_path / "runs").iterdir()
    for name in ("parameters.safetensors", "resolved.yaml"):
        theirs = served.ask("GET", f"/v1/runs/{run}/files/{name}")
        assert theirs.status == 200
        assert theirs.content == (local / name).read_bytes(), name
    assert served.ask("GET", f"/v1/runs/{run}/model").content == (local / "parameters.safetensors").read_bytes()


def test_the_same_again_is_answered_from_what_is_there(served):
    config = SMALL + "seed: 77\n"
    first, second = served.post(config), served.post(config)
    assert (first.status, second.status) == (202, 200)
    assert first.json["id"] == second.json["id"]
    assert served.post(config, "?again=true").json["id"] != first.json["id"]


def test_a_key_gets_its_first_answer_again_and_no_other_request(served):
    config = SMALL + "seed: 78\n"
    first = served.post(config, "?again=1", Idempotency_Key="one")
    again = served.post(config, "?again=1", Idempotency_Key="one")
    other = served.post(SMALL, "?again=1", Idempotency_Key="one")
    assert (first.status, again.status, other.status) == (202, 200, 422)
    assert again.json["id"] == first.json["id"]
    assert "has come with another request" in other.json["detail"]


def test_a_run_is_cancelled_and_keeps_its_checkpoint(served):
    run = served.submit(LONG)
    served.trains(run)
    assert served.ask("POST", f"/v1/runs/{run}/cancel").status == 202
    ended = served.until(run, "cancelled")
    assert ended["reason"] == "cancelled by admin"
    assert states(served, run) == ["queued", "running", "stopping", "cancelled"]
    names = [each["name"] for each in served.ask("GET", f"/v1/runs/{run}/files").json["data"]]
    assert "parameters.safetensors" in names
    assert served.ask("POST", f"/v1/runs/{run}/cancel").status == 202  # it is what is asked for already


def test_a_paused_run_goes_on_where_it_was_with_another_number_of_epochs(served):
    run = served.submit(LONG)
    served.trains(run)
    served.ask("POST", f"/v1/runs/{run}/pause")
    paused = served.until(run, "paused")
    epochs = paused["progress"]["epoch"] + 5
    body = json.dumps({"overrides": [f"epochs={epochs}"]})
    answer = served.ask("POST", f"/v1/runs/{run}/resume", body, Content_Type="application/json")
    assert answer.status == 202, answer
    ended = served.until(run, "finished")
    assert (ended["progress"]["epoch"], ended["attempt"]) == (epochs, 2)
    rows = served.ask("GET", f"/v1/runs/{run}/files/metrics.csv").content.decode().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == [*range(1, epochs + 1)]


def test_a_finished_run_goes_on_with_more_epochs_to_the_bytes_of_a_run_of_that_length(served):
    run = served.submit(SMALL + "seed: 5\n")
    served.until(run, "finished")
    refused = served.ask("POST", f"/v1/runs/{run}/resume", "{}", Content_Type="application/json")
    assert refused.status == 409
    assert "epochs=N goes on" in refused.json["detail"]
    body = json.dumps({"overrides": ["epochs=6"]})
    served.ask("POST", f"/v1/runs/{run}/resume", body, Content_Type="application/json")
    assert served.until(run, "finished")["progress"]["epoch"] == 6
    straight = served.submit(SMALL.replace("epochs: 3", "epochs: 6") + "seed: 5\n")
    served.until(straight, "finished")
    models = [served.ask("GET", f"/v1/runs/{each}/model").content for each in (run, straight)]
    assert hashlib.sha256(models[0]).hexdigest() == hashlib.sha256(models[1]).hexdigest()


def test_a_run_that_rests_is_deleted_with_its_folder(served):
    run = served.submit(LONG)
    served.trains(run)
    assert served.ask("DELETE", f"/v1/runs/{run}").status == 409
    served.ask("POST", f"/v1/runs/{run}/cancel")
    version = served.until(run, "cancelled")["version"]
    assert served.ask("DELETE", f"/v1/runs/{run}", If_Match=f'"{version - 1}"').status == 412
    assert served.ask("DELETE", f"/v1/runs/{run}", If_Match=f'"{version}"').status == 204
    assert served.ask("GET", f"/v1/runs/{run}").status == 404
    assert not (served.root / "runs" / run).exists()


def test_events_go_on_behind_the_one_that_was_had_last(served):
    run = served.submit()
    served.until(run, "finished")
    told = [*served.client.events(run)]
    assert [each.id for each in told] == sorted({each.id for each in told})
    assert [each.data["state"] for each in told if each.kind == "state"] == ["queued", "running", "finished"]
    assert sum(len(each.data["points"]) for each in told if each.kind == "points") == 3
    middle = told[len(told) // 2].id
    for path, headers in ((f"?after={middle}", {}), ("", {"Last_Event_ID": str(middle)})):
        answer = served.ask("GET", f"/v1/runs/{run}/history{path or f'?after={middle}'}")
        assert [each["id"] for each in answer.json["data"]] == [each.id for each in told if each.id > middle]
        last = {"Last_Event_ID": str(told[-1].id)} if headers else {}
        done = served.ask("GET", f"/v1/runs/{run}/events{'' if headers else f'?after={told[-1].id}'}", **last)
        assert done.status == 204  # which tells a browser to stay away
    assert [*served.client.events(run, after=middle)] == [each for each in told if each.id > middle]


def test_a_run_is_found_renamed_and_tagged(served):
    run = served.submit()
    before = served.ask("GET", f"/v1/runs/{run}")
    body = json.dumps({"name": "the one", "tags": ["a", "b"], "note": "as on Monday"})
    answer = served.ask("PATCH", f"/v1/runs/{run}", body, Content_Type="application/json")
    assert (answer.json["name"], answer.json["tags"], answer.json["note"]) == ("the one", ["a", "b"], "as on Monday")
    assert answer.headers["etag"] != before.headers["etag"]
    stale = served.ask(
        "PATCH", f"/v1/runs/{run}", body, Content_Type="application/json", If_Match=before.headers["etag"]
    )
    assert stale.status == 412
    found = served.ask("GET", "/v1/runs?q=THE+one").json["data"]
    assert [each["id"] for each in found] == [run]


def test_lists_go_from_the_newest_by_pages(served):
    runs = [served.submit() for _ in range(5)]
    ids, after = list[str](), ""
    while True:
        page = served.ask("GET", f"/v1/runs?limit=2{after}").json
        ids += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert ids == sorted(set(ids), reverse=True)
    assert ids[:5] == runs[::-1]
    for run in runs:
        served.until(run, "finished")
    assert served.ask("GET", "/v1/runs?state=asleep").status == 422


def test_metrics_log_and_configs_are_read_over_http(served):
    run = served.submit()
    served.until(run, "finished")
    columns = served.ask("GET", f"/v1/runs/{run}/metrics?names=train_loss").json["columns"]
    assert columns["epoch"] == [1, 2, 3]
    assert len(columns["train_loss"]) == 3
    assert served.ask("GET", f"/v1/runs/{run}/config").content.decode() == SMALL
    assert yaml.safe_load(served.ask("GET", f"/v1/runs/{run}/resolved").content)["epochs"] == 3
    assert len(served.ask("GET", f"/v1/runs/{run}/log?tail=2").content.splitlines()) == 2


def test_a_model_comes_as_a_zip_with_its_config(served):
    run = served.submit()
    served.until(run, "finished")
    answer = served.ask("GET", f"/v1/runs/{run}/model?format=zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="{run}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        for name in ("parameters.safetensors", "resolved.yaml"):
            assert archive.read(name) == served.ask("GET", f"/v1/runs/{run}/files/{name}").content
    assert served.ask("GET", f"/v1/runs/{run}/model?format=zip").content == answer.content
    assert served.ask("HEAD", f"/v1/runs/{run}/model?format=zip").status == 200
    assert served.ask("GET", f"/v1/runs/{run}/model?format=tar").status == 422


def test_what_there_is_to_choose_from_is_told(served):
    (dense,) = [each for each in served.ask("GET", "/v1/layers").json["data"] if each["name"] == "dense"]
    assert dense["parameters"][0] == {"name": "units", "required": True, "takes": "a whole number of at least 1"}
    assert {"adam", "sgd"} <= {each["name"] for each in served.ask("GET", "/v1/optimizers").json["data"]}
    assert served.ask("GET", "/v1/plugins").json["data"][0]["name"] == "trainer"
    assert served.ask("GET", "/v1/launchers").json["data"][0]["name"] == "local"
    assert "moons" in served.ask("GET", "/v1/datasets").json["offered"]


def test_a_model_is_asked_for_rows_and_tables(served):
    run = served.submit()
    served.until(run, "finished")
    rows = json.dumps({"rows": [[0.5, 0.25], [1.0, -0.5]]})
    answer = served.ask("POST", f"/v1/runs/{run}/predict", rows, Content_Type="application/json")
    assert answer.status == 200, answer
    assert len(answer.json["predictions"]) == len(answer.json["probabilities"]) == 2
    bad = served.ask("POST", f"/v1/runs/{run}/predict", '{"rows": [[1.0]]}', Content_Type="application/json")
    assert bad.status == 422
    none = served.ask("POST", f"/v1/runs/{run}/predict", '{"rows": []}', Content_Type="application/json")
    assert "there are no rows" in none.json["detail"]


def test_an_upload_is_trained_on_and_kept_while_it_is_needed(served):
    table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60))
    answer = served.ask("POST", "/v1/datasets?name=flowers.csv", table)
    assert answer.status == 201, answer
    assert answer.json["sha256"] == hashlib.sha256(table.encode()).hexdigest()
    config = f"dataset: {{path: '{answer.json['config']}', target: kind}}\n" + SMALL.partition("\n")[2]
    run = served.submit(config)
    assert served.until(run, "finished", "failed")["state"] == "finished"
    assert served.ask("DELETE", f"/v1/datasets/{answer.json['id']}").status == 409
    served.ask("DELETE", f"/v1/runs/{run}")
    assert served.ask("DELETE", f"/v1/datasets/{answer.json['id']}").status == 204
    gone = served.post(config)
    assert gone.status == 422


def test_a_config_with_mistakes_is_refused_with_all_of_them_at_their_lines(served):
    answer = served.post(SMALL.replace("step_size", "stepsize").replace("epochs: 3", "epochs: -3"))
    assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json")
    lines = sorted(each["line"] for each in answer.json["errors"] if each["line"])
    assert lines == [4, 6]
    assert any("step_size" in each["message"] for each in answer.json["errors"])
    checked = served.ask("POST", "/v1/validate", SMALL, Content_Type="application/yaml")
    assert checked.json["size"]["parameters"] == 22


@pytest.fixture
def trainer(served, tmp_path):
    """The command, in a folder with `configs/`, of somebody who is logged in; gives what it prints."""
    known = {"TRAINER_URL": served.url, "TRAINER_TOKEN": served.token, "TRAINER_CONFIG": str(tmp_path / "conf")}
    (tmp_path / "configs").symlink_to(ROOT / "configs")

    def trainer(*arguments: str) -> str:
        command = [sys.executable, "-m", "trainer", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **known}, capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout

    return trainer


def test_the_command_line_submits_watches_and_fetches(served, trainer, tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    said = trainer("submit", "small.yaml", "step_size=0.2", "--again", "--watch")
    run = said.split()[0]
    assert said.splitlines()[-1] == "finished: after 3 epochs"
    assert trainer("watch", run).splitlines()[-1] == "finished: after 3 epochs"
    trainer("fetch", run)
    assert "finished" in trainer("runs")
    assert run in trainer("runs", "--at", served.url)


@pytest.mark.parametrize("page", ["README.md", "docs/service.md"])
def test_what_a_page_says_to_type_at_a_service_works(served, trainer, page):
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = [each for each in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if "trainer submit" in each]
    for line in block.splitlines():
        words = line.partition("#")[0].replace("http://127.0.0.1:8470", served.url).split()
        if words[0] != "trainer":
            continue
        run = served.submit(LONG) if words[1] == "cancel" else "last"
        trainer(*(run if word == "RUN" else word for word in words[1:]))
        if words[1] == "cancel":
            served.until(run, "cancelled")


def test_a_viewer_sees_the_first_events_while_it_trains(served):
    run = served.submit(LONG)
    kinds = [told.kind for told in islice(served.client.events(run), 4)]
    assert kinds[:2] == ["state", "state"]
    served.ask("POST", f"/v1/runs/{run}/cancel")
    served.until(run, "cancelled")
