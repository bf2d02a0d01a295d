"""How large a run is, told before it is built."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import size
from trainer.experiment.builder import build
from trainer.experiment.size import TooLarge, measured, size_of
from trainer.nn.network import Network

CONFIG: dict[str, Any] = {
    "dataset": {"name": "moons", "rows": 60},
    "network": [{"dense": 4}, "tanh", {"dense": 2}],
    "cost": "softmax_cross_entropy",
    "step_size": 0.1,
    "batch_size": 20,
    "epochs": 3,
}
LIMITS = {"parameters": 1_000_000, "bytes": 1 << 26, "steps": 1000}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adam", "average": 0.9, "accumulate": 2},
        {"network": [{"dense": {"units": 4, "initial": "truncated_normal"}}, "batch_norm", {"dense": 2}]},
        {"network": [{"dense": {"units": 3, "initial": "orthogonal"}}, {"dense": 2}], "freeze": ["0.*"]},
        {"compute": {"dtype": "float64"}, "batch_size": "all"},
    ],
)
@pytest.mark.parametrize("tried", [0, size.TRIED])
def test_it_is_that_of_the_training_with_its_real_initial_values(changes, tried, monkeypatch):
    monkeypatch.setattr(size, "TRIED", tried)
    loaded = load({**CONFIG, **changes})
    assert size_of(loaded, LIMITS) == measured(build(loaded), loaded)


LARGE = [{"dense": {"units": 5000, "initial": initial}} for initial in ("glorot", "he_normal", "orthogonal")]


def test_of_a_large_network_no_value_is_made(monkeypatch):
    for name in ("initial", "initial_values", "apply"):
        monkeypatch.setattr(Network, name, lambda *args: pytest.fail("there are values"))
    loaded = load({**CONFIG, "network": [*LARGE, {"dense": 2}], "optimizer": "adam"})
    found = size_of(loaded)
    assert found.parameters == 3 * 5000 + 2 * 5000 * 5001 + 2 * 5001 > size.TRIED
    assert found.bytes > 4 * 4 * found.parameters


@pytest.mark.parametrize(
    "changes",
    [
        {"network": [{"dense": 4}, "tanh", {"dense": 3}]},
        {"network": [{"dense": 4}, {"reshape": [2, 2]}]},
        {"network": [{"dense": 4}], "cost": "mean_squared_error"},
        {"stop": {"patience": 2, "watch": "beauty"}},
        {"accumulate": 100},
    ],
)
def test_what_does_not_fit_is_said_of_a_large_network_as_of_a_small_one(changes, monkeypatch):
    said = set()
    for tried in (0, size.TRIED):
        monkeypatch.setattr(size, "TRIED", tried)
        with pytest.raises(ConfigError) as found:
            size_of(load({**CONFIG, **changes}))
        said.add(str(found.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"network": [{"dense": 10**9}, {"dense": 2}]}, ConfigError, "parameters: 2,000,000,000, of 1,000,000 at most"),
        ({"network": [{"dense": 300_000}, {"dense": 2}]}, TooLarge, "parameters: 1,500,002, of 1,000,000 at most"),
        ({"network": [{"dense": 100_000}, "tanh", {"dense": 2}], "batch_size": "all"}, TooLarge, "bytes: 80,8"),
        ({"epochs": 334}, TooLarge, "steps: 1,002, of 1,000 at most"),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_before_there_is_any_of_it(changes, error, message):
    size_of(load(CONFIG), LIMITS)
    loaded = load({**CONFIG, **changes})
    tracemalloc.start()
    try:
        with pytest.raises(error, match=f"this run is too large for this service: {message}"):
            size_of(loaded, LIMITS)
        assert tracemalloc.get_traced_memory()[1] < LIMITS["bytes"] / 4
    finally:
        tracemalloc.stop()
