"""The worker that checks configs: what is wrong with each, or how large the run is.

Everything is built as `trainer validate` does it, under limits of memory and time, and thrown away. What a config's
structure comes to is remembered, so that the many that differ in a step size or a seed cost the reading alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, BinaryIO

from trainer.config.editor_schema import json_schema
from trainer.config.loader import LoadedConfig, load
from trainer.errors import ConfigError, TrainerError
from trainer.experiment.execution import named_config
from trainer.experiment.size import Size, size_of
from trainer.experiment.size import check as within
from trainer.limits import expected
from trainer.plugins.manager import shared
from trainer.plugins.registry import Parameter
from trainer.service.attempt import policy_of
from trainer.service.forkserver import lines

__all__ = ["main"]

REMEMBERED = 256  # structures
# What changes neither whether the parts fit together nor how large they are; numbers alone, for names have parts.
_FREE = ("name", "seed", "step_size", "epochs")
_sizes: OrderedDict[str, tuple[Size, int]] = OrderedDict()


def main(file: BinaryIO, work: Mapping[str, Any]) -> int:
    """Answer until the server closes the channel."""
    return lines(file, check)


def check(request: Mapping[str, Any]) -> dict[str, Any]:
    """`{name, config, overrides, policy, limits}` to what the run is, or to `{problems}`; `{ask}` to a description."""
    if "ask" in request:
        return {"told": _told(request["ask"])}
    try:
        loaded = load(
            f"{request['name']}.yaml", request["overrides"], shared(), text=request["config"],
            policy=policy_of(request["policy"]),
        )  # fmt: skip
        resolved = named_config(loaded, loaded.config.name or request["name"])
        size = _size(loaded, resolved, request["limits"])
        within(size.plain(), request["limits"])
    except ConfigError as error:
        return {
            "problems": [_problem(each._asdict()) for each in error.problems] or [_problem({"message": str(error)})]
        }
    except TrainerError as error:
        return {"problems": [_problem({"message": str(error)})]}
    except MemoryError:
        return {"problems": [_problem({"message": "there is not enough memory to build this even once"})]}
    text = json.dumps(resolved, sort_keys=True, default=str)
    return {
        "name": resolved["name"],
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "size": size.plain(),
        "epochs": loaded.config.epochs,
        "resolved": json.loads(text),
    }


def _told(what: str) -> Any:
    """The schema of a config, the plugins, or what there is of a kind to choose from."""
    if what == "schema":
        return json_schema(shared())
    if what == "plugins":
        return [
            {"name": each.name, "package": each.package, "registered": each.registered, "problems": each.problems}
            for each in shared().summaries()
        ]
    return [
        {
            "name": name, "summary": each.summary, "plugin": each.plugin, "package": each.package,
            "parameters": [_parameter(parameter) for parameter in each.parameters],
        }
        for name, each in sorted(shared().all(what).items())
    ]  # fmt: skip


def _parameter(parameter: Parameter) -> dict[str, Any]:
    default = {} if parameter.required else {"default": repr(parameter.default)}
    return {
        "name": parameter.name, "required": parameter.required, "takes": expected(parameter.annotation), **default,
    }  # fmt: skip


def _size(loaded: LoadedConfig, resolved: Mapping[str, Any], limits: Mapping[str, int]) -> Size:
    """Of a structure that was built before, what it came to then, for as many epochs as there are now."""
    config = loaded.config
    structure = {key: value for key, value in resolved.items() if key not in _FREE}
    if not isinstance(config.step_size, int | float) or config.accumulate > 1 or config.start_from is not None:
        return size_of(loaded, limits)
    key = json.dumps(structure, sort_keys=True, default=str)
    known = _sizes.get(key)
    if known is None:
        size = size_of(loaded, limits)
        known = _sizes[key] = size, size.steps // config.epochs
        if len(_sizes) > REMEMBERED:
            _sizes.popitem(last=False)
    size, steps = known
    return Size(size.parameters, size.bytes, steps * config.epochs, size.rows, size.disk)


def _problem(given: Mapping[str, Any]) -> dict[str, Any]:
    """A problem as it is told; what it points at is found in the words that it begins with."""
    text = re.sub(r"^[^\s:]+\.yaml:(\d+:\d+:)?\s*", "", given["message"])
    return {"message": text, **{key: given.get(key) for key in ("line", "column", "excerpt", "source")}}
