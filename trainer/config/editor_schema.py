"""The JSON schema of a config, for editors: completion and checks while a person types.

It is pydantic's schema of `Config`, with a definition for each kind of component that holds what is installed.
Put `# yaml-language-server: $schema=trainer.schema.json` on the first line of a config.
"""

from __future__ import annotations

import re
import typing
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema

from trainer.config.choices import is_layer, nesting
from trainer.config.help import help_of, option_help
from trainer.config.schema import DEFAULT_OPTIMIZER, SECTIONS, Config, DatasetConfig, plain_options
from trainer.config.values import adapter
from trainer.data.readers.registry import Formats
from trainer.plugins import Component, Parameter, Plugins, shared
from trainer.plugins.registry import noun
from trainer.plugins.traits import Traits

__all__ = ["json_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(plugins: Plugins | None = None) -> dict[str, Any]:
    """The schema, JSON Schema draft 2020-12, with every component of `plugins` (default: what is installed).

    >>> from trainer.plugins import Plugins
    >>> json_schema(Plugins(entry_points=False))["required"]
    ['dataset', 'network', 'cost', 'step_size']
    """
    plugins = plugins or shared()
    schema = {"$schema": DIALECT, **_linked(Config.model_json_schema())}
    schema["required"].remove("optimizer")  # a name until there are plugins to look it up in, so no model's default
    schema["properties"]["optimizer"]["default"] = DEFAULT_OPTIMIZER
    _add_short_spellings(schema["properties"])
    definitions = schema.setdefault("$defs", {})
    definitions["datasets"] = _dataset(plugins)
    definitions["Compute"]["properties"]["executor"]["enum"] = ["auto", "eager", *plugins.names("executors")]
    for kinds in dict.fromkeys(row.kinds for row in SECTIONS.values() if row.kinds and row.form != "source"):
        components: dict[str, Component] = {}
        for kind in reversed(kinds):  # the first kind wins
            components |= {n: c for n, c in plugins.all(kind).items() if kind != "ops" or is_layer(c)}
        definitions[kinds[0]] = _choice(kinds[0], components)
    # A schema cannot know the names that a config gives, so whatever could be one passes.
    named = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "description": "A sub-network of `networks:`."}
    definitions["layers"].setdefault("anyOf", []).append(named)
    return schema


def _add_short_spellings(properties: dict[str, Any]) -> None:
    """What the loader spreads before a model sees it: one mapping without a list, a text in place of a mapping."""
    for key, section in SECTIONS.items():
        if section.form == "mappings":
            several = {part: properties[key].pop(part) for part in ("type", "items")}
            properties[key]["anyOf"] = [several["items"], several]
        if section.short:
            properties[key]["anyOf"].append({"type": "string"})


def _linked(schema: object) -> Any:
    """The schema with a reference to the definition of a kind where `Kind` has left its mark."""
    if isinstance(schema, list):
        return [_linked(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    linked = {key: _linked(value) for key, value in schema.items() if key != "x-kind"}
    return {**linked, "$ref": f"#/$defs/{schema['x-kind']}"} if "x-kind" in schema else linked


def _choice(kind: str, components: dict[str, Component]) -> dict[str, Any]:
    """The three spellings of each component."""
    spellings: list[dict[str, Any]] = []
    for name, component in sorted(components.items()):
        summary = {"description": component.summary} if component.summary else {}
        if not any(parameter.required for parameter in component.parameters):
            spellings.append({"const": name, **summary})
        if component.parameters:
            options = _options(component)
            value = {"anyOf": [_parameter(component.parameters[0]), options]}
            spellings.append(
                {
                    "type": "object",
                    "properties": {name: value},
                    "required": [name],
                    "additionalProperties": False,
                    **summary,
                }
            )
    return {"title": noun(kind), "anyOf": spellings} if spellings else {"title": noun(kind), "not": {}}


def _options(component: Component) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {parameter.name: _parameter(parameter) for parameter in component.parameters},
        "additionalProperties": False,
    }
    for name, text in option_help(help_of(component), schema["properties"]).items():
        schema["properties"][name] = {**schema["properties"][name], "description": text}
    required = [parameter.name for parameter in component.parameters if parameter.required]
    defaults = plain_options(component, {})
    for name, default in defaults.items():
        if name not in required:
            schema["properties"][name] = {**schema["properties"][name], "default": default}
    return {**schema, "required": required} if required else schema


def _parameter(parameter: Parameter) -> dict[str, Any]:
    nested = nesting(parameter.annotation)
    if nested is not None and nested.of is not None:
        return {"type": "array", "items": _options(Component("parts", "part", nested.of, "trainer", None, Traits()))}
    if nested is not None:
        one = {"$ref": f"#/$defs/{SECTIONS[nested.section].kinds[0]}"}
        if typing.get_origin(typing.get_args(parameter.annotation)[0]) is not tuple:
            return one
        return {"type": "array", "items": {"anyOf": [one, {"type": "array", "items": one}]}}
    try:
        return adapter(parameter.annotation).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}


def _dataset(plugins: Plugins) -> dict[str, Any]:
    """A name, a file, or a mapping of one of them with the split's keys and the data set's own options."""
    components = plugins.all("datasets")
    schema = _linked(DatasetConfig.model_json_schema())
    properties = {key: value for key, value in schema["properties"].items() if key not in ("component", "options")}
    properties["name"] = {"enum": sorted(components), "description": properties["name"]["description"]}
    properties["path"] = {"type": "string", "description": properties["path"]["description"]}
    formats = Formats(plugins)
    files = [format.component for format in formats.values()]
    own: dict[str, list[dict[str, Any]]] = {}
    for parameter in (p for component in (*components.values(), *files) for p in component.parameters):
        schemas = own.setdefault(parameter.name, [])
        if (schema_of_one := _parameter(parameter)) not in schemas:
            schemas.append(schema_of_one)
    texts: dict[str, str] = {}
    for component in reversed(files):  # the words of the first count
        texts |= option_help(help_of(component), own)
    described = {name: {"description": texts[name]} if name in texts else {} for name in own}
    properties |= {n: {"anyOf": schemas, **described[n]} for n, schemas in own.items() if n not in properties}
    return {
        "title": "data set",
        "anyOf": [
            {"enum": sorted(components)},
            {"type": "string", "pattern": f"({'|'.join(map(re.escape, (*formats.endings, '/')))})$"},
            {"type": "object", "properties": properties, "additionalProperties": False},
        ],
    }
