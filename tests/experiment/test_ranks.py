"""`mpiexec -n N trainer run`: the bytes of one process, whoever computes, dies or is stopped."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from tests.hints import advised, brought
from trainer.errors import UsageError
from trainer.training import ranks

CONFIG = """
dataset: {name: moons, rows: 150}
network: [{dense: 8}, tanh, {dropout: 0.2}, {dense: 2}]
cost: softmax_cross_entropy
optimizer: adam
batch_size: 32
step_size: 0.01
epochs: 3
compute: {shards: 8}
checkpoint: {seconds: 0.2}
"""
# The mpiexec beside this Python, as PyPI's mpich has it; what Open MPI asks of a superuser, more ranks than processors,
# and how long a rank may take to end.
ENVIRONMENT = {
    **os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_odls_base_sigkill_timeout": "4",
}  # fmt: skip


@cache
def missing() -> str:
    """Why no ranks can be started here."""
    code = "from mpi4py import MPI; print(MPI.COMM_WORLD.size)"
    try:
        found = subprocess.run(
            ["mpiexec", "-n", "2", sys.executable, "-c", code],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return "there is no mpiexec: pip install mpich, or Debian's openmpi-bin"
    except subprocess.TimeoutExpired:
        return "mpiexec -n 2 does not come back"
    said = "".join(found.stdout.split())  # lines of several ranks mix
    return "" if said == "22" else f"two ranks do not find each other: {found.stderr[-300:]}"


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(CONFIG)


@pytest.fixture
def _mpi():
    if missing():
        pytest.skip(missing())


mpi = pytest.mark.usefixtures("_mpi")


def trainer(*arguments, ranks=1, **options):
    command = [sys.executable, "-m", "trainer", *arguments]
    if ranks > 1:
        command = ["mpiexec", "-n", str(ranks), *command]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=200, check=False, **options)


def made(folder):
    """What has to be the same: parameters, the numbers of metrics.csv but for seconds, the newest checkpoint."""
    [run] = Path(folder).iterdir()
    rows = [row[:-2] for row in csv.reader((run / "metrics.csv").read_text().splitlines())]
    newest = max((run / "checkpoints").glob("*.safetensors"))
    return (run / "parameters.safetensors").read_bytes(), rows, state(newest)


def state(file):
    from safetensors.numpy import load_file

    return {name: array.tobytes() for name, array in load_file(file).items() if "seconds" not in name}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes of so many epochs."""

    @cache
    def of(epochs):
        folder = tmp_path_factory.mktemp("alone")
        (folder / "net.yaml").write_text(CONFIG)
        ended = trainer("run", "net.yaml", "-q", f"epochs={epochs}", cwd=folder)
        assert ended.returncode == 0, ended.stderr
        return made(folder / "runs")

    return of


@mpi
@pytest.mark.parametrize("number", [2, 3, 8])  # of eight processes each has to start: some seconds
def test_ranks_leave_the_bytes_of_one_process(alone, number):
    together = trainer("run", "net.yaml", ranks=number)
    assert together.returncode == 0, together.stderr
    assert made("runs") == alone(3)
    assert f"8 shards on {number} ranks" in together.stdout
    assert together.stdout.count("after 3 epochs") == 1  # rank 0 alone speaks


@mpi
def test_a_run_goes_on_with_another_number_of_ranks(alone):
    assert trainer("run", "net.yaml", "-q", "epochs=1", ranks=3).returncode == 0
    went_on = trainer("resume", "net", "-q", "epochs=2", ranks=2)
    assert went_on.returncode == 0, went_on.stderr
    assert trainer("resume", "net", "-q", "epochs=3").returncode == 0
    assert made("runs") == alone(3)


