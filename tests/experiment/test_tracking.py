"""What TensorBoard reads of a run is what its folder says, once each, however often the run was stopped."""

import json
import struct
import sys
from pathlib import Path

import pytest

import trainer
from trainer.config import load
from trainer.config.policy import Policy
from trainer.errors import ConfigError
from trainer.experiment import tracking
from trainer.experiment.observer import Observer
from trainer.training import Step

pytest.importorskip("tensorboardX", reason="of the tensorboard extra")

MOONS = {
    "dataset": {"name": "moons", "rows": 60, "test_fraction": 0.25},
    "network": [{"dense": 4}, "tanh", {"dense": 2}],
    "cost": "softmax_cross_entropy",
    "step_size": 0.1,
    "batch_size": 16,
    "epochs": 4,
    "log": {"steps": 1, "tensorboard": True},
}


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of each curve, as TensorBoard keeps them: a start at a step drops what an earlier file has from there
    on."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.record_writer import masked_crc32c

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted((folder / "tensorboard").iterdir()):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            data = content[12 : 12 + length]
            assert struct.pack("<I", masked_crc32c(content[:8])) == content[8:12]
            assert struct.pack("<I", masked_crc32c(data)) == content[12 + length : 16 + length]
            content = content[16 + length :]
            event = Event.FromString(data)
            if event.session_log.status == SessionLog.START:
                found = {tag: [point for point in each if point[0] < event.step] for tag, each in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


class Stopped(Observer):
    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, record: Step) -> None:
        if record.step == self.at:
            raise KeyboardInterrupt


def test_it_has_every_number_of_the_folder(tmp_path: Path) -> None:
    run = trainer.run(MOONS, out=tmp_path)
    points = read(run.path)
    assert set(points) == {
        *(f"step/{name}" for name in ("loss", "step_size", "gradient", "update", "theta")),
        *(f"{name}/{part}" for name in ("loss", "accuracy") for part in ("train", "test")),
        "epoch/step_size",
    }
    steps = run.steps
    for name in ("loss", "step_size", "gradient", "update", "theta"):
        assert [step for step, _ in points[f"step/{name}"]] == steps["step"].tolist()
        assert [value for _, value in points[f"step/{name}"]] == pytest.approx(steps[name].tolist())
    assert [value for _, value in points["accuracy/test"]] == pytest.approx(run.metrics["test_accuracy"].tolist())
    assert [step for step, _ in points["loss/train"]] == run.metrics["step"].tolist()


@pytest.mark.parametrize("at", [1, 5])
def test_a_run_that_goes_on_has_no_point_twice(tmp_path: Path, at: int) -> None:
    whole = trainer.run(MOONS, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trainer.train(MOONS, out=tmp_path / "cut", observers=[Stopped(at)])
    (cut,) = (tmp_path / "cut").iterdir()
    trainer.Run(cut).resume()
    assert read(cut) == read(whole.path)


def test_a_run_that_begins_anew_has_no_point_twice(tmp_path: Path) -> None:
    whole = trainer.run(MOONS, ["checkpoint=false"], out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trainer.train(MOONS, ["checkpoint=false"], out=tmp_path / "cut", observers=[Stopped(6)])
    (cut,) = (tmp_path / "cut").iterdir()
    trainer.Run(cut).resume()
    assert read(cut) == read(whole.path)


def test_it_changes_no_byte_of_what_is_trained(tmp_path: Path) -> None:
    tracked = trainer.run(MOONS, out=tmp_path)
    plain = trainer.run(MOONS, ["log.tensorboard=false"], out=tmp_path)
    assert not (plain.path / "tensorboard").exists()
    for name in ("parameters.safetensors", "confusion_matrix.csv"):
        if (plain.path / name).exists():
            assert (tracked.path / name).read_bytes() == (plain.path / name).read_bytes()
    assert tracked.metrics["train_loss"].tolist() == plain.metrics["train_loss"].tolist()


@pytest.mark.parametrize("method", ["began", "step", "epoch", "ended"])
def test_what_fails_in_it_costs_a_line_and_not_the_run(tmp_path: Path, method: str, monkeypatch) -> None:
    def fails(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tracking.TensorBoard, method, fails)
    run = trainer.run(MOONS, out=tmp_path)
    assert run.status == "finished"
    assert run.log.count("warning: TensorBoard has no more of this run: ") == 1
    assert "No space left on device" in run.log
    assert len(run.metrics["epoch"]) == 4


def test_without_the_package_it_is_refused_at_its_line_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("trainer.experiment.tracking.find_spec", lambda name: None)
    config = tmp_path / "moons.yaml"
    config.write_text(
        "dataset: moons\nnetwork: [dense: 2]\ncost: softmax_cross_entropy\nstep_size: 0.1\nlog:\n  tensorboard: true\n"
    )
    needs = r"moons.yaml:6:16: log.tensorboard needs tensorboardX: pip install 'tape-trainer\[tensorboard\]'"
    with pytest.raises(ConfigError, match=needs):
        trainer.run(config, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def history(uri: str, folder: Path) -> dict[str, list[tuple[int, float]]]:
    client = pytest.importorskip("mlflow.tracking", reason="of the mlflow extra").MlflowClient(tracking_uri=uri)
    run = json.loads((folder / "mlflow.json").read_text())["run"]
    keys = client.get_run(run).data.metrics
    return {key: [(each.step, each.value) for each in client.get_metric_history(run, key)] for key in keys}


@pytest.mark.filterwarnings("ignore")  # of its own dependencies
def test_mlflow_has_the_numbers_once_and_goes_on_where_a_run_goes_on(tmp_path: Path) -> None:
    client = pytest.importorskip("mlflow.tracking", reason="of the mlflow extra").MlflowClient
    uri = f"sqlite:///{tmp_path}/store.db"
    overrides = [f"log.mlflow={uri}", "log.tensorboard=false"]
    whole = trainer.run(MOONS, overrides, out=tmp_path / "whole")
    assert "MLflow has no more" not in whole.log
    with pytest.raises(KeyboardInterrupt):
        trainer.train(MOONS, overrides, out=tmp_path / "cut", observers=[Stopped(5)])
    (cut,) = (tmp_path / "cut").iterdir()
    run = client(tracking_uri=uri).get_run(json.loads((cut / "mlflow.json").read_text())["run"])
    assert run.info.status == "KILLED"
    assert run.data.params["step_size"] == "0.1"
    trainer.Run(cut).resume()
    assert history(uri, cut) == history(uri, whole.path)
    points = history(uri, cut)
    assert [step for step, _ in points["step/gradient"]] == whole.steps["step"].tolist()
    assert [value for _, value in points["loss/test"]] == whole.metrics["test_loss"].tolist()
    assert client(tracking_uri=uri).get_run(run.info.run_id).info.status == "FINISHED"


def test_a_store_that_is_not_there_costs_a_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("trainer.experiment.tracking.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "mlflow", None)  # as one that cannot be imported
    run = trainer.run(MOONS, ["log.mlflow=http://127.0.0.1:9", "log.tensorboard=false"], out=tmp_path)
    assert run.status == "finished"
    assert run.log.count("warning: MLflow has no more of this run: ") == 1


def test_a_posted_config_names_no_store() -> None:
    text = json.dumps({**MOONS, "log": {"mlflow": "http://127.0.0.1:9"}})
    with pytest.raises(ConfigError, match=r"log\.mlflow names a store that the server would write to"):
        load("posted.yaml", text=text, policy=Policy(datasets=frozenset({"moons"})))
