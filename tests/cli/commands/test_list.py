"""`trainer list`: what a config can name."""

from __future__ import annotations

import inspect

import pytest

from trainer.cli.commands.list import Kind, list_components
from trainer.config.help import option_help
from trainer.data.readers.registry import Formats
from trainer.plugins import shared


@pytest.mark.parametrize("kind", Kind)
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

option  default  takes
times   needed   a whole number of at least 1
layers  needed   components of network

in a config  network: [{repeat: {times: ..., layers: ...}}]
from         plugin 'trainer' (tape-trainer 0.1.0)
"""
    )


@pytest.mark.parametrize(("columns", "width"), [(None, 100), ("70", 70)])
def test_options_are_wrapped_where_nobody_watches(trainer, monkeypatch, columns, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    _, _, table = trainer("list", "layers", "lstm").out.partition("option ")
    lines = table.partition("\n\n")[0].splitlines()
    assert width - 15 < max(map(len, lines)) <= width


FORMATS = Formats(shared())


@pytest.mark.parametrize("name", FORMATS)
def test_every_kind_of_file_is_shown_with_its_options(trainer, name):
    done = trainer("list", "datasets", name)
    assert (done.code, done.err) == (0, "")
    options = FORMATS[name].options
    help_of_each = option_help(inspect.getdoc(FORMATS[name].component.target), options)
    assert list(help_of_each) == options
    for option in options:
        assert f"\n{option} " in done.out
    assert f"in a config  dataset: {{path: {FORMATS[name].example}, {options[0]}: ...}}\n" in done.out
    assert "Raises" not in done.out


def test_how_arrays_in_a_file_are_called(trainer):
    shown = trainer("list", "datasets", "npz").out
    for name in ("inputs or x", "inputs.NAME", "targets or y", "class_names", "groups", "weights"):
        assert name in shown
    assert "animals/cat/1.png\n" in trainer("list", "datasets", "images").out
    assert "    inputs.npy " in trainer("list", "datasets", "mapped").out


def test_a_kind_of_which_there_is_nothing(trainer):
    assert trainer("list", "callbacks").out.startswith("none is installed")


def test_without_a_kind_the_kinds_are_listed(trainer):
    done = trainer("list")
    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["kind", "in", "a", "config"]
    assert [row[:2] for row in rows[1 : len(Kind) + 1]] == [[kind, str(len(shared().all(kind)))] for kind in Kind]
    assert rows[1][2:] == ["network:", "[...]"]
    assert "trainer list KIND NAME" in done.out


def test_data_sets_are_listed_in_one_table_under_two_spellings(trainer):
    assert trainer("datasets") == trainer("list", "datasets")


def test_datasets_lists_sizes_and_options(trainer):
    done = trainer("datasets")
    assert (done.code, done.err) == (0, "")
    *table, empty, count, last = done.out.splitlines()
    assert (empty, count, last) == (
        "",
        f"{len(table) - 1} datasets; one of them in full: trainer list datasets NAME",
        (
            "files and folders are data sets too, their options: trainer list datasets "
            "csv; or npz, npy, idx, svm, text, typed, images, mapped"
        ),
    )
    lines = {line.split()[0]: line for line in table}
    assert {"digits", "iris", "moons", "linear"} <= set(lines)
    assert lines["digits"].split()[1:3] == ["1,797", "64"]
    assert "noise=0.1" in lines["moons"]
    assert "  5 labels  " in lines["multilabel_classification"]


def test_a_name_that_is_not_there(trainer):
    done = trainer("list", "layers", "covn2d")
    assert (done.code, done.err) == (2, "error: unknown layer 'covn2d'; did you mean 'conv2d'?\n")
    done = trainer("list", "datasets", "cvs")
    assert (done.code, done.err) == (2, "error: unknown data set 'cvs'; did you mean 'csv'?\n")


def test_a_kind_of_which_none_is_installed(trainer):
    assert trainer("list", "callbacks").out == (
        "none is installed; a plugin brings some with the hook register_callbacks\n"
    )
