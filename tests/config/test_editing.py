"""A value of a config's file, changed where it stands."""

from __future__ import annotations

import pytest

from tests.hints import advised
from trainer.config import load
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


# What cannot be changed, where the number belongs, and the text in which somebody has written it there.
BY_HAND = [
    ("step_size: cosine", "step_size.cosine.start", "step_size: {cosine: 0.5}"),
    ("step_size: {cosine: {warmup: 3}}", "step_size.cosine.start", "step_size: {cosine: {warmup: 3, start: 0.5}}"),
    ("step_size: [1]", "step_size", "step_size: 0.5"),
    ("seed: &a 1\nstep_size: *a", "step_size", "seed: &a 1\nstep_size: 0.5"),
]


@pytest.mark.parametrize(("text", "place", "written"), BY_HAND)
def test_what_cannot_be_changed_alone_is_refused_and_can_be_written_by_hand(text, place, written):
    with pytest.raises(UsageError) as caught:
        edited(text, place.split("."), 0.5)
    if "&" in text:
        advised(caught.value, f"{place} stands where it cannot be changed alone; write 0.5 there by hand")
    else:
        advised(caught.value, f"the file has no number at {place}; write 0.5 there by hand")
    assert edited(written, place.split("."), 0.5)[0] == written


def test_a_step_size_that_repeats_another_number_is_written_by_hand(tmp_path):
    path = tmp_path / "c.yaml"
    rest = "dataset: iris\nnetwork: [dense: 3]\ncost: softmax_cross_entropy\n"
    path.write_text(f"{rest}seed: &one 1\nstep_size: *one\n")
    with pytest.raises(UsageError, match=r"write 0\.25 there by hand"):
        write_value(path, ["step_size"], 0.25)
    path.write_text(path.read_text().replace("*one", "0.25"))
    assert (load(path).config.seed, load(path).config.step_size) == (1, 0.25)
