"""The loss against the step size, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import UsageError
from trainer.explaining.step_size import Search
from trainer.files import check_ending
from trainer.runs.lines import PALETTE
from trainer.runs.plots import ENDINGS, save_figure
from trainer.wording import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_place", "save_search"]

_HIGHEST = 1.5  # times the loss before the first step: what is above is as bad as any


def check_place(path: Path) -> None:
    """Raises UsageError where `save_search` could not write: said before the minutes that a search takes, not after."""
    check_ending(path, "a picture", *ENDINGS)
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")


def save_search(path: Path, found: Search, title: str) -> None:
    """Write a .png or .svg file: a curve for each number of epochs, and the step size that was found.

    Raises UsageError for another ending.
    """
    save_figure(lambda: _figure(found, title), path)


def _figure(found: Search, title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.7), dpi=150, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for i, epochs in enumerate(sorted({epochs for tried in found.tried for epochs in tried.losses})):
        there = [t for t in found.tried if t.losses.get(epochs, float("inf")) < _HIGHEST * abs(found.before)]
        sizes, losses = [t.step_size for t in there], [t.losses[epochs] for t in there]
        axes.plot(sizes, losses, "o-", color=PALETTE[i % len(PALETTE)], label=f"after {count(epochs, 'epoch')}")
    judged = [t for t in found.tried if len(t.seeds) > 1 and t.judged < _HIGHEST * abs(found.before)]
    if judged:
        sizes, losses = [t.step_size for t in judged], [t.judged for t in judged]
        axes.plot(sizes, losses, "k.-", label=f"the same, median of {len(judged[0].seeds)} seeds")
    axes.axvline(found.best, color="#7f7f7f", linestyle="--", label=f"{found.best:g}")
    axes.axhline(found.before, color="#7f7f7f", linestyle=":", label="before the first step")
    axes.set_xscale("log")
    if all(loss > 0 for tried in found.tried for loss in tried.losses.values()):
        axes.set_yscale("log")
    axes.set_xlabel("step size")
    axes.set_ylabel(f"{found.part} loss")
    axes.set_title(title, loc="left", parse_math=False)
    axes.legend(frameon=False)
    return figure
