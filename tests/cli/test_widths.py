"""What commands print on terminals of three widths and of few characters: looked at once, and kept in `snapshots/`.

`pytest tests/cli/test_widths.py --write-snapshots` writes them again; look at what changed. Where a number depends on
the clock or the computer, it is a 0 there.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from trainer.cli import main

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
}  # fmt: skip
WIDTHS = (60, 80, 120)


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
    text = re.sub(r"^\r?epoch .*\n", "", text, flags=re.MULTILINE)  # the bar, by the clock
    text = re.sub(r"(elsewhere/\S+?-flowers)-\d+", r"\1", text)
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
