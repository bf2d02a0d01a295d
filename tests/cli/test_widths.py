"""What commands print on terminals of three widths and of few characters: looked at once, and kept in `snapshots/`.

`pytest tests/cli/test_widths.py --write-snapshots` writes them again; look at what changed. Where a number depends on
the clock or the computer, it is a 0 there.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.service.client import Told

SNAPSHOTS = Path(__file__).parent / "snapshots"
TABLE = """\
sepal length in centimetres,petal,city,sold,species
5.1,1.4,Köln,2021-01-03,setosa
4.9,,Berlin,2021-01-04,virginica
6.3,6.0,München,2021-01-05,virginica
5.8,5.1,Köln,2021-02-05,setosa
5.8,5.2,Köln,2021-02-06,setosa
5.8,5.3,Berlin,2021-02-07,virginica
5.8,5.4,Köln,2021-02-08,setosa
5.8,5.5,Köln,2021-02-09,virginica
5.8,5.6,Köln,2021-02-10,setosa
6.8,4.1,Köln,2021-02-11,virginica
"""
FLOWERS = """\
dataset:
  {path: t.csv, target: species, categorical: auto, missing: allow, dates: [sold],
   preprocess: [simple_imputer, standard_scaler]}
network: [dense: 16, relu, dense: 2]
cost: softmax_cross_entropy
metrics: [accuracy, confusion_matrix]
step_size: 0.1
batch_size: 4
epochs: 3
compute: {executor: numpy}
"""
COMMANDS = {
    "list": "list",
    "optimizers": "list optimizers",
    "cost": "list costs huber",
    "key": "help stop.patience",
    "validate": "validate flowers.yaml",
    "run": "run flowers.yaml --out elsewhere --again",
    "runs": "runs",
    "compare": "compare flowers-a flowers-b",
    "evaluate": "evaluate flowers-b --part train",
    "plot": "plot flowers-b",
    "typing-error": "validate flowers.yaml step_szie=1",
    "long-line": "validate flowers.yaml dataset.preprocess=[simple_imputer,standard_scaler,standard_scaler,pca_]",
    "wrong-value": "validate flowers.yaml epochs=3.5 batch_size=-1",
    "no-config": "run flowerz.yaml",
    "no-command": "trian flowers.yaml",
    "setting": "run flowers.yaml --epochs 3",
    "overfit": "overfit flowers.yaml",
    "find": "find-step-size flowers.yaml",
    "sweep": "sweep flowers.yaml step_size=0.01,0.1 network.0.dense=4,16 --out swept --jobs 1",
    "report": "report flowers-a",
    "runs-compared": "report flowers-a flowers-b",
    "submit": "submit flowers.yaml",
    "watch": "watch last",
    "fetch": "fetch last --out fetched",
    "cancel": "cancel last",
    "login": "login http://127.0.0.1:8470 --browser",
    "served": "runs --at http://127.0.0.1:8470",
}  # fmt: skip
WIDTHS = (60, 80, 120)


RUN: dict[str, Any] = {
    "id": "01M8MSXTXJ0VHZS5C3YX179XFR", "name": "flowers of a long name", "owner": "ada", "state": "queued", "place": 3,
    "progress": {"epoch": 0, "epochs": 12}, "loss": None, "reason": "submitted",
}  # fmt: skip
POINTS = [
    {"epoch": i, "step": 2 * i, "step_size": 0.1, "seconds": 0.5 * i, "rows_per_second": 1234567.0,
     "train_loss": 1 / i, "train_accuracy": 1.0, "test_loss": 2 / i, "test_accuracy": 0.5}
    for i in (1, 2, 3)
]  # fmt: skip


class Service:
    """What a service of one run answers."""

    url = "http://127.0.0.1:8470"

    def ask(self, method: str, path: str, *_: object, **__: object) -> Any:
        last = path.partition("?")[0].rpartition("/")[2]
        files = {"config.yaml": b"seed: 0\n", "status.json": b"{}"}
        answers = {
            "runs": RUN if method == "POST" else {"data": [RUN], "next": None}, "cancel": {**RUN, "state": "cancelled"},
            "files": {"data": [{"name": name} for name in files]}, "tickets": {"path": "/login?ticket=2sLzVJ5mZ3nE-"},
        }  # fmt: skip
        return answers[last] if last in answers else files[last]

    def run(self, name: str) -> dict[str, Any]:
        return {**RUN, "state": "failed"}

    def events(self, run: str) -> Iterator[Told]:
        heading = "t.csv: 8 rows to train, 2 to test. dense, relu, dense: 194 parameters, float32, numpy executor."
        yield Told(1, "state", {"state": "queued", "reason": "submitted"})
        yield Told(2, "log", {"text": heading})
        yield Told(3, "points", {"epochs": 3, "points": POINTS})
        yield Told(
            4, "warning", {"text": "the test rows chose the epoch; their numbers are no estimate of other rows'"}
        )
        yield Told(5, "state", {"state": "failed", "reason": "attempt 3 ended without a word, as those before"})


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, its config, and two runs."""
    from trainer import train

    folder = tmp_path_factory.mktemp("widths")
    (folder / "t.csv").write_text(TABLE, encoding="utf-8")
    (folder / "flowers.yaml").write_text(FLOWERS)
    for name, size in (("a", 0.1), ("b", 0.02)):
        train(folder / "flowers.yaml", [f"name=flowers-{name}", f"step_size={size}"], out=folder / "runs")
    return folder


