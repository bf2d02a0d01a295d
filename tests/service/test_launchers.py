"""What starts attempts is a plugin: found by its name, given its options, and asked for by whoever posts a run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.hints import advised
from tests.service.conftest import SMALL
from trainer.errors import PluginError, UsageError
from trainer.plugins.registry import component
from trainer.service.launchers import Site, made
from trainer.service.local import Local
from trainer.service.settings import Settings

HERE = Settings(Path())


@dataclass(frozen=True)
class Rocket:
    """A launcher of somebody's."""

    pad: str
    stages: int = 2

    def launcher(self, site):
        return None


def test_without_a_word_runs_are_trained_here():
    assert made(HERE) == {"local": Local()}


def test_a_plugins_launcher_gets_its_options_by_type(monkeypatch):
    rocket = component("launchers", Rocket, None, "rockets", None, {})
    monkeypatch.setattr("trainer.service.launchers._found", lambda plugins, name: rocket)
    for text, wanted in (
        ("rocket=39A", Rocket("39A")),
        ("rocket={pad: 39A, stages: 3}", Rocket("39A", 3)),
    ):
        assert made(Settings(Path(), launchers=(text,))) == {"rocket": wanted}
    for text, says in (
        ("rocket", "--launcher rocket needs pad: --launcher rocket=…"),
        ("rocket={stages: 3}", "needs pad"),
        ("rocket={pad: x, stages: three}", "stages is a whole number, found 'three'"),
        ("rocket={pad: x, stage: 3}", "has no option 'stage'; did you mean 'stages'?"),
        ("rocket={pad", "the value cannot be read"),
    ):
        with pytest.raises(UsageError) as caught:
            made(Settings(Path(), launchers=(text,)))
        assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("locl", "--launcher locl: unknown launcher 'locl'; did you mean 'local'?"),
     ("local=3", "--launcher local takes no options, found 3")],
)  # fmt: skip
def test_what_is_no_launcher_is_told_before_anything_is_served(text, says):
    with pytest.raises(UsageError) as caught:
        made(Settings(Path(), launchers=(text,)))
    assert str(caught.value) == says


def test_a_command_is_given_as_it_is_said():
    site = Site(replace(HERE, url="https://train.example.org"), *[None] * 3)
    with pytest.raises(UsageError) as caught:
        made(replace(HERE, launchers=("command=' '",)))["command"].launcher(site)
    said = advised(caught.value, "--launcher command needs one: --launcher 'command=ssh worker trainer attempt'")
    option, given = shlex.split(said.rpartition(": ")[2])
    assert option == "--launcher"
    assert made(replace(HERE, launchers=(given,)))["command"].launcher(site).threads == 1


def test_a_launcher_is_a_frozen_dataclass_that_makes_one():
    with pytest.raises(PluginError, match=r"lacks the method launcher; a launcher is a frozen dataclass with launcher"):
        component("launchers", dataclass(frozen=True)(type("Still", (), {})), None, "x", None, {})


def test_who_asks_for_launchers_imports_no_array():
    code = (
        "import sys; from pathlib import Path; from trainer.service.launchers import made; "
        "from trainer.service.settings import Settings; made(Settings(Path('.'))); "
        "print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'trainer_ops', 'trainer_datasets')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_run_may_say_what_is_to_train_it(served):
    run = served.post(SMALL, "?again=1&launcher=local").json
    assert run["launcher"] == "local"
    assert served.until(run["id"], "finished")["launcher"] == "local"
    assert served.post(SMALL, "?again=1").json["launcher"] is None  # whichever can
    assert served.until(served.submit(), "finished")["launcher"] == "local"
    refused = served.post(SMALL, "?again=1&launcher=locl")
    assert refused.status == 422
    assert refused.json["errors"][0]["message"] == "launcher: this service has no 'locl'; did you mean 'local'?"
    assert served.post(SMALL, "?again=1&launcher=no%20name").status == 422
    (told,) = served.ask("GET", "/v1/launchers").json["data"]
    assert (told["name"], told["trouble"], told["outlives"]) == ("local", None, False)
    assert told["threads"] >= 1


def test_names_that_an_admin_allows_are_names_of_something(serve, tmp_path):
    command = [sys.executable, "-m", "trainer", "serve", "--root", str(tmp_path / "root"), "--port", "0"]
    done = subprocess.run([*command, "--allow-plugin", "trainer_opps"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "error: --allow-plugin trainer_opps: no installed plugin has that name; did you mean 'trainer_ops'?\n"
    )
    assert not (tmp_path / "root").exists()
    other = serve("--allow-dataset", "moon", "--allow-dataset", "openml")  # of a plugin's, only children know
    other.until(other.submit(), "finished")
    assert [line.partition("--allow")[2] for line in other.root.with_suffix(".log").read_text().splitlines()] == [
        "-dataset moon: no data set has that name; did you mean 'moons'?"
    ]
