"""The site builds without a warning and without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.timeout(1200)  # seconds of work, and minutes where twenty others want the same two cores
@pytest.mark.skipif(find_spec("furo") is None or find_spec("myst_parser") is None, reason="the extra docs is not there")
def test_it_builds_and_asks_nobody(tmp_path):
    """Some fifteen seconds of work, most of it the lessons' pictures, which are made by the build."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "known"), "docs"]
    done = subprocess.run([*command, str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    pages = {page.relative_to(tmp_path / "site"): page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")}
    assert {Path("index.html"), Path("api.html"), Path("lessons/6-engine.html"), Path("config.html")} <= pages.keys()
    for name, page in pages.items():
        fetched = re.findall(r"<(?:link|script|img)\b[^>]*(?:href|src)=\"(https?:[^\"]*)", page)
        assert fetched == [], name
    assert "<dt" in pages[Path("api.html")]
