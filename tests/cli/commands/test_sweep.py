"""`trainer sweep`, `trainer compare` and `seeds`: what they print."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.hints import Typed, advised


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


def test_a_sweep_of_which_nothing_is_finite_says_what_tells_why(trainer, folder):
    done = trainer("sweep", "small.yaml", "step_size=1e8,1e7", "-q")
    assert done.code == 3
    said = advised(
        done.err, "no trial reached a finite number; what may be wrong with the first: trainer explain runs/"
    )
    told = trainer(*shlex.split(done.err[done.err.index(said) :].partition(": trainer ")[2]))
    assert told.code == 0
    assert "a step size too large (command line): one step of 1e+0" in told.out


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


TYPED = [
    Typed(
        ["step_size=0.1,0.2 sampler=grid trials=3"],
        "leave trials out, or draw some with sampler=random",
        ["step_size=0.1,0.2 sampler=grid", "step_size=0.1,0.2 trials=3 sampler=random"],
    ),
    Typed(
        ["step_size=0.1..0.2 sampler=grid"],
        "list its values, step_size=A,B, or draw them with sampler=random trials=20",
        ["step_size=0.1,0.2 sampler=grid", "step_size=0.1..0.2 sampler=random trials=20"],
    ),
    Typed(
        ["step_size=0.1..0.2"],
        "say how many trials to draw, trials=20, or list its values, step_size=A,B",
        ["step_size=0.1..0.2 trials=20", "step_size=0.1,0.2"],
    ),
    Typed(
        ["epochs=2,3 pruner=successive_halving"],
        "leave epochs out, or the pruner",
        ["step_size=0.1,0.2 pruner=successive_halving", "epochs=2,3"],
    ),
    Typed(
        ["step_size=0.1,0.2 pruner=median checkpoint=false"],
        "pruner=median lets trials go on from their checkpoints; leave checkpoint=false out",
        ["step_size=0.1,0.2 pruner=median"],
    ),
    Typed(
        ["step_size=0.1,0.2 pruner=median seeds=2"],
        "leave seeds out, or the pruner",
        ["step_size=0.1,0.2 pruner=median", "step_size=0.1,0.2 seeds=2"],
    ),
    Typed(
        ["step_size=1e-3..1e-1:log trials=4 sampler=tpe pruner=successive_halving"],
        "take pruner=asha, or sampler=random",
        [
            "step_size=1e-3..1e-1:log trials=4 sampler=tpe pruner=asha",
            "step_size=1e-3..1e-1:log trials=4 sampler=random pruner=successive_halving",
        ],
    ),
    Typed(
        ["seed=0,1 seeds=2"],
        "seed is varied, and seeds asks for several of each trial: leave one out",
        ["seed=0,1", "step_size=0.1,0.2 seeds=2"],
    ),
    Typed(
        ["'sweep.parameters={epochs: {low: 2, high: 8, step: 2, log: true}}' trials=2"],
        "epochs=2..8: a range has a step, or is drawn with log: leave one out",
        [
            "'sweep.parameters={epochs: {low: 2, high: 8, step: 2}}' trials=2",
            "'sweep.parameters={epochs: {low: 2, high: 8, log: true}}' trials=2",
        ],
    ),
    Typed(
        ["step_size=0.1,0.2 sampler=random"],
        "sampler=random needs to know how many trials it makes: trials=20",
        ["step_size=0.1,0.2 sampler=random trials=20"],
    ),
    Typed(
        ["seed=0..999 epochs=1..999"],
        "the grid has 999,000 trials, above 100,000; draw some with sampler=random trials=100",
        ["seed=0..999 epochs=1..999 sampler=random trials=100"],
    ),
    Typed(
        ["'sweep.parameters={step_size: []}'"],
        "step_size has no value; write one or more, such as [1, 2]",
        ["'sweep.parameters={step_size: [1, 2]}'"],
    ),
]


@pytest.mark.parametrize("typed", TYPED, ids=[each.said for each in TYPED])
def test_what_is_to_be_typed_instead_makes_a_plan(typed, trainer, folder, monkeypatch):
    planned = []
    monkeypatch.setattr("trainer.cli.sweeping.swept", lambda plan, *arguments, **options: planned.append(plan.size))
    for line in typed.wrong:
        done = trainer("sweep", "small.yaml", *shlex.split(line))
        assert (done.code, planned) == (2, [])
        assert typed.said in done.err
    for line in typed.right:
        done = trainer("sweep", "small.yaml", *shlex.split(line))
        assert (done.code, done.err) == (0, "")
    assert len(planned) == len(typed.right)


def test_where_no_process_can_be_forked_each_run_is_made_by_itself(trainer, folder, monkeypatch):
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    done = trainer("sweep", "small.yaml", "step_size=0.1,0.2")
    advised(done.err, "this system has no fork; trainer run makes each run")
    for value in ("0.1", "0.2"):
        assert trainer("run", "small.yaml", f"step_size={value}", "-q").code == 0
    assert len(list(Path("runs").iterdir())) == 2


def test_seeds_are_a_run_each_and_their_mean_with_a_picture(trainer, folder):
    done = trainer("run", "small.yaml", "seeds=3")
    assert done.code == 0
    assert "mean and standard deviation of 3 seeds\n" in done.out
    assert len([path for path in Path("runs").iterdir() if path.is_dir()]) == 3
    assert Path("runs/small-3seeds.png").exists()
    again = trainer("run", "small.yaml", "seeds=3", "--quiet")
    assert again.out.count("already done") == 3
    assert again.out.splitlines()[-2:] == done.out.splitlines()[-2:]
