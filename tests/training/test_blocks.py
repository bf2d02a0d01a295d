"""What is evaluated by a program has the bits of the call, and where there is no program it is called."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ops.layer_examples import EXAMPLES
from trainer.compiler.executors import Native, Numpy
from trainer.config import load
from trainer.experiment.builder import build
from trainer.nn import Network
from trainer.training import blocks
from trainer.training.blocks import Blocks

CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.yaml"))
BACKENDS = [backend for backend in (Numpy(), Native()) if not backend.missing()]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records pay from the first call on, and what is timed later is the quicker."""
    clock: Iterator[float] = (1.0 / n for n in count(1))
    monkeypatch.setattr(blocks, "RECORDING_SECONDS", -1.0)
    monkeypatch.setattr(blocks, "_timed", lambda f, named, rows: (f(named, *rows), next(clock)))


def taken(evaluated: Blocks) -> list[bool | None]:
    return [block.program for block in evaluated._known.values()]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_layer_is_evaluated_by_a_program_to_the_bit(name: str, backend: Any, at_once: None) -> None:
    for example in EXAMPLES[name]:
        network = Network([example.layer], example.shape)
        theta, layers = network.divided(network.initial_values(3, np.float32), np.float32)
        evaluated = Blocks(lambda named, x, network=network: network.apply(network.tree(named), x)[0], backend)
        for turn in range(5):
            x = (example.inputs(11) * (1 if example.entries else turn)).astype(np.float32)
            result = evaluated({**network.named(theta), **layers}, [x], 4)
            assert result.tobytes() == network.predict(theta, x, layers, rows=4).tobytes()
            theta = theta * np.float32(0.9)
        assert taken(evaluated) == [True, True]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_numbers_after_an_epoch_are_those_of_the_tape(path: Path, at_once: None) -> None:
    epochs = []
    for executor in ("eager", "auto"):
        training = build(load(path, [f"compute.executor={executor}"]))
        numbers = [training.evaluate(part) for _ in range(4) for part in training.data.watched]
        epochs.append(numbers)
        if executor == "auto":
            decided = taken(training._evaluation._forward) + taken(training._evaluation._costs)
            assert decided == [True] * len(decided)
            assert len(decided) >= 2
    assert epochs[0] == epochs[1]


def test_what_decides_by_its_values_is_called(at_once: None) -> None:
    evaluated = Blocks(lambda named, x: x if x.sum() > 0 else -x, BACKENDS[-1])
    for sign in (1.0, -1.0, 1.0, -1.0):
        assert evaluated({}, [np.full((3, 1), sign)], 3).tolist() == [[1.0]] * 3
    assert taken(evaluated) == [False]


def test_a_program_that_gives_anything_else_is_not_taken(at_once: None) -> None:
    calls = count()
    evaluated = Blocks(lambda named, x: x + next(calls), BACKENDS[-1])
    results = [float(evaluated({}, [np.zeros((1, 1))], 1)[0, 0]) for _ in range(4)]
    assert taken(evaluated) == [False]
    assert results == [0.0, 2.0, 3.0, 4.0]  # the record was a call, too


def test_the_slower_is_not_taken_and_large_parameters_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[float] = iter(range(100))
    monkeypatch.setattr(blocks, "RECORDING_SECONDS", -1.0)
    monkeypatch.setattr(blocks, "_timed", lambda f, named, rows: (f(named, *rows), next(clock)))
    evaluated = Blocks(lambda named, x: x + named["w"], BACKENDS[-1])
    for _ in range(4):
        evaluated({"w": np.ones(1)}, [np.zeros((1, 1))], 1)
    assert taken(evaluated) == [False]
    monkeypatch.setattr(blocks, "LARGEST", 7)
    evaluated = Blocks(lambda named, x: x + named["w"], BACKENDS[-1])
    evaluated({"w": np.ones(1)}, [np.zeros((1, 1))], 1)
    assert taken(evaluated) == [False]


def test_nothing_is_recorded_before_it_pays() -> None:
    evaluated = Blocks(lambda named, x: x + 1.0, BACKENDS[-1])
    for _ in range(5):
        assert evaluated({}, [np.zeros((2, 1))], 2).tolist() == [[1.0]] * 2
    assert taken(evaluated) == [None]
