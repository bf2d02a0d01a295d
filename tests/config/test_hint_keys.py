"""Keys of other libraries that this one has not: what is said of each is written in its place, and is right."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.cli import main
from trainer.config import load
from trainer.config.synonyms import _HINTS
from trainer.errors import ConfigError

CONFIG: dict[str, Any] = {
    "dataset": {"name": "iris"},
    "network": [{"dense": {"units": 4}}, {"dense": 3}],
    "cost": "softmax_cross_entropy",
    "optimizer": "sgd",
    "step_size": 0.1,
    "epochs": 1,
}
# What somebody has written after the key, where a number is no sensible value of it.
VALUES = {
    "activation": "tanh",
    "activationfunction": "relu",
    "nonlinearity": "tanh",
    "cpus": 2,
    "workers": 2,
    "njobs": 2,
}
HINTS = [
    (kind, key, keys.split()[0], hint)
    for kind, hints in _HINTS.items()
    for keys, hint in hints.items()
    for key in keys.split()
]


def wrong(kind: str, key: str) -> dict[str, Any]:
    """A config with that key where somebody would write it."""
    config = copy.deepcopy(CONFIG)
    value = VALUES.get(key, 2 if "workers" in key else 0.5)
    if kind == "config":
        config[key] = value
    elif kind == "layers":
        config["network"][0]["dense"][key] = value
    elif kind == "optimizers":
        config["optimizer"] = {"adam" if key == "betas" else "sgd": {key: value}}
    else:
        config["dataset"] = {"path": "d.npz", key: value}
    return config


def written(config: dict[str, Any], way: str) -> dict[str, Any]:
    """The config with what stands between backticks: a layer, or a key where it belongs."""
    new = copy.deepcopy(CONFIG) | {"dataset": config["dataset"]}
    told = yaml.safe_load(way)
    if isinstance(told, list):
        new["network"].insert(1, *told)
    elif "split" in told:
        new["dataset"] = {"name": "iris", **told}
    else:
        new |= told
    return new


@pytest.mark.parametrize(("kind", "key", "first", "hint"), HINTS, ids=[f"{kind}-{key}" for kind, key, *_ in HINTS])
def test_what_is_said_of_a_key_is_right_where_it_is_written(kind, key, first, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("d.npz").write_bytes(b"")
    config = wrong(kind, key)
    with pytest.raises(ConfigError) as caught:
        load(config)
    ways = re.findall(r"`([^`]+)`", str(caught.value).splitlines()[0])
    commands = re.findall(r"trainer (?:run|list) [-\w]+(?: FOLDER)?", hint)
    assert len(ways) == hint.count("`") // 2
    for way in ways:
        if "RUN" not in way and way not in ("weights", "groups"):
            load(written(config, way))
    Path("c.yaml").write_text(yaml.safe_dump(CONFIG))
    for command in commands if key == first else ():
        words = command.replace("FOLDER", "there").split()[1:]
        with pytest.raises(SystemExit) as ended:
            main([*words, *(["c.yaml"] if words[0] == "run" else [])])
        assert ended.value.code == 0
