"""What does not fit together is found before the first step, and reported at its line of the config."""

from __future__ import annotations

import re

import pytest

from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build

HEAD = "dataset: {name: digits}\nnetwork:\n"
TAIL = "cost: softmax_cross_entropy\nstep_size: 0.1\n"

MISFITS = {
    "two axes into dense": (
        "dataset: {path: images.npz}\nnetwork:\n  - tanh\n  - dense: 10\n" + TAIL,
        (
            "c.yaml:4:5: the last layer, 'dense', gives shape (4, 10) per example, and a target is one class; "
            "put `- flatten` before a dense layer, or make one row of the positions with `- last_position` or "
            "`- mean_over_positions`\n"
            "  4 |   - dense: 10\n"
            "          ^~~~~"
        ),
    ),
    "the first layer": (
        "dataset: {path: images.npz}\nnetwork:\n  - dense: 10\n" + TAIL,
        (
            "c.yaml:3:5: the last layer, 'dense', gives shape (4, 10) per example, and a target is one class; "
            "put `- flatten` before a dense layer, or make one row of the positions with `- last_position` or "
            "`- mean_over_positions`\n"
            "  3 |   - dense: 10\n"
            "          ^~~~~"
        ),
    ),
    "fewer outputs than classes": (
        HEAD + "  - dense: 5\n" + TAIL,
        (
            "c.yaml:3:5: the last layer, 'dense', gives 5 outputs, and data set 'digits' has 10 classes: "
            "'0' (178 rows), '1' (182), '2' (177), '3' (183), '4' (181), '5' (182), '6' (181), '7' (179), "
            "'8' (174), '9' (180)\n"
            "  3 |   - dense: 5\n"
            "          ^~~~~"
        ),
    ),
    "one-hot targets that are said to be classes": (
        "dataset: {path: one_hot.npz, task: classification}\nnetwork:\n  - flatten\n  - dense: 3\n" + TAIL,
        (
            "c.yaml:4:5: the last layer, 'dense', gives shape (3,) per example, and a target is a class for each of 3 "
            "positions; each target has one 1 among zeros, so save the class itself, targets.argmax(axis=1)\n"
            "  4 |   - dense: 3\n"
            "          ^~~~~"
        ),
    ),
    "numbers asked of classes": (
        HEAD + "  - dense: 1\ncost: mean_squared_error\nstep_size: 0.1\n",
        r"c.yaml:1:\d+: .*digits.*softmax_cross_entropy.*one_hot",
    ),
    "an output too many for a regression": (
        "dataset: diabetes\nnetwork:\n  - dense: 2\ncost: mean_squared_error\nstep_size: 0.1\n",
        r"c.yaml:4:\d+: .*mean_squared_error.*\(2, 2\).*\(2, 1\).*; the last layer, 'dense', gives shape \(2,\) per",
    ),
    "two classes asked of ten": (
        HEAD + "  - dense: 1\ncost: sigmoid_cross_entropy\nstep_size: 0.1\n",
        r"c.yaml:1:\d+: .*digits.*10 classes",
    ),
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    import numpy as np

    np.savez(tmp_path / "images.npz", x=np.ones((20, 4, 4)), y=np.arange(20) % 10)
    np.savez(tmp_path / "one_hot.npz", x=np.ones((20, 4, 4)), y=np.eye(3)[np.arange(20) % 3])
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        return "c.yaml"

    return write


@pytest.mark.parametrize("case", MISFITS)
def test_a_misfit(case, write):
    text, expected = MISFITS[case]
    with pytest.raises(ConfigError) as caught:
        build(load(write(text)))
    message = str(caught.value)
    assert message == expected or re.match(expected, message, re.DOTALL), message


def test_one_hot_classes_under_a_squared_error_report_accuracy(write):
    training = build(
        load(
            write(
                "dataset: {name: iris, one_hot: true}\nnetwork: [dense: 3]\ncost: mean_squared_error\nstep_size: 0.1\n"
            )
        )
    )
    assert list(training.metrics) == ["accuracy"]
    assert training.data.train.targets.shape[1] == 3


def test_batch_size_all_is_every_row(write):
    training = build(load(write(HEAD + "  - dense: 10\n" + TAIL + "batch_size: all\n")))
    assert training.batch_size == len(training.data.train)
    assert training.steps_per_epoch == 1


def test_the_schedule_of_a_name_is_the_plain_number(write):
    plain, named = (
        build(load(write(HEAD + "  - dense: 10\ncost: softmax_cross_entropy\n" + line)))
        for line in ("step_size: 0.1\n", "step_size: {constant: 0.1}\n")
    )
    assert plain.current_step_size() == named.current_step_size() == 0.1
