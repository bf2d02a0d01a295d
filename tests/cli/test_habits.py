"""What people type from habit: their options, keys of other libraries; each hint works where it is followed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trainer.cli import main
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build

HEAD = "dataset: iris\nnetwork: [dense: 3]\ncost: softmax_cross_entropy\nstep_size: 0.1\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD)
    return path


def test_help_is_short_too(capsys):
    for command in ([], ["run"], ["list"], ["runs"], ["ops", "show"]):
        with pytest.raises(SystemExit) as end:
            main([*command, "-h"])
        assert end.value.code == 0
        assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "validate", "show"])
@pytest.mark.parametrize(
    ("typed", "way"),
    [
        (["--epochs", "3"], "--epochs; a setting of the config is written epochs=3"),
        (["--epochs=3"], "--epochs; a setting of the config is written epochs=3"),
        (["--batch-size", "8"], "--batch-size; a setting of the config is written batch_size=8"),
        (["--stop.steps", "5"], "--stop.steps; a setting of the config is written stop.steps=5"),
        (["--lr"], "--lr; a setting of the config is written lr=..."),
    ],
)
def test_an_option_that_is_a_setting_says_how_it_is_written(command, typed, way, config, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, str(config), *typed])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"error: there is no option {way}\n"


HABITS = [
    "weight_decay=0.1", "momentum=0.9", "scheduler=cosine", "gamma=0.5", "precision=16", "num_workers=3", "betas=0.9",
    "device=cuda", "gpus=1", "mixed_precision=true",
    "optimizer.sgd.momentum=0.9", "optimizer.sgd.weight_decay=0.1", "optimizer.sgd.nesterov=true",
]  # fmt: skip


@pytest.mark.parametrize("habit", HABITS)
def test_a_key_of_another_library_has_a_hint_and_every_config_in_it_is_one(habit, config):
    with pytest.raises(ConfigError) as caught:
        load(config, [habit])
    hint = str(caught.value).splitlines()[0]
    ways = re.findall(r"`([a-z_]+): (.*?)`", hint)
    assert ways
    for key, value in ways:
        load(config, [f"{key}={value}"])


@pytest.mark.parametrize(
    "habit",
    ["dropout=0.5", "activation=relu", "resume=true", "logger=wandb", "checkpoint=true", "verbose=1", "shuffle=false"],
)
def test_a_key_that_is_something_else_here_says_what(habit, config):
    with pytest.raises(ConfigError) as caught:
        load(config, [habit])
    assert "there are:" not in str(caught.value)


def test_an_option_of_its_optimizers_name_needs_no_second_one(config):
    texts = ("{momentum: 0.8}", "{momentum: {momentum: 0.8}}")
    short, long = (load(config, [f"optimizer={text}"]).config for text in texts)
    assert short.optimizer.options == long.optimizer.options


@pytest.mark.parametrize(
    ("habit", "way"),
    [
        ("validation=0.2", "'validation' is called 'validation_fraction' here and belongs to dataset"),
        ("val_data=v.csv", "'val_data' is called 'validation_path' here and belongs to dataset"),
        ("test_set=t.csv", "'test_set' is called 'test_path' here and belongs to dataset"),
        ("pos_label=1", "'pos_label' is called 'positive' here and belongs to dataset"),
        ("cv=5", "'cv' is called 'folds' here and belongs to dataset"),
        ("sep=,", "'sep' is called 'delimiter' here and belongs to dataset"),
        ("header=true", "'header' belongs to dataset"),
        ("index_col=0", "'index_col' is called 'ignore' here and belongs to dataset"),
        ("na_values=[-]", "'na_values' is called 'missing_values' here and belongs to dataset"),
        ("parse_dates=[sold]", "'parse_dates' is called 'dates' here and belongs to dataset"),
        ("sample_weight=w", "'sample_weight' is called 'weight' here and belongs to dataset"),
    ],
)
def test_what_another_library_calls_a_key_of_a_section_is_sent_there(habit, way, config):
    with pytest.raises(ConfigError) as caught:
        load(config, [habit])
    name = way.split("'")[-2]
    assert str(caught.value).startswith(f"command line: {way}; write dataset.{name}=...")


# What one types, what it is called here, and the marks between cells and in numbers of a table that it is right for.
READING = [
    ("sep=,", "delimiter", ",", "."),
    ("separator=|", "delimiter", "|", "."),
    ("delim=tab", "delimiter", "\t", "."),
    ("comments=#", "comment", ",", "."),
    ("decimal_point=,", "decimal", ";", ","),
    ("charset=cp1252", "encoding", ",", "."),
    ("na_values=[-]", "missing_values", ",", "."),
    ("index_col=0", "ignore", ",", "."),
    ("parse_dates=[day]", "dates", ",", "."),
]


@pytest.mark.parametrize(("habit", "name", "mark", "point"), READING)
def test_what_readers_of_tables_call_it_elsewhere_has_a_name_here_that_works(
    habit, name, mark, point, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows = [(f"2021-01-{i + 1:02d}", f"{i}{point}5", str(i * i % 7), "uvw"[i % 3]) for i in range(24)]
    Path("t.csv").write_text("\n".join(mark.join(row) for row in [("day", "a", "b", "y"), *rows]))
    Path("c.yaml").write_text(HEAD.replace("iris", "{path: t.csv, target: y}"))
    rest = [] if name in ("ignore", "dates") else ["dataset.ignore=[day]"]
    with pytest.raises(ConfigError, match=f"it is called '{name}' here"):
        load("c.yaml", [f"dataset.{habit}", *rest])
    data = build(load("c.yaml", [f"dataset.{name}={habit.partition('=')[2]}", *rest])).data
    assert len(data.feature_names) == (6 if name == "dates" else 2)


def test_folds_need_no_section_on_the_command_line(config):
    for typed in (["folds=4", "fold=1"], ["dataset.folds=4", "dataset.fold=1"]):
        dataset = load(config, typed).config.dataset
        assert (dataset.folds, dataset.fold) == (4, 1)


def test_one_mistake_in_a_section_is_one_message(config):
    with pytest.raises(ConfigError) as caught:
        load(config, ["stop.foo=1"])
    assert str(caught.value).startswith("command line: unknown option 'foo' of stop; there are: patience,")
    assert "stop says nothing" not in str(caught.value)


def test_the_last_layer_is_number_minus_one(config):
    assert load(config, ["network.-1.dense=4"]).config.network[0].options == {"units": 4}
    with pytest.raises(ConfigError, match="network has 1 entry, counted from 0; 1 appends one, found '-2'"):
        load(config, ["network.-2.dense=4"])
