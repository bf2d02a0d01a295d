"""Figures of Matplotlib's in files: the same bytes, whatever a person has set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.errors import UsageError
from trainer.runs.figures import check_ending

DRAW = """
import sys
from pathlib import Path
from matplotlib.figure import Figure
from trainer.runs.figures import save_figure

def draw():
    figure = Figure(figsize=(3, 2), dpi=100)
    figure.add_subplot().plot([0, 1, 2], [1, 0, 2], label="a")
    figure.text(0.5, 0.5, "字")
    return figure

save_figure(draw, Path(sys.argv[1], "f.svg"), Path(sys.argv[1], "f.png"))
assert "matplotlib.pyplot" not in sys.modules
"""


def drawn(folder: Path, before: str = "", **environment: str) -> list[bytes]:
    folder.mkdir()
    command = [sys.executable, "-W", "error", "-c", before + DRAW, str(folder)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return [(folder / name).read_bytes() for name in ("f.svg", "f.png")]


def test_the_same_figure_gives_the_same_bytes_in_another_process_with_another_style(tmp_path: Path) -> None:
    style = "lines.linewidth: 9\nfont.size: 30\naxes.facecolor: black\nsavefig.dpi: 10\n"
    (tmp_path / "matplotlibrc").write_text(style)
    plain = drawn(tmp_path / "plain")
    assert drawn(tmp_path / "styled", MATPLOTLIBRC=str(tmp_path)) == plain
    assert drawn(tmp_path / "elsewhere", MPLBACKEND="module://nowhere") == plain


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    before = "import matplotlib; matplotlib.rcParams['font.size'] = 33\n"
    code = before + DRAW + "assert matplotlib.rcParams['font.size'] == 33\n"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a picture ends in .png or .svg, and curve.pdf does not"):
        check_ending(Path("curve.pdf"))
