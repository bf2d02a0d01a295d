"""Each bad config gets exactly the message in bad_configs.txt, and no other kind of exception."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.hints import advised, followed
from trainer.config import load
from trainer.errors import ConfigError
from trainer.plugins import PluginProblem, Plugins

HERE = Path(__file__).parent


def cases():
    text = HERE.joinpath("bad_configs.txt").read_text(encoding="utf-8")
    for case in text.split("\n=== ")[1:]:
        title, _, rest = case.partition("\n")
        config, _, message = rest.partition(">>>\n")
        overrides = re.findall(r"^\$ (.*)\n", config, re.MULTILINE)
        yield pytest.param(re.sub(r"^\$ .*\n", "", config, flags=re.MULTILINE), overrides, message.strip(), id=title)


CASES = list(cases())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a broken plugin, an empty one, a data file and a folder."""
    folder = tmp_path_factory.mktemp("configs")
    folder.joinpath("broken.py").write_text("import math\n\n1 / 0\n")
    folder.joinpath("swish.py").write_text("")
    folder.joinpath("flowers.csv").write_text("a,b\n1,2\n")
    folder.joinpath("pictures").mkdir()
    return folder


@pytest.fixture
def failure(folder, monkeypatch):
    """The message for a config, which is text or bytes."""

    def failure(config: str | bytes, *overrides: str) -> str:
        folder.joinpath("bad.yaml").write_bytes(config if isinstance(config, bytes) else config.encode())
        plugins = Plugins([str(HERE / "stand_ins.py")], entry_points=False)
        with pytest.raises(ConfigError) as caught:
            load("bad.yaml", overrides, plugins)
        assert caught.value.exit_code == 2
        return str(caught.value).replace(str(folder.resolve()), "FOLDER")

    monkeypatch.chdir(folder)
    return failure


def test_there_are_many():
    assert len(CASES) >= 60
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("config", "overrides", "message"), CASES)
def test_a_bad_config_gets_its_message(config, overrides, message, failure):
    assert failure(config, *overrides) == message


def test_what_a_message_says_to_write_mends_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    plugins = Plugins([str(HERE / "stand_ins.py")], entry_points=False)
    hints = 0
    for config, overrides, message in (case.values for case in CASES):
        mended = [(said, text, overrides) for said, text in followed(config, message)]
        for i, override in enumerate(overrides):
            others = (overrides[:i], overrides[i + 1 :])
            found = followed(override, message, argument=True)
            mended += [(said, config, [*others[0], text, *others[1]]) for said, text in found]
        for said, text, arguments in mended:
            hints += 1
            folder.joinpath("bad.yaml").write_text(text)
            still = ""
            try:
                load("bad.yaml", arguments, plugins)
            except ConfigError as error:
                still = str(error).replace(str(folder.resolve()), "FOLDER")
            assert said.partition(";")[0] not in still, text
    assert hints >= 85


GOOD = "dataset: iris\nnetwork: [dense: 3]\ncost: huber\nstep_size: 0.1\n"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")])
def test_51_levels_are_one_too_many(opening, closing, failure):
    message = failure(opening * 51 + "0" + closing * 51)
    assert message.startswith("bad.yaml:1:")
    assert "nested more than 50 deep; a config needs 5\n" in message
    assert len(message) < 400


def test_an_alias_past_the_last_value_is_refused(failure):
    text = f"a: &a [{', '.join(['x'] * 99)}]\nb: [{', '.join(['*a'] * 101)}]"
    assert "this alias makes more than 10,000 values; a config needs a few dozen\n" in failure(text)


