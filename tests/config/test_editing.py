"""A value of a config's file, changed where it stands."""

from __future__ import annotations

import pytest

from trainer.config.editing import edited, write_value
from trainer.errors import UsageError

TEXT = "seed: 0\r\nstep_size: 1e-3   # ε, found by hand\r\nepochs: 5\r\n"


def test_comments_newlines_and_order_stay(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(("\ufeff" + TEXT).encode())
    assert write_value(file, ["step_size"], 0.05) == f"{file}:2"
    assert file.read_bytes().decode() == "\ufeff" + TEXT.replace("1e-3", "0.05")


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("step_size: {cosine: {start: 0.1, warmup: 5}}", "step_size: {cosine: {start: 0.02, warmup: 5}}"),
        ("step_size:\n  cosine: 0.1\nseed: 1\n", "step_size:\n  cosine: 0.02\nseed: 1\n"),
        ("step_size:\n  cosine:\n    start: 0.1  # peak", "step_size:\n  cosine:\n    start: 0.02  # peak"),
    ],
)
def test_of_a_schedule_the_start_is_changed(text, changed):
    assert edited(text, ["step_size", "cosine", "start"], 0.02)[0] == changed


def test_what_is_not_there_gets_a_line():
    assert edited("seed: 0", ["step_size"], 0.5) == ("seed: 0\nstep_size: 0.5\n", 2)


@pytest.mark.parametrize(
    "text", ["step_size: cosine", "step_size: [1]", "step_size: {cosine: {warmup: 3}}", "a: &a 1\nstep_size: *a"]
)
def test_what_cannot_be_changed_alone_is_refused(text):
    with pytest.raises(UsageError, match="by hand"):
        edited(text, ["step_size", "cosine", "start"] if "cosine" in text else ["step_size"], 0.5)