@mpi
@pytest.mark.parametrize(("who", "how"), [("1", signal.SIGKILL), ("0", signal.SIGKILL), ("mpiexec", signal.SIGTERM)])
def test_all_ranks_end_with_one_that_dies_and_the_run_goes_on_from_its_checkpoint(start, alone, who, how, tmp_path):
    command = [sys.executable, "-m", "trainer", "run", "net.yaml", "epochs=100000", "-q"]
    with (tmp_path / "said").open("w") as said:
        process = start(["mpiexec", "-n", "3", *command], env=ENVIRONMENT, stdout=said, stderr=said)
        found = until(lambda: list(Path("runs").glob("*/checkpoints/*.json")))
        ranks = {environ.get("OMPI_COMM_WORLD_RANK", environ.get("PMI_RANK")): pid for pid, environ in processes()}
        os.kill(process.pid if who == "mpiexec" else ranks[who], how)
        assert process.wait(120) != 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ranks.values()))
    run = found[0].parent.parent
    about = json.loads((run / "status.json").read_text())
    assert about["status"] in ("interrupted", "running")  # a rank 0 that is killed writes nothing more
    if who == "mpiexec":
        assert (about["status"], about["reason"]) == ("interrupted", "ended by SIGTERM")
        assert f"trainer resume {run}" in (tmp_path / "said").read_text()
    epochs = 10 * (step_of(run) // 40 + 1)
    assert trainer("resume", str(run), "-q", f"epochs={epochs}").returncode == 0
    assert made("runs") == alone(epochs)


def until(true):
    for _ in range(2000):
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def processes():
    """The ranks that this test has started: number and environment."""
    here = os.getcwd()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "cwd") != here:
                continue
            pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"trainer" in command and b"mpiexec" not in command:
            yield int(folder.name), dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def step_of(run):
    newest = max((run / "checkpoints").glob("*.json"))
    return int(newest.stem)


@mpi
def test_what_fails_in_another_rank_is_told_once_and_ends_all():
    Path("mine.py").write_text(
        "import os\n"
        "from trainer.plugins import hookimpl\n"
        "def mine(rows: int = 40):\n"
        "    if os.environ.get('OMPI_COMM_WORLD_RANK', os.environ.get('PMI_RANK')) == '1':\n"
        "        raise FileNotFoundError('the disk of this host is not mounted')\n"
        "    import numpy as np\n"
        "    from trainer.data import Dataset\n"
        "    x = np.arange(2.0 * rows).reshape(rows, 2) / rows\n"
        "    return Dataset('mine', x, x[:, :1], 'regression')\n"
        "@hookimpl\n"
        "def register_datasets(register):\n"
        "    register(mine)\n"
    )
    failed = trainer(
        "run", "net.yaml", "--plugin", "mine.py", "dataset={name: mine}", "network=[dense: 1]",
        "cost=mean_squared_error", ranks=2,
    )  # fmt: skip
    assert failed.returncode != 0
    assert failed.stderr.count("rank 1 of 2 failed, on ") == 1
    assert "the disk of this host is not mounted" in failed.stderr
    assert not Path("runs").exists()


@mpi
def test_a_wrong_config_is_told_once():
    failed = trainer("run", "net.yaml", "stepsize=1", ranks=2)
    assert failed.stderr.count("unknown key 'stepsize'") == 1
    none = trainer("run", "net.yaml", "compute={dtype: float32}", ranks=2)
    assert "2 ranks were started, and the config does not say into how many shards" in none.stderr
    few = trainer("run", "net.yaml", "compute.shards=2", ranks=3)
    assert (
        "3 ranks were started, and a batch is cut into 2 shards (compute.shards): start at most so many" in few.stderr
    )


def test_ranks_of_another_mpi_than_mpi4py_loaded_are_refused(monkeypatch):
    pytest.importorskip("mpi4py", reason="the extra mpi is not installed")
    code = "from trainer.training.ranks import world\nworld()"
    environ = {**{k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMI"))}, "PMI_SIZE": "2"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    wanted = ("2 ranks were started, and each of them finds 1", "mpi4py, by which they speak, does not load")
    assert any(text in found.stderr for text in wanted)  # the second where there is no MPI at all
    assert "pip install 'tape-trainer[mpi]'" in found.stderr or "MPI4PY_MPIABI" in found.stderr


def test_ranks_without_mpi4py_say_what_to_install(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UsageError) as caught:
        ranks.world()
    assert str(caught.value).startswith("4 ranks were started, and mpi4py, by which they speak, does not load: ")
    advised(caught.value, "; pip install 'tape-trainer[mpi]', beside an MPI such as Debian's openmpi-bin or mpich")
    assert brought("mpi") == {"mpi4py"}  # with which, and an MPI, the other tests of this file start ranks


def test_one_process_imports_no_mpi():
    code = "import sys; from trainer.training.ranks import world; print(world(), 'mpi4py' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.split() == ["None", "False"]
