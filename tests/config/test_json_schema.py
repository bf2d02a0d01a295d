from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from trainer.config import json_schema
from trainer.config.schema import SECTIONS
from trainer.plugins import Plugins

SCHEMA = json_schema(Plugins([str(Path(__file__).with_name("stand_ins.py"))], entry_points=False))


def test_it_is_json_and_every_reference_resolves():
    text = json.dumps(SCHEMA)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert references <= set(SCHEMA["$defs"])
    assert {row.kinds[0] for row in SECTIONS.values() if row.kinds} <= references
    assert SCHEMA["additionalProperties"] is False


def test_a_component_is_offered_in_its_spellings():
    assert {"const": "relu", "description": "max(x, 0)."} in SCHEMA["$defs"]["layers"]["anyOf"]
    layers = SCHEMA["$defs"]["layers"]["anyOf"]
    (dense,) = [spelling for spelling in layers if spelling.get("required") == ["dense"]]
    units = {"minimum": 1, "type": "integer"}
    assert dense["properties"]["dense"]["anyOf"][0] == units
    assert dense["properties"]["dense"]["anyOf"][1] == {
        "type": "object",
        "properties": {
            "units": units,
            "bias": {"type": "boolean", "default": True},
            "initial": {"enum": ["glorot", "he"], "type": "string", "default": "glorot"},
        },
        "additionalProperties": False,
        "required": ["units"],
    }
    *layers, named = layers
    assert named["description"] == "A sub-network of `networks:`."
    offered = {spelling.get("const") or spelling["required"][0] for spelling in layers}
    assert offered == {
        "conv2d",
        "dense",
        "power",
        "relu",
        "swish",
    }  # no op of two arrays, and no name alone that needs more
    assert {"const": "dense"} not in layers


def test_a_data_set_has_the_options_of_all_and_of_files():
    names, _, mapping = SCHEMA["$defs"]["datasets"]["anyOf"]
    assert names == {"enum": ["iris", "moons", "numbered"]}
    assert {"name", "path", "test_fraction", "rows", "noise", "target", "task", "delimiter"} <= set(
        mapping["properties"]
    )
    assert "rng" not in mapping["properties"]


def test_a_kind_without_components_admits_nothing():
    assert json_schema(Plugins(entry_points=False))["$defs"]["costs"] == {"title": "cost", "not": {}}


ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "configs").glob("*.yaml"))}
EXAMPLES |= {
    f"README {i}": block
    for i, block in enumerate(
        re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    )
}
EXAMPLES["short spellings"] = """
dataset: iris
network: [{residual: [dense: 4]}, {parallel: [[relu], tanh]}, dense: 3]
cost: softmax_cross_entropy
step_size: 1e-3
penalty: {l2: 1e-4}
start_from: runs/one
stop: {patience: 3}
"""
EXAMPLES["long spellings"] = """
dataset: {name: iris, preprocess: [standard_scaler, {pca: 2}]}
networks: {tower: [dense: 3]}
network: [tower]
cost: {several: [{cost: huber, outputs: 1}, {cost: {softmax_cross_entropy: {smoothing: 0.1}}, outputs: 2}]}
step_size: {plateau: {start: 0.1}}
penalty: [{l2: 1e-4}, {l1: 1e-4, parameters: "*.bias"}]
start_from: {path: runs/one, parameters: ["0.*"]}
tie: {a: b.T}
"""


@pytest.fixture(scope="module")
def validator():
    """What an editor would run, for all that is installed."""
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_editor_finds_no_fault_in_what_loads(name, validator):
    config = yaml.safe_load(re.sub(r"\b(\d+)e-(\d+)", r"\1.0e-\2", EXAMPLES[name]))
    config.pop("plugins", None)
    problems = [e.json_path for e in validator.iter_errors(config)]
    of_plugins = any(mark in EXAMPLES[name] for mark in ("plugins:", "my_swish", "snake"))
    assert problems == [] or of_plugins


def test_an_editor_finds_the_mistake(validator):
    config = yaml.safe_load(EXAMPLES["mlp"])
    config["stop"] = {"patience": 0}
    assert [e.json_path for e in validator.iter_errors(config)] == ["$.stop"]


def test_an_editor_says_what_an_option_is(validator):
    of_files = validator.schema["$defs"]["datasets"]["anyOf"][2]["properties"]
    assert of_files["delimiter"]["description"] == (
        'the character between cells, or "tab". Default: that of , ; tab | which divides all rows alike.'
    )
    files = {
        "target",
        "categorical",
        "group",
        "weight",
        "ignore",
        "header",
        "size",
        "grey",
        "mapped",
        "missing",
        "length",
    }
    assert all(of_files[name]["description"] for name in files)
    (dense,) = [each for each in validator.schema["$defs"]["layers"]["anyOf"] if "dense" in each.get("properties", {})]
    _, options = dense["properties"]["dense"]["anyOf"]
    assert options["properties"]["units"]["description"] == "how many outputs."
