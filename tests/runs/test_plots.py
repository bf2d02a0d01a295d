import re
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import pytest
from PIL import Image

from trainer.errors import UsageError
from trainer.runs.lines import lines_of
from trainer.runs.plots import curves, loss_sheet, save_loss, save_plot
from trainer.runs.sheet import Dot, Stroke, Words

TEN: dict[str, list[float]] = {
    "epoch": list(range(1, 11)),
    "train_loss": [2.0 * 0.6**i for i in range(10)],
    "test_loss": [2.1 * 0.65**i + 0.05 for i in range(10)],
}


def texts(svg: Path) -> list[str]:
    root = xml.etree.ElementTree.fromstring(svg.read_text())  # noqa: S314  our own file
    return ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_names_its_curves_axes_and_last_values(tmp_path: Path) -> None:
    save_loss(tmp_path, TEN, "mlp")
    words = texts(tmp_path / "loss.svg")
    for word in (
        "mlp",
        "epoch",
        "train",
        "test",
        "1",
        "10",
        "loss per epoch, logarithmic axis · lowest test loss 0.0935 in epoch 10",
    ):
        assert word in words
    assert f"{TEN['train_loss'][-1]:.4g}" in words
    assert re.findall(r'id="(\w+-loss)"', (tmp_path / "loss.svg").read_text()) == ["train-loss", "test-loss"]


def test_the_same_metrics_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    save_loss(tmp_path / "here", TEN, "mlp")
    code = f"from trainer.runs.plots import save_loss; save_loss({str(tmp_path / 'there')!r}, {TEN!r}, 'mlp')"
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in ("loss.svg", "loss.png"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_the_picture_of_a_run_is_drawn_without_matplotlib(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from trainer.runs.plots import save_loss\n"
        f"save_loss({str(tmp_path)!r}, {TEN!r})\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'matplotlib']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "loss.png").exists()


def test_the_png_is_the_svg(tmp_path: Path) -> None:
    save_loss(tmp_path, TEN, "mlp")
    with Image.open(tmp_path / "loss.png") as image:
        assert (image.size, image.info["dpi"][0]) == ((1200, 704), pytest.approx(160, rel=1e-3))
        colours = {colour for _, colour in image.getcolors(1 << 20)}
    assert {(255, 255, 255), (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours
    assert 'viewBox="0 0 540 316.8"' in (tmp_path / "loss.svg").read_text()


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({}, "no epoch was finished"),
        ({"epoch": [1], "train_loss": [float("nan")]}, "no finite loss"),
        ({"epoch": [1], "train_loss": [0.5]}, "loss per epoch"),
        ({"epoch": [1, 2], "train_loss": [0.5, float("inf")]}, "loss per epoch · not finite in epoch 2"),
        (
            {"epoch": [1, 2], "train_loss": [0.0, 0.0], "test_loss": [0.0, 0.0]},
            "loss per epoch · lowest test loss 0 in epoch 1",
        ),
        ({"epoch": [1, 2], "train_loss": [-5.0, -1e9]}, "loss per epoch"),
        ({"epoch": [1, 2], "train_loss": [1e-30, 1e300]}, "loss per epoch · not finite in epoch 2"),
    ],
)
def test_odd_runs_have_a_picture_too(tmp_path: Path, metrics: dict[str, list[float]], said: str) -> None:
    save_loss(tmp_path, metrics, "odd")
    assert said in texts(tmp_path / "loss.svg")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_one_epoch_is_a_point_that_can_be_seen() -> None:
    marks = loss_sheet({"epoch": [1], "train_loss": [0.5], "test_loss": [0.7]}).marks
    assert [mark.radius for mark in marks if isinstance(mark, Dot)] == [3.5, 3.5]
    assert [mark.text for mark in marks if isinstance(mark, Words) and mark.at == "middle"] == ["1", "epoch"]


def test_labels_of_curves_that_end_together_do_not_overlap() -> None:
    sheet = loss_sheet({"epoch": [1, 2], "train_loss": [1.0, 0.5], "test_loss": [1.0, 0.5]})
    places = sorted(mark.place[1] for mark in sheet.marks if isinstance(mark, Words) and mark.bold and mark.text)
    assert all(b - a > 11 for a, b in pairwise(places[1:]))  # of letters of 10 points; the first is the title


def test_many_epochs_are_a_line_without_dots_and_gaps_are_gaps() -> None:
    losses = [2.0, 1.0, float("nan"), 0.5, *[0.4] * 40]
    marks = loss_sheet({"epoch": list(range(1, 45)), "train_loss": losses}).marks
    (curve,) = (mark for mark in marks if isinstance(mark, Stroke) and mark.name)
    assert [len(piece) for piece in curve.pieces] == [2, 41]
    assert not any(isinstance(mark, Dot) for mark in marks)


def test_names_that_are_no_parts_stand_below_and_their_lines_differ() -> None:
    metrics = {"epoch": [1, 2], "train_loss": [1.0, 0.5]}
    runs = [replace(lines_of(metrics)[0], name=f"run <{i}>", colour=i) for i in range(5)]
    sheet = curves(runs, "loss", "five")
    names = [mark for mark in sheet.marks if isinstance(mark, Words) and mark.text.startswith("run")]
    assert [mark.text for mark in names] == [f"run <{i}>   0.5" for i in range(5)]
    assert all(316.8 < mark.place[1] < sheet.height for mark in names)
    strokes = [mark for mark in sheet.marks if isinstance(mark, Stroke) and mark.width == 2.0]
    assert len({(mark.colour, mark.dashes) for mark in strokes}) == 5
    assert "run &lt;0&gt;" in sheet.svg().decode()


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a picture ends in .png or .svg, and curve.pdf does not"):
        save_plot(tmp_path / "curve.pdf", [], "loss")


def test_the_best_epoch_is_marked_where_other_rows_than_those_trained_on_say_it(tmp_path: Path) -> None:
    best = {**TEN, "test_loss": [2.0, 1.5, 1.0, 0.8, 0.7, 0.9, 1.0, 1.1, 1.2, 1.3]}
    marks = loss_sheet(best).marks
    (ring,) = (mark for mark in marks if isinstance(mark, Dot) and mark.edge)
    places = [mark.place for mark in marks if isinstance(mark, Dot) and mark.colour == ring.edge]
    assert ring.place == max(places, key=itemgetter(1))
    save_loss(tmp_path, best)
    assert (tmp_path / "loss.svg").read_text().count('id="best-epoch"') == 1
    for none in ({"epoch": [1, 2], "train_loss": [2, 1]}, {"epoch": [1], "train_loss": [2], "test_loss": [2]}, {}):
        save_loss(tmp_path, none)
        assert "best-epoch" not in (tmp_path / "loss.svg").read_text()


def test_a_run_that_ended_in_its_first_epoch_draws_its_steps(tmp_path: Path) -> None:
    save_loss(tmp_path, {}, "early", [4.0, 3.0, 50.0, float("inf")])
    assert {"loss per step · not finite in step 4", "step", "early"} <= set(texts(tmp_path / "loss.svg"))
    save_loss(tmp_path, TEN, "late", [4.0, 3.0])
    assert "epoch" in texts(tmp_path / "loss.svg")
