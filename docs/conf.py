"""The site: `sphinx-build -W docs docs/_build`, without a network; the lessons' own blocks draw their pictures."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import trainer

DOCS = Path(__file__).parent
# Told apart with any colour vision, and on white in the dark: what matplotlib finds beside a block that it is run for.
PICTURES = """
axes.prop_cycle: cycler(color=["2563eb", "ea580c", "7b8794"])
axes.spines.top: False
axes.spines.right: False
legend.frameon: False
"""
BLOCK = re.compile(r"^```python\n# (\w+)\.py\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)

project = "tape-trainer"
version = release = trainer.__version__
html_title = f"tape-trainer {release}"
html_show_copyright = False
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_js_files = [("tables.js", {"defer": "defer"})]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
default_role = "code"  # docstrings set what is code between single strokes
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_use_rtype = False
napoleon_use_ivar = True
html_copy_source = False
suppress_warnings = ["myst.xref_missing"]  # pages name files of the repository; links lead to a page, too


def _literally(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text: a star, a bar or an underscore is one, unless it stands between strokes."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            pieces = re.split(r"(`[^`]*`|^ *:\w+ [^:]*:)", line)  # code, and the beginning of a field
            lines[i] = "".join(p if n % 2 else _escaped(p) for n, p in enumerate(pieces))


def _escaped(text: str) -> str:
    return re.sub(r"([*|_\\])", r"\\\1", text)


def _draw(app: Any) -> None:
    """Run the blocks that have a name and draw, beside the others of their page."""
    for page in sorted((DOCS / "lessons").glob("*.md")):
        blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "matplotlibrc").write_text(PICTURES, encoding="utf-8")
            for name, code in blocks:
                (Path(folder) / f"{name}.py").write_text(code, encoding="utf-8")
            for name, code in blocks:
                if f'"{name}.svg"' in code:
                    subprocess.run([sys.executable, f"{name}.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
                    (DOCS / "lessons" / f"{name}.svg").write_bytes((Path(folder) / f"{name}.svg").read_bytes())


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", _draw)
    app.connect("autodoc-process-docstring", _literally)
