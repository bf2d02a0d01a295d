"""`trainer list`: what a config can name."""

from __future__ import annotations

import pytest

from trainer.cli.app import Kind
from trainer.cli.components import list_components
from trainer.plugins import shared


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_every_component_is_listed_and_shown(kind, capsys):
    list_components(kind, None, ())
    listed = capsys.readouterr().out.splitlines()
    for name, component in shared().all(kind).items():
        assert any(line.split()[0] == name for line in listed if line.strip())
        list_components(kind, name, ())
        shown = capsys.readouterr().out
        assert ">>>" not in shown
        for parameter in component.parameters:
            assert f"\n{parameter.name} " in shown


def test_one_layer_in_full(trainer):
    assert (
        trainer("list", "layers", "repeat").out
        == """\
repeat

    The same layers several times in a row, each time with parameters of their own.

        - repeat: {times: 3, layers: [dense: 32, relu]}

    Args:
        times: how often.
        layers: what is repeated.

option  takes                         default
times   a whole number of at least 1  needed
layers  components of network         needed

in a config  network: [{repeat: {times: ..., layers: ...}}]
from         plugin 'trainer' (tape-trainer 0.1.0)
"""
    )


def test_a_name_that_is_not_there(trainer):
    done = trainer("list", "layers", "covn2d")
    assert (done.code, done.err) == (2, "error: unknown layer 'covn2d'; did you mean 'conv2d'?\n")