def test_too_long_a_text_is_refused(failure):
    assert failure(GOOD + "#" * 70_000) == (
        f"bad.yaml: has {len(GOOD) + 70_000:,} characters; a config has at most 65,536"
    )
    assert "this makes more than 10,000 values" in failure("network: [" + "0," * 10_001 + "]")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            GOOD.encode("utf-16"),
            "bad.yaml:1: byte 0xFF is not UTF-8 text; it seems to be UTF-16; save the file as UTF-8",
        ),
        (GOOD.encode() + b"# caf\xe9\n", "bad.yaml:5: byte 0xE9 is not UTF-8 text; save the file as UTF-8"),
        (
            GOOD.encode() + b"name: a\x07b\n",
            "bad.yaml:5:8: the character U+0007 cannot stand in a config; is this a text file?",
        ),
        (b"", "bad.yaml: the config is empty; the least that runs is"),
    ],
)
def test_what_is_no_text_is_refused(data, message, failure):
    assert failure(data).startswith(message)


def test_a_tab_is_named(failure):
    assert failure("dataset:\n\tname: iris\n") == (
        "bad.yaml:2:1: a tab; YAML is indented with spaces\n  2 |  name: iris\n      ^"
    )


def test_what_cannot_be_seen_is_shown(failure):
    assert failure(GOOD + "seed: 1\u200b\n").startswith(
        "bad.yaml:5:7: seed expects a whole number of at least 0, found the text '1\\u200b'\n"
    )


def test_of_a_long_line_the_part_around_the_mistake_is_shown(failure):
    network = ", ".join(["relu"] * 100 + ["rellu"] + ["relu"] * 100)
    message = failure(f"dataset: iris\nnetwork: [{network}]\ncost: huber\nstep_size: 0.1\n")
    place, line, caret = message.splitlines()
    assert place == "bad.yaml:2:611: unknown name 'rellu' in network; did you mean 'relu'?"
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("rellu,")


def test_a_config_that_does_not_exist_is_reported_with_the_nearest(folder, monkeypatch):
    monkeypatch.chdir(folder)
    folder.joinpath("mlp.yaml").write_text(GOOD)
    for path, message in [
        ("mpl.yaml", "there is no file 'mpl.yaml'; did you mean 'mlp.yaml'?"),
        ("nowhere/mlp.yaml", "there is no file 'nowhere/mlp.yaml'"),
        (".", "'.' is a folder; name a config in it, such as 'bad.yaml'"),
        ("pictures", "'pictures' is a folder; name a config; there is none in it"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value) == message


def test_the_config_of_a_folder_that_is_named_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine", "second.yml").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        load("mine")
    advised(caught.value, "name a config in it, such as 'mine/second.yml'")
    load("mine/second.yml")


def test_an_unknown_name_says_which_installed_plugins_did_not_load(folder, monkeypatch):
    monkeypatch.chdir(folder)
    folder.joinpath("bad.yaml").write_text(GOOD.replace("huber", "hinge"))
    plugins = Plugins([str(HERE / "stand_ins.py")], entry_points=False)
    plugins.problems.append(PluginProblem("hinges", "plugin 'hinges' failed to import: ImportError: no"))
    with pytest.raises(ConfigError) as caught:
        load("bad.yaml", plugins=plugins)
    assert str(caught.value) == (
        "bad.yaml:3:7: unknown name 'hinge' in cost; there are: huber, softmax_cross_entropy\n"
        "  (not loaded: plugin 'hinges' failed to import: ImportError: no)\n"
        "  3 | cost: hinge\n"
        "            ^~~~~"
    )


def test_a_plugin_of_the_command_line_that_fails_is_reported_with_the_rest(folder, monkeypatch):
    monkeypatch.chdir(folder)
    folder.joinpath("bad.yaml").write_text(GOOD + "epochs: 0\n")
    with pytest.raises(ConfigError) as caught:
        load("bad.yaml", plugins=["nowhere.py"])
    assert str(caught.value).replace(str(folder.resolve()), "FOLDER") == (
        "bad.yaml:5:9: epochs expects a whole number of at least 1, found 0\n"
        "  5 | epochs: 0\n"
        "              ^\n"
        "\n"
        "--plugin: plugin file 'nowhere.py' does not exist in FOLDER"
    )
