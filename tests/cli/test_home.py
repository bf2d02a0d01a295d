"""`~/` is the home folder wherever a path is written: in quotes, after `--out=`, in a config, and in Python."""

from __future__ import annotations

import numpy as np
import pytest

import trainer as package

OWN = """\
from trainer import hookimpl, op

@op
def doubled(x):
    return 2 * x

doubled.defvjp(x=lambda dy: 2 * dy)

@doubled.samples
def _(rng):
    yield rng.normal(size=3)

@hookimpl
def register_ops(register):
    register(doubled)
"""


@pytest.fixture
def home(folder, tmp_path_factory, monkeypatch):
    """A home folder with a config, a table and a plugin; the current folder is another one."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    rng = np.random.default_rng(0)
    np.savetxt(home / "t.csv", rng.normal(size=(40, 3)), delimiter=",", header="a,b,y", comments="")
    (home / "own.py").write_text(OWN)
    text = (folder / "small.yaml").read_text().replace("{name: linear, rows: 100, noise: 0.1}", "{path: ~/t.csv}")
    (home / "c.yaml").write_text(text)
    return home


def test_every_path_of_the_command_line_and_of_python_may_begin_at_home(home, folder, trainer):
    run = trainer("run", "~/c.yaml", "--out=~/runs", "--quiet").out.splitlines()[-1]
    assert run.startswith(f"{home}/runs/")
    run = run.replace(str(home), "~")
    for arguments in (
        ["runs", "--in", "~/runs"],
        ["validate", "~/c.yaml", "dataset.path=~/t.csv", "--plugin", "~/own.py"],
        ["validate", "~/c.yaml", "plugins=[~/own.py]", f"start_from={run}"],
        ["ops", "check", "~/own.py", "--quick"],
        ["evaluate", run, "~/t.csv"],
        ["predict", run, "~/t.csv", "-o", "~/p.csv"],
        ["export", run, "--python=~/m.py"],
        ["report", run, "-o", "~/r.html"],
        ["plot", run, "--out=~/l.svg"],
        ["show", "~/c.yaml", "--svg=~/s.svg"],
        ["resume", run, "epochs=4"],
        ["init", "~/new.yaml"],
    ):
        done = trainer(*arguments)
        assert done.code == 0, done.err
    written = {"p.csv", "m.py", "r.html", "l.svg", "s.svg", "new.yaml", "runs"}
    assert written <= {path.name for path in home.iterdir()}
    assert package.train("~/c.yaml", out="~/runs").folder.parent == home / "runs"
    assert package.load(run).predict(np.ones((1, 2))).shape == (1,)
    assert package.Run(run).status == "finished"
    assert not (folder / "~").exists()
