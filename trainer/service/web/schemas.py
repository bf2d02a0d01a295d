"""What requests may hold and answers hold, as JSON schemas; the handlers look at the same patterns and limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainer.service import quotas
from trainer.service.ids import ID
from trainer.service.service import NAME
from trainer.service.states import State
from trainer.service.tokens import SCOPES

__all__ = [
    "BEGIN", "CONFIGS", "DIGEST", "ETAG", "EVENT", "FILE_NAME", "KEY", "LAUNCHER", "MANIFEST", "MOST_DAYS",
    "MOST_FILE_NAME", "MOST_NAME", "MOST_NOTE", "MOST_OVERRIDES", "MOST_TAGS", "MOST_TEXT", "OVERRIDES", "PATHS",
    "QUOTA", "REPORTED", "SCHEMAS", "SETTINGS", "STATE", "SUFFIXES", "SWITCH", "TEXT", "TEXTS", "TOKEN", "USER",
    "YAML_TYPES", "pattern", "reference", "whole",
]  # fmt: skip

YAML_TYPES = ("application/yaml", "text/yaml", "application/x-yaml", "text/plain")
MOST_OVERRIDES, MOST_TAGS, MOST_TEXT, MOST_NOTE = 100, 20, 2000, 10_000
MOST_DAYS = 3650  # that a token is good for
USER = r"[a-z][a-z0-9_.-]{0,39}"
SUFFIXES = (".csv", ".npz", ".npy", ".txt")
FILE_NAME = r"[\w][\w .+-]*\.([cC][sS][vV]|[nN][pP][zZyY]|[tT][xX][tT])"
MOST_FILE_NAME = 120
ETAG = r'\*|"[0-9]{1,18}"|[0-9]{1,18}'
LAUNCHER = r"[A-Za-z_][A-Za-z0-9_-]{0,79}"
DIGEST = r"[0-9a-f]{64}"
MOST_NAME = 200
KEY = r"[!-~]{1,200}"
EVENT = r"[0-9]{1,18}"


def pattern(text: str, *, empty: bool = False) -> dict[str, Any]:
    """A text that is all as a pattern has it; or empty, which is as if it were not there."""
    return {"type": "string", "pattern": f"^({text}){'?' if empty else ''}$"}


def whole(default: int, least: int, most: int) -> dict[str, Any]:
    """A whole number of a query, and what it is where it is not said."""
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def reference(name: str) -> dict[str, Any]:
    """One of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: dict[str, Any] = {"type": "string"}
