"""docs/record.md tells of the folder that a run leaves: every file, every key, and no other."""

from __future__ import annotations

import csv
import json
import re
import runpy
from pathlib import Path

import pytest

import trainer

PAGE = (Path(__file__).parents[2] / "docs" / "record.md").read_text(encoding="utf-8")
# What a run leaves when it is asked for, or when something is wrong with it.
SELDOM = {"findings.json", "report.html", "tensorboard/", "mlflow.json"}


def named(section: str, table: int = 0) -> set[str]:
    """What stands in the first column of a table under a heading."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    rows = [line.split("|")[1] for line in tables[table].splitlines()[2:]]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> trainer.Run:
    (code,) = re.findall(r"```python\n(.*?)run = ", PAGE, flags=re.DOTALL)
    out = tmp_path_factory.mktemp("runs")
    (out / "page.py").write_text(code)
    config = runpy.run_path(str(out / "page.py"))["config"]
    start = trainer.train(config, ["epochs=1"], out=out).folder
    return trainer.run({**config, "start_from": str(start)}, ["epochs=2", "log.steps=1"], out=out)


def test_every_file_has_its_row(run: trainer.Run) -> None:
    there = {path.name + "/" * path.is_dir() for path in run.path.iterdir()}
    assert there == named("The files") - SELDOM


def test_every_key_has_its_row(run: trainer.Run) -> None:
    for name in ("status.json", "environment.json"):
        assert set(json.loads((run.path / name).read_text())) == named(name), name
    manifest = json.loads(next((run.path / "checkpoints").glob("*.json")).read_text())
    assert set(manifest) == named("checkpoints/")
    assert all(f"`{fact}`" in PAGE for fact in manifest["facts"])
    assert set(run.about["files"]) | {"status.json", "lock", "checkpoints/"} | {
        "parameters.safetensors", "parameters.safetensors.sha256",
    } == named("The files") - SELDOM  # fmt: skip


def test_every_column_has_its_row(run: trainer.Run) -> None:
    header = next(csv.reader((run.path / "metrics.csv").read_text().splitlines()))
    columns = {re.sub(r"^(train|validation|test)_.*", r"\1_…", column) for column in header}
    section = "metrics.csv and metrics.jsonl"
    assert columns == named(section) - {"test_…"}
    line = json.loads((run.path / "metrics.jsonl").read_text().splitlines()[0])
    assert set(line) == named(section, 1)


def test_what_reads_a_file_is_there(run: trainer.Run) -> None:
    for name in re.findall(r"`run\.(\w+)`", PAGE):
        assert getattr(run, name) is not None
