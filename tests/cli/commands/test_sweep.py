"""`trainer sweep`, `trainer compare` and `seeds`: what they print."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_a_sweep_shows_its_trials_the_best_first_and_goes_on(trainer, folder):
    done = trainer("sweep", "small.yaml", "step_size=0.001,0.1", "seeds=2", "-j", "2")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "2 trials of 2 seeds of step_size, by test loss"
    table = [line.split() for line in lines[lines.index("") + 1 :] if line]
    assert table[0] == ["step_size", "test", "loss"]
    assert [row[0] for row in table[1:3]] == ["0.1", "0.001"]
    assert table[1][2] == "±"
    assert lines[-2].startswith("best test loss ")
    assert lines[-2].endswith(" in 2 runs: step_size=0.1")
    assert (Path(lines[-1]) / "parameters.safetensors").exists()
    again = trainer("sweep", "small.yaml", "step_size=0.001,0.1", "seeds=2", "--quiet")
    assert again.out.splitlines() == lines[-2:]
    assert len(list(Path("runs").iterdir())) == 4
    refused = trainer("compare", "small", "-o", "sweep.pdf")
    assert refused[:] == (2, "", "error: a comparison ends in .csv, .png or .svg, and sweep.pdf does not\n")
    compared = trainer("compare", "small", "-o", "sweep.png")
    assert "step_size=0.1, against step_size=0.001:\ntest_loss is better in 2 of 2 seeds, " in compared.out
    assert Path("sweep.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["step_size=0.1,-1"], 2, "error: command line: step_size expects a number greater than 0"),
        (["step_size=0.1"], 2, "error: a sweep takes a key with several values, such as step_size=0.01,0.1"),
        (["step_size=1..0"], 2, "error: step_size=1..0: a range goes from a number to a larger one"),
        (["step_size=0.1,0.2", "--trials", "3"], 2, "error: there is no option --trials; a setting of the config is "),
        (["seed=0,1", "-m", "acuracy"], 2, "error: a sweep watches 'acuracy'"),
    ],
)
def test_a_mistake_is_said_before_anything_trains(trainer, folder, arguments, code, said):
    done = trainer("sweep", "small.yaml", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(said)
    assert not Path("runs").exists()


def test_seeds_are_a_run_each_and_their_mean_with_a_picture(trainer, folder):
    done = trainer("run", "small.yaml", "seeds=3")
    assert done.code == 0
    assert "mean and standard deviation of 3 seeds\n" in done.out
    assert len([path for path in Path("runs").iterdir() if path.is_dir()]) == 3
    assert Path("runs/small-3seeds.png").exists()
    again = trainer("run", "small.yaml", "seeds=3", "--quiet")
    assert again.out.count("already done") == 3
    assert again.out.splitlines()[-2:] == done.out.splitlines()[-2:]