@pytest.fixture
def show(place: Path, monkeypatch: pytest.MonkeyPatch):
    """What a command shows on a terminal of that width and encoding, but for bold and the cursor's ways."""

    def show(line: str, width: int, encoding: str = "utf-8") -> str:
        screen = io.BytesIO()
        for name, value in {"COLUMNS": str(width), "NO_COLOR": "1", "TERM": "xterm"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(place)
        monkeypatch.setattr("trainer.explaining.batch._since", lambda began: 1.23e-4)
        monkeypatch.setattr("trainer.service.client.opened", lambda at: Service())
        for module in ("commands.runs", "terminal.ending"):  # a time has another width on a busy computer
            monkeypatch.setattr(f"trainer.cli.{module}.duration", lambda seconds: "0.0 s")
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, Terminal(screen, encoding=encoding, write_through=True))
        with pytest.raises(SystemExit):
            main(line.split())
        return re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", screen.getvalue().decode(encoding))

    return show


def still(text: str) -> str:
    """The text without what is another time or place."""
    text = re.sub(r"\d{8}-\d{6}", "20260131-174502", text)
    text = re.sub(r"^\r?(epoch|\d/\d) .*\n", "", text, flags=re.MULTILINE)  # the bar, by the clock
    text = re.sub(r"((?:elsewhere|swept)/\S+?-flowers)-\d+", r"\1", text)
    text = re.sub(r"\d\.\d{3}e\+\d\d", "0.000e+00", text)  # what diverges goes its own way on each processor
    text = re.sub(r"^(\w+ +)\d+( {2})", r"\g<1>0\2", text, flags=re.MULTILINE) if text.startswith("kind") else text
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_what_was_looked_at(name, width, show, request):
    shown = still(show(COMMANDS[name], width))
    file = SNAPSHOTS / f"{name}-{width}.txt"
    if request.config.getoption("--write-snapshots"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


def test_no_snapshot_is_left_of_a_command_that_is_not_shown():
    assert {file.name for file in SNAPSHOTS.iterdir()} == {f"{name}-{w}.txt" for name in COMMANDS for w in WIDTHS}


EVERYTHING = [
    *COMMANDS.values(), "list layers", "list costs", "list schedules", "list metrics", "list preprocessors", "datasets",
    "ops list", "plugins", "plugins trainer_ops", "help", "help dataset", "runs show flowers-b", "--help", "run --help",
    "explain flowers-b", "explain flowers.yaml", "find-step-size flowers.yaml", "runs check flowers-b", "serve --help",
    "resume flowers-b", "runs --at http://127.0.0.1:9", "predict flowers-b t.csv", "export flowers-b",
    "plot flowers-b -m x", "evaluate flowers-b nowhere.csv", "list callbacks", "list datasets csv",
    "runs compare flowers-c", "help nothing",
    "show flowers.yaml", "show flowers.yaml --profile", "validate flowers.yaml --deep", "ops show conv2d",
]  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("line", EVERYTHING)
def test_no_line_is_wider_than_the_terminal_but_for_a_word_that_is(line, width, show):
    for shown in show(line, width).splitlines():
        assert len(shown) <= width or len(max(shown.split(), key=len)) > width - 20, shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("line", EVERYTHING)
def test_a_terminal_of_few_characters_is_no_narrower(line, encoding, show):
    for shown in show(line, 80, encoding).splitlines():
        assert len(shown) <= 80 or len(max(shown.split(), key=len)) > 60, shown
