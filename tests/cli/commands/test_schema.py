"""`trainer schema`: the JSON schema of configs."""

import json
from collections.abc import Callable
from typing import Any


def test_schema_is_json_with_every_layer_in_it(trainer: Callable[..., Any]) -> None:
    done = trainer("schema")
    assert (done.code, done.err) == (0, "")
    schema = json.loads(done.out)
    assert "network" in schema["properties"]
    assert "dense" in done.out
    assert "tanh" in done.out
