"""Every experiment runs, small, and stands on the page with its picture and its answer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "configs" / "experiments"
EXPERIMENTS = sorted(path for path in FOLDER.glob("*.py") if path.stem != "common")
PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_runs_in_its_quick_size_and_draws(path, tmp_path):
    picture = tmp_path / "picture.svg"
    command = [sys.executable, "-W", "error", str(path), "--quick", "--out", str(picture)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert "<svg" in picture.read_text(encoding="utf-8")
    assert sorted(tmp_path.iterdir()) == [picture]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_stands_on_the_page_with_a_small_picture(path):
    assert f"](../configs/experiments/{path.name})" in PAGE
    assert f"](experiments/{path.stem}.svg)" in PAGE
    assert (ROOT / "docs" / "experiments" / f"{path.stem}.svg").stat().st_size < 80_000


def test_the_page_names_no_other():
    assert set(re.findall(r"experiments/(\w+)\.py\)", PAGE)) == {path.stem for path in EXPERIMENTS}
