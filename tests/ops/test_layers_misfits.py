"""Layers that do not fit, and options that they do not have: what is said of each, word for word.

layer_misfits.txt holds a case in three lines: the layer as a config writes it, the shape of an example, and what is
said of the two; then a blank line.
"""

from __future__ import annotations

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


@pytest.mark.parametrize(("layer", "shape", "message"), CASES, ids=[f"{c[0]} of {c[1]}" for c in CASES])
def test_what_is_said(layer, shape, message, tmp_path):
    assert said(layer, shape, tmp_path) == message
