"""What commands say to type next is typed, as it stands, and does what was said."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import SMALL
from tests.hints import Typed
from trainer.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, two runs of it on other rows, and a third in a folder of its own."""
    folder = tmp_path_factory.mktemp("typed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("small.yaml").write_text(SMALL)
        for line in ("", "dataset.rows=120 name=more", "--out elsewhere name=other"):
            with pytest.raises(SystemExit) as ended:
                main(["run", "small.yaml", "-q", *line.split()])
            assert ended.value.code == 0
        Path("runs").joinpath(min(Path("runs").iterdir()).name).rename("runs/RUN")
    return folder


TYPED = [
    Typed(["compare runs/RUN"], "one of them in full: trainer runs show RUN", ["runs show RUN"]),
    Typed(
        ["explain runs/RUN -o x.svg"],
        "trainer plot and trainer report draw a run",
        ["plot runs/RUN", "report runs/RUN"],
    ),
    Typed(
        ["export RUN"],
        "say as what: --onnx FILE, --python FILE or --safetensors FILE",
        ["export RUN --python m.py", "export RUN --safetensors m.safetensors"],
    ),
    Typed(
        ["export runs/RUN/parameters.safetensors --python x.py"],
        "parameters alone have no rows to compare an export on; give some: --rows DATA",
        ["export runs/RUN --python x2.py --rows inputs.csv"],
    ),
    Typed(
        ["find-step-size small.yaml step_size=0.1 --write"],
        "--write changes the file's step_size, and the command line gives another; leave that out",
        ["find-step-size small.yaml --write"],
    ),
    Typed(["find-step-size runs/RUN --write"], "name the config itself", ["find-step-size small.yaml --write"]),
    Typed(
        ["help"], "one of them: trainer help KEY; what it can name: trainer list", ["help optimizer", "list optimizers"]
    ),
    Typed(["help zzzzz"], "trainer help lists them all", ["help"]),
    Typed(
        ["help adam"],
        "'adam' is no key of a config, and can be named in one: trainer list optimizers adam",
        ["list optimizers adam"],
    ),
    Typed(
        ["list"],
        "those of a kind: trainer list KIND; one of them in full: trainer list KIND NAME",
        ["list costs", "list costs huber"],
    ),
    Typed(["list"], "every operation of one array is a layer too: trainer ops list", ["ops list"]),
    Typed(["list costs"], "one of them in full: trainer list costs NAME", ["list costs huber"]),
    Typed(
        ["list datasets"],
        "files and folders are data sets too, their options: trainer list datasets csv; or npz, npy, idx, svm, text",
        [f"list datasets {kind}" for kind in ("csv", "npz", "npy", "idx", "svm", "text", "typed", "images", "mapped")],
    ),
    Typed(
        ["run small.yaml network.0=zzzzz"],
        "see trainer list layers and, for ops of one array, trainer ops list",
        ["list layers", "ops list"],
    ),
    Typed(["run small.yaml dataset=zzzzz"], "see trainer list datasets", ["list datasets"]),
    Typed(["ops new bent"], "trainer ops check bent.py", ["ops check bent.py"]),
    Typed(["init 'my configs'"], "next: trainer run 'my configs/mlp.yaml'", ["run 'my configs/mlp.yaml' epochs=1"]),
    Typed(
        ["init 'my configs'", "init 'my configs'"],
        "name another: trainer init 'my configs/mlp-2.yaml'",
        ["init 'my configs/mlp-2.yaml'"],
    ),
    Typed(
        ["ops check zzzzz"],
        "`trainer ops list` names the ops, and a file ends in .py",
        ["ops list", "ops check bent.py"],
    ),
    Typed(["plugins"], "one of them in full: trainer plugins NAME", ["plugins trainer_ops"]),
    Typed(["run ."], "name a config file; in it are", ["run small.yaml --again"]),
    Typed(["run empty"], "; `trainer init` writes a first one", ["init empty"]),
    Typed(["runs show zzz"], "what there is: trainer runs", ["runs"]),
    Typed(["runs --in elsewhere show zzz"], "what there is: trainer runs --in elsewhere", ["runs --in elsewhere"]),
    Typed(
        ["runs --where foo"],
        "write NAME, one of <= >= != < > =, and a value: test_accuracy>=0.9",
        ["runs --where test_loss>=0.9"],
    ),
    Typed(
        ["runs --in nowhere"],
        "trainer run CONFIG makes one, or say which: trainer runs --in FOLDER",
        ["run small.yaml --out nowhere", "runs --in elsewhere"],
    ),
    Typed(
        ["evaluate runs/RUN/parameters.safetensors"],
        "say which rows: trainer evaluate FILE DATA",
        ["evaluate RUN rows.npz"],
    ),
]


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "empty").mkdir()
    (tmp_path / "inputs.csv").write_text("x\n" + "\n".join(f"{i / 10}" for i in range(20)) + "\n")
    np.savez(tmp_path / "rows.npz", inputs=np.arange(20.0)[:, None], targets=np.arange(20.0))
    return tmp_path


@pytest.mark.parametrize("typed", TYPED, ids=[each.wrong[-1] for each in TYPED])
def test_what_a_command_says_to_type_next_works(typed: Typed, place: Path, trainer: Any) -> None:
    if typed.wrong[0].startswith("ops check"):
        assert trainer("ops", "new", "bent").code == 0
    if "--write" in typed.wrong[0]:
        (place / "small.yaml").write_text(SMALL.replace("step_size: 0.1", "step_size: 0.001"))
    for line in typed.wrong:
        done = trainer(*shlex.split(line))
    assert typed.said in " ".join((done.out + done.err).split())
    for line in typed.right:
        done = trainer(*shlex.split(line))
        assert done.code == 0, done.err
