"""Each network, cost or data file that does not fit gets exactly its message, before any work starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.hints import followed, obeyed, relaid, ways
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build

HERE = Path(__file__).parent


def cases():
    for case in HERE.joinpath("misfits.txt").read_text(encoding="utf-8").split("\n=== ")[1:]:
        title, _, rest = case.partition("\n")
        given, _, message = rest.partition(">>>\n")
        config, *files = re.split(r"^--- ", given, flags=re.MULTILINE)
        beside = dict(file.split("\n", 1) for file in files)
        yield pytest.param(config, beside, message.strip(), id=title)


CASES = list(cases())
RELAID = [case for case in CASES if any(relaid(yaml.safe_load(case.values[0]), case.values[2].splitlines()[0]))]
TOLD = [case for case in CASES if any(ways(case.values[2]))]


def test_titles_differ():
    assert len({case.id for case in CASES}) == len(CASES)


def test_what_a_message_says_to_write_mends_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hints = 0
    for config, beside, message in (case.values for case in CASES):
        for said, text in followed(config, message):
            hints += 1
            for name, content in {"c.yaml": text, **beside}.items():
                (tmp_path / name).write_text(content, encoding="utf-8")
            still = ""
            try:
                build(load("c.yaml"))
            except ConfigError as error:
                still = str(error).replace(str(tmp_path.resolve()), "FOLDER")
            assert said.partition(";")[0] not in still, text
    assert hints >= 8


@pytest.mark.parametrize(("config", "beside", "message"), TOLD)
def test_what_a_message_says_to_set_mends_it(config, beside, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in beside.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for way in ways(message):
        build(load(obeyed(yaml.safe_load(config), way)))


@pytest.mark.parametrize(("config", "beside", "message"), RELAID)
def test_layers_as_a_message_says_fit(config, beside, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in beside.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for new in relaid(yaml.safe_load(config), message.splitlines()[0]):
        build(load(new))


@pytest.mark.parametrize(("config", "beside", "message"), CASES)
def test_a_misfit_gets_its_message(config, beside, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"c.yaml": config, **beside}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml"))
    assert str(caught.value).replace(str(tmp_path.resolve()), "FOLDER") == message
