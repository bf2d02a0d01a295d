"""Figures of Matplotlib's in files, with this project's style: those of everything but curves.

The same figure gives the same bytes: no date, a fixed salt for the SVG's identifiers, and no influence of a person's
matplotlibrc. pyplot is never imported (it would look for a window system), and SVG text stays text.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import UsageError
from trainer.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ENDINGS", "check_ending", "save_figure"]

ENDINGS = (".png", ".svg")
_STYLE: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "path.simplify": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "tape-trainer",
    "text.usetex": False,
    "axes.unicode_minus": True,
    "axes.titley": 1.0,  # not looked for either
}
_LOCK = threading.Lock()  # Matplotlib's settings belong to the process; two runs may finish at once


def save_figure(draw: Callable[[], Figure], *paths: Path) -> None:
    """Draw what `draw` makes, with this project's style, into .png and .svg files that have the same bytes every time.

    Raises UsageError for another ending.
    """
    for path in paths:
        check_ending(path)
    rc_context, rcParamsDefault = _settings()
    plain: dict[Any, Any] = {name: rcParamsDefault[name] for name in rcParamsDefault if not name.startswith("backend")}
    with _LOCK, rc_context({**plain, **_STYLE}), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing from font"
        )  # of a name in another script; a box stands there
        figure = draw()
        # An SVG leaves its figure with 72 dots per inch, so that it is the last.
        contents = {path: _printed(figure, path) for path in sorted(paths, key=lambda path: path.suffix.lower())}
    for path, content in contents.items():
        atomic_write(path, content)


def check_ending(path: Path) -> None:
    """Raise UsageError for a file that `save_figure` does not write."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"a picture ends in .png or .svg, and {path.name} does not")


def _printed(figure: Figure, path: Path) -> bytes:
    """What the file holds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content = io.BytesIO()
    if path.suffix.lower() == ".svg":
        FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None, "Creator": "tape-trainer"})  # type: ignore[no-untyped-call]
    else:
        # Most of it is runs of one colour: to look for nothing else takes two thirds of the time, for 1/7 more bytes.
        FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
            content, metadata={"Software": "tape-trainer"}, pil_kwargs={"compress_type": 3}
        )
    return content.getvalue()


def _settings() -> tuple[Any, Any]:
    """Matplotlib's settings. No window is opened, so that a backend which is not there does no harm: every notebook
    names its own to its child processes, and Matplotlib would not be imported."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib import rc_context, rcParamsDefault
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return rc_context, rcParamsDefault
