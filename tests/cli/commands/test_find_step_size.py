"""`trainer find-step-size`: which step size suits a config, and why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hints import advised

Trainer = Callable[..., Any]


def test_it_shows_every_size_and_says_why(trainer: Trainer, folder: Path) -> None:
    done = trainer("find-step-size", "small.yaml")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split()[:5] == ["step", "size", "after", "3", "median"]
    assert len(lines) == 1 + 22 + 2  # 0.32 lies between two of 21
    assert lines[-1].startswith("step_size=0.32: the train loss after 3 epochs is ")
    assert lines[-1].endswith("The config has 0.1.")
    assert not (folder / "runs").exists()


def test_it_draws_and_writes(trainer: Trainer, folder: Path) -> None:
    before = (folder / "small.yaml").read_text()
    done = trainer("find-step-size", "small.yaml", "-o", "curve.png", "--write")
    assert done.code == 0
    assert done.out.splitlines()[-2:] == ["drawn in curve.png", "written at small.yaml:6"]
    assert (folder / "small.yaml").read_text() == before.replace("step_size: 0.1", "step_size: 0.32")
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        ("curve.pdf", "a picture ends in .png or .svg, and curve.pdf does not"),
        ("none/curve.png", "none/curve.png cannot be written: there is no folder none"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_the_search(
    trainer: Trainer, folder: Path, picture: str, why: str
) -> None:
    done = trainer("find-step-size", "small.yaml", "-o", picture, "--write")
    assert (done.code, done.out, done.err) == (2, "", f"error: {why}\n")


def test_a_schedule_is_written_where_it_stands(trainer: Trainer, folder: Path) -> None:
    small = folder / "small.yaml"
    small.write_text(small.read_text().replace("step_size: 0.1", "step_size: {cosine: 0.1}  # down to 0"))
    done = trainer("find-step-size", "small.yaml", "--write")
    assert done.code == 0
    assert "step_size: {cosine: 0.5}  # down to 0" in small.read_text()
    assert "step_size.cosine.start=0.5: " in done.out


def test_where_no_size_is_good_the_fault_is_looked_for_as_it_says(trainer: Trainer, folder: Path) -> None:
    still = "{units: 4, bias: false, initial: zeros}"
    network = f"network=[dense: {still}, relu, dense: {still.replace('4', '1')}]"
    done = trainer("find-step-size", "small.yaml", network)
    assert (done.code, done.out) == (2, "")
    told = advised(done.err, "look for another fault, trainer overfit CONFIG").partition("trainer ")[2]
    found = trainer(*told.replace("CONFIG", "small.yaml").split(), network)
    assert (found.code, found.err) == (1, "")
    assert "0.weights" in found.out.splitlines()[-1]


def test_a_size_of_the_command_line_is_not_written(trainer: Trainer, folder: Path) -> None:
    done = trainer("find-step-size", "small.yaml", "step_size=0.2", "--write")
    assert (done.code, done.out) == (2, "")
    assert "--write changes the file's step_size" in done.err


def test_what_a_run_was_is_not_written_to(trainer: Trainer, folder: Path) -> None:
    run = Path(trainer("run", "small.yaml", "-q").out.splitlines()[-1])
    done = trainer("find-step-size", str(run), "--write")
    assert done.code == 2
    what = "--write changes a config, and runs/"
    assert done.err == f"error: {what}{run.name}/resolved.yaml is what a run was; name the config itself\n"
