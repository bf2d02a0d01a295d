"""Layers that do not fit, and options that they do not have: what is said of each, word for word.

layer_misfits.txt holds a case in three lines: the layer as a config writes it, the shape of an example, and what is
said of the two; then a blank line.
"""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path

import pytest

from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import built
from trainer.nn import LayerError, Network

TEXT = Path(__file__).with_name("layer_misfits.txt").read_text(encoding="utf-8")
CASES = [case.splitlines() for case in TEXT.strip().split("\n\n")]


def said(layer, shape, folder):
    file = folder / "bad.yaml"
    file.write_text(f"dataset: digits\ncost: softmax_cross_entropy\nstep_size: 0.1\nnetwork:\n  - {layer}\n")
    try:
        choice = load(file).config.network[0]
    except ConfigError as error:
        place, _, text = str(error).splitlines()[0].partition("bad.yaml:")[2].partition(": ")
        assert place.startswith("5:")
        return text
    with pytest.raises(LayerError) as caught:
        Network([built(choice)], literal_eval(shape))
    text = str(caught.value)
    start, end = f"layer 0 ({choice.name}): ", f"; the data set has shape {shape} per example"
    assert text.startswith(start)
    assert text.endswith(end)
    return text.removeprefix(start).removesuffix(end)


def told(message):
    """The layers that a message says to put before, and the one with which it says to replace what is there."""
    before = re.search(r"put ['`](?:- )?(\w+: \[[\d, ]+\])['`] before it", message)
    return before and before[1]


# Grids by what was said, and too small for the window of the layer that was tried.
SMALL = ("reshape: [2, 8, 24]", "reshape: [8, 8, 1, 1]")
TOLD = [case for case in CASES if told(case[2])]


@pytest.mark.parametrize(("layer", "shape", "message"), TOLD, ids=[f"{c[0]} of {c[1]}" for c in TOLD])
def test_what_a_message_says_to_put_before_makes_it_fit(layer, shape, message, tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text(
        f"dataset: digits\ncost: softmax_cross_entropy\nstep_size: 0.1\nnetwork:\n  - {told(message)}\n  - {layer}\n"
    )
    layers = [built(choice) for choice in load(file).config.network]
    if told(message) in SMALL:
        with pytest.raises(LayerError, match="does not fit into a grid"):
            Network(layers, literal_eval(shape))
    else:
        assert 0 not in Network(layers, literal_eval(shape)).output_shape


@pytest.mark.parametrize(("layer", "shape", "message"), CASES, ids=[f"{c[0]} of {c[1]}" for c in CASES])
def test_what_is_said(layer, shape, message, tmp_path):
    assert said(layer, shape, tmp_path) == message
