"""What a service, and commands that ask one, say to do next is done, as it stands, and works."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hints import advised, brought
from tests.service.certificates import certified
from tests.service.conftest import SMALL, Served
from trainer.cli import main
from trainer.cli.following import follow
from trainer.service.client import Client


@pytest.fixture
def trainer(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """The command of whoever started the service, in a folder with small.yaml; gives its code and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINER_CONFIG", str(served.root.parent / "conf"))
    Path("small.yaml").write_text(SMALL)

    def run(line: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(line))
        return ended.value.code, "".join(capsys.readouterr())

    return run


def test_in_another_terminal_a_config_is_submitted(served, trainer):
    said = advised(served.said[2], "in another terminal: trainer submit CONFIG --watch")
    code, told = trainer(f"{said.partition('trainer ')[2].replace('CONFIG', 'small.yaml')} --again")
    assert (code, told.splitlines()[-1]) == (0, "finished: after 3 epochs")


@pytest.mark.parametrize("named", [False, True])
def test_a_run_that_is_not_watched_any_more_is_watched_again(served, trainer, named, capsys):
    class Left(Client):
        def events(self, *args: object, **more: object) -> Any:
            raise KeyboardInterrupt

    run = served.submit()
    follow(Left(served.url, served.token), run, served.url if named else None)
    at = f" --at {served.url}" if named else ""
    said = advised(capsys.readouterr().out, f"not watched any more; it goes on. trainer watch {run}{at}\n")
    code, told = trainer(said.partition("trainer ")[2])
    assert (code, told.splitlines()[-1]) == (0, "finished: after 3 epochs")


def test_of_a_service_the_newest_are_listed_and_one_that_is_fetched_can_be_asked(served, trainer):
    run = served.submit()
    served.until(run, "finished")
    code, told = trainer(f"runs --at {served.url} --where train_loss>=0")
    assert code == 2
    at = served.url
    said = advised(
        told, f"trainer runs --at {at} lists the newest; for all else fetch a run: trainer fetch RUN --at {at}"
    )
    lists, fetches = re.findall(r"trainer ((?:runs|fetch)[^;]*?http\S+)", said)
    assert run in trainer(lists)[1]
    assert trainer(fetches.replace("RUN", run))[0] == 0
    assert run in trainer("runs --where train_loss>=0")[1]


def test_a_file_of_the_servers_is_uploaded_and_named_as_is_said(served):
    config = "dataset: {path: flowers.csv, target: kind, validation_path: later.csv}\n" + SMALL.partition("\n")[2]
    told = [each["message"] for each in served.post(config).json["errors"]]
    assert len(told) == 2
    for file, message in zip(("flowers.csv", "later.csv"), told, strict=True):
        said = advised(message, "upload the data, and write upload:ID with the id that comes back")
        table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60))
        answer = served.ask("POST", f"/v1/datasets?name={file}", table).json
        config = config.replace(file, said.split()[5].replace("ID", answer["id"]))
    first = served.submit(config)
    assert served.until(first, "finished", "failed")["state"] == "finished"
    (told,) = [each["message"] for each in served.post(f"{config}start_from: runs/{first}\n").json["errors"]]
    said = advised(told, "write run:ID, with the id of a run that is here")
    second = served.submit(f"{config}start_from: {said.split()[1].strip(',').replace('ID', first)}\n")
    assert served.until(second, "finished", "failed")["state"] == "finished"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_at_another_address_it_serves_with_a_certificate_or_behind_a_proxy(serve, trainer, tmp_path):
    code, told = trainer("serve --host 0.0.0.0")
    assert code == 2
    said = advised(told, "give --certificate FILE and --key FILE, or say --behind-proxy where a proxy in front has TLS")
    certificate, key, proxy = re.findall(r"--[\w-]+(?: FILE)?", said)
    made = certified(tmp_path)
    tls = shlex.split(f"{certificate.replace('FILE', str(made.certificate))} {key.replace('FILE', str(made.key))}")
    for options, trusted in ((tls, made.certificate), ([proxy], None)):
        there = serve("--host", "0.0.0.0", *options, certificate=trusted)  # noqa: S104  that it may is the question
        there.url = there.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  it is replaced
        assert there.ask("GET", "/v1/runs").status == 200
        there.stop()


class Absent:
    """Finds no module of one name, as where it is not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *others: object) -> None:
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_serving_needs_what_an_extra_brings(missing, monkeypatch, trainer):
    for module in [*sys.modules]:
        if module.startswith("trainer.service.web") or module.partition(".")[0] == missing:
            monkeypatch.delitem(sys.modules, module)
    with monkeypatch.context() as without:
        without.setattr(sys, "meta_path", [Absent(missing), *sys.meta_path])
        code, told = trainer("serve")
    assert code == 2
    advised(told, f"serving needs {missing}: pip install 'tape-trainer[serve]'")
    assert missing in brought("serve")  # with which all of this folder serves
