from __future__ import annotations

import json
from pathlib import Path

from trainer.config import json_schema
from trainer.config.choices import SECTIONS
from trainer.plugins import Plugins

SCHEMA = json_schema(Plugins([str(Path(__file__).with_name("stand_ins.py"))], entry_points=False))


def test_it_is_json_and_every_reference_resolves():
    text = json.dumps(SCHEMA)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert references <= set(SCHEMA["$defs"])
    assert {kinds[0] for kinds in SECTIONS.values()} <= references
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
    assert names == {"enum": ["iris", "moons"]}
    assert {"name", "path", "test_fraction", "rows", "noise", "target", "task", "delimiter"} <= set(
        mapping["properties"]
    )
    assert "rng" not in mapping["properties"]


def test_a_kind_without_components_admits_nothing():
    assert json_schema(Plugins(entry_points=False))["$defs"]["costs"] == {"title": "cost", "not": {}}