SWITCH: dict[str, Any] = {"enum": ["true", "false", "1", "0", ""]}
STATE: dict[str, Any] = {"enum": [*State, ""]}
WHOLE = {"type": "integer"}
TEXTS = {"type": "array", "items": TEXT}
MAYBE = {"type": ["string", "null"]}
COUNTS = {"type": "object", "additionalProperties": WHOLE}
OVERRIDES = {"type": "array", "items": {**TEXT, "maxLength": MOST_TEXT}, "maxItems": MOST_OVERRIDES}
# Parts of paths, of those that are more than any text.
PATHS: Mapping[str, dict[str, Any]] = {"id": pattern(ID.pattern), "user": pattern(USER), "sha256": pattern(DIGEST)}
# What a person says of a run.
SETTINGS: dict[str, Any] = {
    "name": pattern(NAME.pattern), "tags": {**OVERRIDES, "maxItems": MOST_TAGS},
    "note": {**TEXT, "maxLength": MOST_NOTE},
}  # fmt: skip
QUOTA: dict[str, Any] = {
    "type": "object", "additionalProperties": False,
    "properties": {
        name: {"type": ["integer", "null"], "minimum": 0, "maximum": quotas.MOST} for name in quotas.NAMES
    },
}  # fmt: skip
TOKEN: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["user"],
    "properties": {
        "user": pattern(USER), "scopes": {"type": "array", "minItems": 1, "items": {"enum": list(SCOPES)}},
        "days": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_DAYS},
    },
}  # fmt: skip
# What the process of an attempt elsewhere says.
NUMBER = {"type": ["number", "null"]}
BEGIN: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["instance", "version"],
    "properties": {"instance": {**TEXT, "minLength": 1, "maxLength": MOST_NAME}, "version": TEXT},
}  # fmt: skip
REPORTED: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["number", "first", "messages", "records", "exit"],
    "properties": {
        "number": WHOLE, "first": WHOLE,
        "messages": {"type": "array", "items": {"type": "object", "required": ["kind"]}},
        "records": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["at", "text"], "properties": {"at": WHOLE, "text": TEXT}}},
        "exit": {"type": ["object", "null"], "required": ["code", "asked", "cpu_seconds", "peak_bytes"], "properties": {
            "code": WHOLE, "asked": {"type": "boolean"}, "cpu_seconds": NUMBER, "peak_bytes": WHOLE}},
    },
}  # fmt: skip
MANIFEST: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["files"],
    "properties": {"files": {"type": "array", "items": {
        "type": "object", "additionalProperties": False, "required": ["name", "sha256"],
        "properties": {"name": TEXT, "sha256": pattern(DIGEST)}}}},
}  # fmt: skip
EXAMPLE = {
    "dataset": {"name": "moons", "rows": 60}, "network": [{"dense": 4}, "tanh", {"dense": 2}],
    "cost": "softmax_cross_entropy", "step_size": 0.1, "batch_size": 20, "epochs": 3,
}  # fmt: skip
# Bodies that are a config: a mapping, or the same with what else is said of a run.
CONFIGS: dict[str, dict[str, Any]] = {
    **{media: {"type": "object", "examples": [EXAMPLE]} for media in YAML_TYPES},
    "text/plain": {"type": "string", "examples": [json.dumps(EXAMPLE)]},
    "application/json": reference("Submission"),
}
SCHEMAS: dict[str, Any] = {
    "Run": {
        "type": "object",
        "required": ["object", "id", "name", "owner", "state", "reason", "progress", "version"],
        "properties": {
            "object": {"const": "run"}, "id": TEXT, "name": TEXT, "owner": TEXT, "state": {"enum": [*State]},
            "reason": TEXT, "wish": MAYBE, "place": {"type": ["integer", "null"]}, "attempt": WHOLE, "launcher": MAYBE,
            "tags": TEXTS, "note": TEXT, "overrides": TEXTS, "sha256": TEXT, "size": COUNTS, "progress": COUNTS,
            "loss": {"type": ["number", "null"]}, "created_at": TEXT, "started_at": MAYBE, "ended_at": MAYBE,
            "version": WHOLE, "trace": MAYBE,
        },
    },
    "RunList": {
        "type": "object",
        "required": ["object", "data", "has_more", "last_id"],
        "properties": {
            "object": {"const": "list"}, "data": {"type": "array", "items": reference("Run")},
            "has_more": {"type": "boolean"}, "last_id": MAYBE,
        },
    },
    "Submission": {
        "type": "object", "required": ["config"], "additionalProperties": False,
        "properties": {
            "config": {"type": ["string", "object"]}, "overrides": OVERRIDES, "again": {"type": "boolean"},
            "launcher": pattern(LAUNCHER), **SETTINGS,
        },
        "examples": [{"config": EXAMPLE, "name": "first", "again": True}],
    },
    "Rows": {
        "type": "object", "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": {"type": ["object", "array"]}}},
    },
    "Tensors": {
        "type": "object", "required": ["inputs"],
        "properties": {
            "id": TEXT, "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
            "inputs": {"type": "array", "items": {
                "type": "object", "required": ["name", "shape", "datatype", "data"],
                "properties": {"name": TEXT, "shape": {"type": "array", "items": WHOLE}, "datatype": TEXT,
                               "data": {"type": "array"}}}},
        },
    },
    "Problem": {
        "type": "object", "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT,
            "errors": {"type": "array", "items": {"type": "object", "required": ["message"], "properties": {
                "message": TEXT, "line": {"type": ["integer", "null"]}, "column": {"type": ["integer", "null"]},
                "excerpt": MAYBE, "source": MAYBE}}},
        },
    },
}  # fmt: skip
