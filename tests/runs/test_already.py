"""The same config, data, code and seed are the same run: it is not trained again, but where it is not whole."""

import shutil
from pathlib import Path

import pytest

import trainer
from trainer.errors import DoneError
from trainer.runs import checking, digests

MOONS = {
    "dataset": {"name": "moons", "rows": 60, "test_fraction": 0.25},
    "network": [{"dense": 4}, "tanh", {"dense": 2}],
    "cost": "softmax_cross_entropy",
    "step_size": 0.1,
    "epochs": 2,
    "seed": 3,
}
PLUGIN = """
import numpy as np
from trainer import hookimpl

def gap(predictions, targets):
    return float(np.mean(predictions)) {}

@hookimpl
def register_metrics(register):
    register(gap, better="lower")
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trainer.run(MOONS, out=tmp_path_factory.mktemp("whole")).path


@pytest.fixture
def first(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / whole.name))


def asked_again(first: Path, *overrides: str, **changed: object) -> bool:
    """Whether the run that is there is what is asked for."""
    return trainer.run({**MOONS, **changed}, overrides, out=first.parent).path == first


def test_the_same_again_is_the_run_that_is_there(first: Path) -> None:
    told: list[object] = []
    assert trainer.run(MOONS, out=first.parent, on_record=told.append).path == first
    assert told == []
    assert [each.name for each in first.parent.iterdir()] == [first.name]


def test_whoever_wants_it_trains_it_again_to_the_same_bytes(first: Path) -> None:
    again = trainer.run(MOONS, out=first.parent, again=True)
    assert again.path != first
    for name in ("parameters.safetensors", "resolved.yaml"):
        assert (again.path / name).read_bytes() == (first / name).read_bytes()
    assert trainer.run(MOONS, out=first.parent).path == again.path  # the newest of the two


def test_a_loaded_config_of_the_library_trains_unless_it_is_told_otherwise(first: Path) -> None:
    from trainer.config import load
    from trainer.experiment import execute

    with pytest.raises(DoneError, match=r"already done: .*, of the same config, data, code and seed") as error:
        execute(load(MOONS), first.parent, again=False)
    assert Path(error.value.path) == first
    assert trainer.train(MOONS, out=first.parent).folder != first


@pytest.mark.parametrize("change", ["seed=4", "epochs=3", "step_size=0.2", "name=other", "dataset.noise=0.3"])
def test_another_setting_is_another_run(first: Path, change: str) -> None:
    assert not asked_again(first, change)


def test_a_run_that_is_not_finished_is_none(first: Path) -> None:
    class Stopped(trainer.experiment.Observer):
        def epoch(self, record: object) -> None:
            raise KeyboardInterrupt

    out = first.parent / "stopped"
    with pytest.raises(KeyboardInterrupt):
        trainer.train(MOONS, out=out, observers=[Stopped()])
    (stopped,) = out.iterdir()
    assert trainer.run(MOONS, out=out).path != stopped
    assert trainer.Run(stopped).resume().status == "finished"
    newest = trainer.run(MOONS, out=out).path  # whichever is the newest by its name, and nothing new
    assert newest in out.iterdir()
    assert len(list(out.iterdir())) == 2


def test_a_resumed_run_is_that_of_its_longer_config(first: Path) -> None:
    trainer.Run(first).resume(["epochs=4"])
    assert asked_again(first, "epochs=4")
    assert not asked_again(first)


def test_a_run_that_was_altered_is_none_whichever_file_it_is(first: Path) -> None:
    names = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    vouched = [name for name in names if name.name not in (".lock", "lock")]
    for i, name in enumerate(vouched):
        out = first.parent / f"flipped{i}"
        copy = Path(shutil.copytree(first, out / first.name))
        content = bytearray((copy / name).read_bytes())
        if not content:
            continue
        content[len(content) // 2] ^= 4
        (copy / name).write_bytes(content)
        assert trainer.runs.already.done(out, *asked(first)) is None, name
    assert trainer.runs.already.done(first.parent, *asked(first)) == first


def asked(first: Path) -> tuple[bytes, dict[str, str]]:
    return (first / "resolved.yaml").read_bytes(), digests.read_mapping(first / "status.json")["made_of"]


@pytest.mark.parametrize("lost", ["parameters.safetensors", "metrics.csv", "environment.json"])
def test_a_run_that_lacks_a_file_is_none(first: Path, lost: str) -> None:
    (first / lost).unlink()
    assert trainer.runs.already.done(first.parent, *asked(first)) is None


def test_what_a_person_changed_and_took_as_it_is_is_none(first: Path) -> None:
    config, made_of = asked(first)
    (first / "log.txt").write_text("mine\n")
    checking.accept(first)
    assert not any(checking.check(first).values())
    assert trainer.runs.already.done(first.parent, config, made_of) is None


def test_other_data_under_the_same_name_are_another_run(tmp_path: Path) -> None:
    rows = ["x,y", *(f"{i}.5,{i}" for i in range(40))]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(rows) + "\n")
    line = {**MOONS, "dataset": {"path": str(table), "target": "y"}, "network": [{"dense": 1}]}
    line["cost"] = "mean_squared_error"
    first = trainer.run(line, ["step_size=1e-5"], out=tmp_path / "runs")
    assert trainer.run(line, ["step_size=1e-5"], out=tmp_path / "runs").path == first.path
    rows[7] = "6.5,60"
    table.write_text("\n".join(rows) + "\n")
    assert trainer.run(line, ["step_size=1e-5"], out=tmp_path / "runs").path != first.path
    assert (
        trainer.Run(first.path).environment["data"]
        == digests.read_mapping(first.path / "status.json")["made_of"]["data"]
    )


def test_other_code_of_a_plugin_is_another_run(tmp_path: Path) -> None:
    plugin = tmp_path / "gaps.py"
    plugin.write_text(PLUGIN.format(""))
    line = {**MOONS, "plugins": [str(plugin)], "metrics": ["gap"]}
    first = trainer.run(line, out=tmp_path / "runs").path
    assert trainer.run(line, out=tmp_path / "runs").path == first
    plugin.write_text(PLUGIN.format("+ 1"))
    assert trainer.run(line, out=tmp_path / "runs").path != first


def test_a_run_that_went_on_with_other_code_is_made_of_both(tmp_path: Path) -> None:
    plugin = tmp_path / "gaps.py"
    plugin.write_text(PLUGIN.format(""))
    line = {**MOONS, "plugins": [str(plugin)], "metrics": ["gap"]}
    first = trainer.run(line, out=tmp_path / "runs")
    plugin.write_text(PLUGIN.format("+ 1"))
    first.resume(["epochs=3"])
    assert ", then " in digests.read_mapping(first.path / "status.json")["made_of"]["code"]
    assert trainer.run(line, ["epochs=3"], out=tmp_path / "runs").path != first.path


def test_other_parameters_to_begin_with_are_another_run(first: Path) -> None:
    begun = {**MOONS, "start_from": str(first)}
    out = first.parent / "begun"
    one = trainer.run(begun, out=out).path
    assert trainer.run(begun, out=out).path == one
    trainer.Run(first).resume(["epochs=5"])  # its parameters are others now
    assert trainer.run(begun, out=out).path != one
