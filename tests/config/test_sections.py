"""The sections of a config: each is known in one place, its field, and whatever reads configs knows it from there."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import core_schema

import trainer
from tests.hints import advised
from trainer.config import load
from trainer.config.schema import SECTIONS, Config
from trainer.config.sections import SectionModel, place
from trainer.config.values import adapter
from trainer.errors import ConfigError
from trainer.plugins import Plugins
from trainer.plugins.registry import KINDS

PACKAGE = Path(trainer.__file__).parent
LISTS = [row for row in SECTIONS.values() if row.form == "choices"]
MODELS = [row for row in SECTIONS.values() if row.form in ("mapping", "mappings")]
LEAST = {"dataset": "iris", "network": "[dense: 3]", "cost": "softmax_cross_entropy", "step_size": "0.1"}


def complaint(folder: Path, **sections: str) -> str:
    """What is said of a config with these sections, each given as YAML."""
    path = folder / "a.yaml"
    path.write_text("".join(f"{key}: {text}\n" for key, text in (LEAST | sections).items()))
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row.key)
def test_two_names_in_one_entry_of_any_list_are_told_to_begin_lines_of_their_own(row, tmp_path):
    names = Plugins().names(row.kinds[0])
    first, second = (names * 2)[:2] if len(names) > 1 else ("one", "two")
    text = f"[{{{first}: , {second}: }}]"
    sections = {row.key: text} if len(row.path) == 1 else {row.path[0]: f"{{name: iris, {row.key}: {text}}}"}
    message = complaint(tmp_path, **sections)
    assert f"one entry names one {row.noun}, found '{first}' and '{second}'; begin each with '- ' on" in message


@pytest.mark.parametrize(
    ("key", "section"),
    [("patience", "stop"), ("norm", "clip"), ("l2", "penalty"), ("dtype", "compute"), ("folds", "dataset")],
)
def test_a_key_of_a_section_that_is_written_at_the_top_is_sent_there(key, section, tmp_path):
    there = "name: iris, " if section == "dataset" else ""
    assert f"'{key}' belongs to {section}; write {section}: {{{there}{key}: 1}}\n" in complaint(tmp_path, **{key: "1"})


@pytest.mark.parametrize(
    ("section", "key", "name"),
    [("stop", "max_epochs", "epochs"), ("evaluate", "batch_size", "batch_size"), ("dataset", "seed", "seed")],
)
def test_a_key_that_stands_by_itself_and_is_written_in_a_section_is_sent_out_of_it(section, key, name, tmp_path):
    inside = "name: iris, " if section == "dataset" else ""
    wrong = complaint(tmp_path, **{section: f"{{{inside}{key}: 7}}"})
    assert advised(wrong, f"it belongs to no section: begin a line with '{name}: 7'")
    (tmp_path / "b.yaml").write_text("".join(f"{each}: {text}\n" for each, text in LEAST.items()) + f"{name}: 7")
    assert getattr(load(tmp_path / "b.yaml").config, name) == 7
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "b.yaml", [f"{section}.{key}=8"])
    assert advised(caught.value, f"it belongs to no section: write {name}=8")
    assert getattr(load(tmp_path / "b.yaml", [f"{name}=8"]).config, name) == 8


@pytest.mark.parametrize("row", MODELS, ids=lambda row: row.key)
def test_a_section_with_keys_that_is_given_a_number_is_shown_right(row, tmp_path):
    assert f"{row.key} expects a mapping, found 5; for example {row.right}" in complaint(tmp_path, **{row.key: "5"})


@pytest.mark.parametrize("row", [row for row in SECTIONS.values() if row.example], ids=lambda row: row.key)
def test_every_example_is_right(row, tmp_path):
    path = tmp_path / "a.yaml"
    sections = LEAST | {row.key: row.example}
    if row.form == "named choices":
        sections["network"] = "[tower, dense: 3]"
    path.write_text("".join(f"{key}: {text}\n" for key, text in sections.items()))
    value = getattr(load(path).config, row.key)
    assert value != Config.model_fields[row.key].get_default(call_default_factory=True)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("ops", "readers", "executors", "launchers", "commands")]
)
def test_every_kind_of_component_has_a_place_in_a_config(kind):
    assert "it" in place(SECTIONS, kind, "it")


A_FILE = '''
from typing import Annotated

from pydantic import Field

from trainer.config.sections import SectionModel


class PruningConfig(SectionModel):
    """How often what a run has learnt is kept."""

    apart: Annotated[int, Field(ge=1)] | None = Field(None, description="Epochs from one to the next.")
    folder: str | None = Field(None, description="Where.")

    def problem(self):
        return "" if self.apart else "pruning says nothing"
'''
A_LINE = '    pruning: Annotated[PruningConfig | None, Section("{apart: 5}", short="folder")] = None\n'
ASKED = """
import sys, json
from trainer.config import json_schema, load
from trainer.config.schema import SECTIONS
from trainer.errors import ConfigError

assert load("a.yaml", ["pruning={apart: 3}"]).config.pruning.apart == 3
assert load("a.yaml", ["pruning.apart=2"]).config.pruning.apart == 2
assert load("a.yaml", ["pruning=here", "pruning.apart=2"]).config.pruning.folder == "here"
assert load("a.yaml", ["pruning.apart=2"]).resolved()["pruning"] == {"apart": 2}
assert "pruning" not in load("a.yaml").resolved()
for override in (["apart=2"], ["pruning=2"], ["pruning={}"], ["pruning.aprt=2"], ["pruning.apart=0"]):
    try:
        load("a.yaml", override)
    except ConfigError as error:
        print(str(error).partition("\\n")[0])
schema = json_schema()
assert {"type": "string"} in schema["properties"]["pruning"]["anyOf"]
assert "apart" in schema["$defs"]["PruningConfig"]["properties"]
"""


def test_a_new_section_is_one_file_and_one_line(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "trainer", ignore=shutil.ignore_patterns("__pycache__"))
    config = tmp_path / "trainer/config"
    config.joinpath("pruning.py").write_text(A_FILE)
    schema = config / "schema.py"
    text = schema.read_text(encoding="utf-8")
    anchor = "    compute: Annotated[Compute"
    imported = "from trainer.config.sections import"
    text = text.replace(imported, f"from trainer.config.pruning import PruningConfig\n{imported}", 1)
    text = text.replace(anchor, A_LINE + anchor)
    schema.write_text(text, encoding="utf-8")
    tmp_path.joinpath("a.yaml").write_text("".join(f"{key}: {value}\n" for key, value in LEAST.items()))
    ran = subprocess.run([sys.executable, "-c", ASKED], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "command line: 'apart' belongs to pruning; write pruning.apart=...",
        "command line: pruning expects a mapping, found 2; for example pruning: {apart: 5}",
        "command line: pruning says nothing; for example pruning: {apart: 5}",
        "command line: unknown option 'aprt' of pruning; did you mean 'apart'?",
        "command line: pruning.apart expects a whole number of at least 1, found 0",
    ]


class Late(int):
    """While pydantic looks at it somebody presses Ctrl-C."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return core_schema.int_schema()


class Interrupted(SectionModel):
    late: Late


@pytest.fixture
def hears_ctrl_c():
    """A process that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_ctrl_c_while_a_section_is_built_is_one():
    """pydantic makes a SchemaError of it, where it comes by then."""
    for _ in range(2):  # what it came in was built whole
        with pytest.raises(KeyboardInterrupt):
            Interrupted.model_rebuild(force=True)
    with pytest.raises(KeyboardInterrupt):
        adapter(Late)
