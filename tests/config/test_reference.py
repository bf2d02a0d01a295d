"""Every key of a config can be looked up."""

from __future__ import annotations

import pytest

from trainer.config.reference import entries, entry
from trainer.config.schema import SECTIONS, Config
from trainer.data.readers.registry import Formats
from trainer.errors import UsageError
from trainer.plugins import available

FOUND = {found.path: found for found in entries()}


def test_no_key_is_left_out():
    assert [path for path in FOUND if "." not in path] == list(Config.model_fields)
    for key, row in SECTIONS.items():
        inner = [] if row.model is None else [k for k, field in row.model.model_fields.items() if not field.exclude]
        assert all(f"{key}.{each}" in FOUND for each in inner)


def test_each_says_what_it_takes_and_means():
    for found in FOUND.values():
        assert found.takes
        assert found.takes != "a value"
        assert found.meaning.endswith("."), found.path
        assert found.default


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("step_size", ["step_size"]),
        ("learning_rate", ["step_size"]),
        ("early-stopping", ["stop"]),
        ("epochs", ["epochs", "checkpoint.epochs"]),
        ("checkpoint.epochs", ["checkpoint.epochs"]),
    ],
)
def test_a_key_is_found_by_its_path_its_last_part_or_another_name(name, paths):
    assert [found.path for found in entry(name)] == paths


def test_what_reads_files_has_its_options_here_once_behind_those_of_the_data_set():
    for row in Formats(available()).values():
        assert all(f"dataset.{option}" in FOUND for option in row.options)
    paths = list(FOUND)
    assert len(set(paths)) == len(entries())
    (target,) = (found for found in entry("target") if found.path == "dataset.target")
    assert target.meaning.startswith("The target column, or a list of them. ")
    assert paths.index("dataset.resample") < paths.index("dataset.target") < paths.index("networks")
    (decimal,) = entry("dataset.decimal")
    assert decimal[1:4] == ("text", ".", "The mark before decimals. Of csv.")
    (size,) = (found for found in entry("size") if found.path == "dataset.size")
    assert size.takes == "a height and a width, such as [28, 28]"


def test_defaults_are_as_yaml_has_them():
    assert {
        path: FOUND[path].default for path in ("cost", "optimizer", "compute", "stop", "freeze", "stop.watched")
    } == {
        "cost": "required",
        "optimizer": "sgd",
        "compute": "{dtype: float32, executor: auto, threads: auto, memory: balanced}",
        "stop": "none",
        "freeze": "none",
        "stop.watched": "loss",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("epohcs", "a config has no key 'epohcs'; did you mean 'epochs'?"),
        ("stop.patienc", "a config has no key 'stop.patienc'; did you mean 'stop.patience'?"),
        ("zzz", "a config has no key 'zzz'; trainer help lists them all"),
    ],
)
def test_the_nearest_is_named(name, text):
    with pytest.raises(UsageError) as raised:
        entry(name)
    assert str(raised.value) == text
