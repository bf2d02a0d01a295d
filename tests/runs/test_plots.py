import os
import re
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from trainer.runs.plots import loss_figure, save_loss

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


def test_the_same_metrics_give_the_same_bytes_in_another_process_with_another_style(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    save_loss(tmp_path / "here", TEN, "mlp")
    (tmp_path / "matplotlibrc").write_text(
        "lines.linewidth: 9\nfont.size: 30\naxes.facecolor: black\nsavefig.dpi: 10\n"
    )
    code = f"from trainer.runs.plots import save_loss; save_loss({str(tmp_path / 'there')!r}, {TEN!r}, 'mlp')"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "MATPLOTLIBRC": str(tmp_path)})
    for name in ("loss.svg", "loss.png"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_drawing_leaves_the_settings_of_matplotlib_alone_and_needs_no_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys, matplotlib; matplotlib.rcParams['font.size'] = 33\n"
        "from trainer.runs.plots import save_loss\n"
        f"save_loss({str(tmp_path)!r}, {TEN!r})\n"
        "assert matplotlib.rcParams['font.size'] == 33\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
    axes = loss_figure({"epoch": [1], "train_loss": [0.5], "test_loss": [0.7]}).axes[0]
    assert [line.get_marker() for line in axes.lines] == ["o", "o"]
    assert all(line.get_markersize() >= 6 for line in axes.lines)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1"]


def test_labels_of_curves_that_end_together_do_not_overlap() -> None:
    figure = loss_figure({"epoch": [1, 2], "train_loss": [1.0, 0.5], "test_loss": [1.0, 0.5]})
    places = sorted(text.get_position()[1] for text in figure.axes[0].texts)
    assert places[1] - places[0] > 0.12


def test_the_best_epoch_is_marked_where_other_rows_than_those_trained_on_say_it(tmp_path: Path) -> None:
    best = {**TEN, "test_loss": [2.0, 1.5, 1.0, 0.8, 0.7, 0.9, 1.0, 1.1, 1.2, 1.3]}
    *_, ring = loss_figure(best).axes[0].lines
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([5], [0.7])
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
