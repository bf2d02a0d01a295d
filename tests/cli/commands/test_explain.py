"""`trainer explain`: why a run did not learn; of a config, what one batch does in it."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.hints import advised
from tools.troubles import PLUGIN, PLUGINS, plan
from trainer import runs as trainer_runs

Trainer = Callable[..., Any]


def test_a_run_is_told_what_it_said_at_its_end(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml", "step_size=2.5", "epochs=5", "compute.dtype=float64")
    again = trainer("explain", "last")
    assert (again.code, again.err) == (0, "")
    assert done.err == f"warning: {again.out}"
    assert again.out.startswith("a step size too large (command line): one step of 2.5 before the first step takes ")


def test_a_sound_run_has_nothing_to_say(trainer: Trainer, folder: Path) -> None:
    trainer("run", "small.yaml", "epochs=30")
    done = trainer("explain", "last")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"\S+-small: nothing was found to be wrong\n", done.out)


def test_a_short_run_is_too_short_for_some_of_it(trainer: Trainer, folder: Path) -> None:
    trainer("run", "small.yaml", "epochs=2", "step_size=1e-6")
    done = trainer("explain", "last")
    (run,) = (folder / "runs").iterdir()
    steps = trainer_runs.load(run).metrics["step"][-1]
    told = f"nothing was found to be wrong; {steps} steps are too few to say of a loss that it does not fall\n"
    assert (done.code, done.out.partition(": ")[2]) == (0, told)


def test_a_run_that_diverged_keeps_its_cause(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml", "step_size=1000", "epochs=2000")
    assert done.code == 3
    assert "\nWhat may be wrong: a step size too large (command line): one step of 1000 " in done.err
    assert trainer("explain", "last").out.startswith("a step size too large (command line): one step of 1000 ")


def test_a_run_that_diverged_in_its_first_epoch_and_of_which_nothing_was_found_says_so(
    trainer: Trainer, folder: Path
) -> None:
    assert trainer("run", "small.yaml", "step_size=1e9").code == 3
    (run,) = (folder / "runs").iterdir()
    assert not (run / "findings.json").exists()
    told = trainer("explain", "last")
    assert told.code == 0
    assert told.out.startswith(f"{run.name} is diverged: training diverged at step ")


def test_a_wrong_rule_of_somebodys_is_shown_as_it_says(trainer: Trainer, folder: Path) -> None:
    forward, rule = PLUGINS["soft"]
    (folder / "soft.py").write_text(PLUGIN.format(name="soft", forward=forward, rule=rule))
    layers = [{"dense": 32}, "soft", {"dense": 3}]
    config = plan({"name": "wine", "standardize": True}, *layers, plugins=["soft.py"], step_size=0.3)
    (folder / "wine.yaml").write_text(yaml.safe_dump(config))
    done = trainer("run", "wine.yaml", "--allow-unchecked")
    told = advised(done.err, "what others wrote there: soft (trainer ops check soft.py says more)")
    (typed,) = re.findall(r"\(trainer (.+) says more\)", told)
    checked = trainer(*shlex.split(typed))
    assert checked.code == 1
    assert "soft" in checked.out


def test_a_config_is_shown_layer_by_layer(trainer: Trainer, folder: Path) -> None:
    done = trainer("explain", "small.yaml", "network=[dense: 4, relu, dense: 1]")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "32 rows of small.yaml, before a step:"
    assert lines[2].split()[:6] == ["layer", "output", "size", "from", "to", "zeros"]
    assert [line.split()[:5] for line in lines[3:6]] == [
        ["0", "dense", "32", "×", "4"],
        ["1", "relu", "32", "×", "4"],
        ["2", "dense", "32", "×", "1"],
    ]
    assert lines[6].split()[:2] == ["cost", "32"]
    assert lines[8].startswith("The tape of the loss: 12 entries, ")
    ops = {line.split()[0]: line.split()[1:] for line in lines[11:] if line}
    # Results of 32·(4 + 1) numbers; kept are x of 32·1 for the first W, and x of 32·4 and W of 4 in the other.
    assert ops["matmul"][:3] == ["2", "640", "656"]
    assert ops["relu"][0] == ops["mean_squared_error"][0] == "1"
    assert not (folder / "runs").exists()


def test_the_step_and_its_tape_are_drawn(trainer: Trainer, folder: Path) -> None:
    for name, start in (("step.svg", "<svg "), ("tape.dot", "digraph tape {"), ("tape.mmd", "flowchart LR")):
        done = trainer("explain", "small.yaml", "-o", name)
        assert (done.code, done.err) == (0, "")
        assert done.out.endswith(f"drawn in {name}\n")
        assert (folder / name).read_text(encoding="utf-8").startswith(start)


def test_a_drawing_of_another_kind_or_of_a_run_is_refused(trainer: Trainer, folder: Path) -> None:
    done = trainer("explain", "small.yaml", "-o", "tape.png")
    assert (done.code, done.err) == (
        2,
        "error: a drawing ends in .svg, .dot or .mmd, and tape.png does not\n",
    )
    trainer("run", "small.yaml")
    assert "only a config's step is drawn" in trainer("explain", "last", "-o", "tape.svg").err
