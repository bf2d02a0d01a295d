"""What the experiments share: the command line, runs over seeds, means with their intervals, a small picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

import trainer
from trainer.errors import DivergedError

Numbers = np.ndarray[Any, np.dtype[np.float64]]
PICTURES = Path(__file__).parents[2] / "docs" / "experiments"
AT_THE_END = {"train": "off", "every": 10**9}  # nothing is measured before the last epoch


def asked(doc: str | None, name: str) -> argparse.Namespace:
    """The command line: `quick` for a small size, `out` for where the picture goes."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seconds' worth, which answers nothing")
    parser.add_argument("--out", type=Path, default=PICTURES / f"{Path(name).stem}.svg", help="the picture's file")
    return parser.parse_args()


def reached(
    config: Mapping[str, Any], seeds: Sequence[int], metric: str = "accuracy", part: str = "test", **changes: Any
) -> Numbers:
    """The number that a config ends with, for each seed; nan where training diverged."""
    numbers = []
    for seed in seeds:
        try:
            outcome = trainer.train({"evaluate": AT_THE_END, **config, **changes, "seed": seed})
            assert outcome.epoch is not None
            numbers.append(outcome.epoch.numbers[part][metric])
        except DivergedError:
            numbers.append(np.nan)
    return np.array(numbers)


def interval(values: Numbers) -> tuple[float, float]:
    """The mean, and half of its 95 % interval by Student's t; 0 of a single value."""
    n = len(values)
    half = 0.0 if n < 2 else float(t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return float(values.mean()), half


def told(values: Numbers, digits: int = 3) -> str:
    """The mean with its interval, "0.982 ± 0.004"."""
    mean, half = interval(values)
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


@contextmanager
def picture(file: Path, x: str, y: str) -> Iterator[Any]:
    """Axes to draw on, which become a small SVG; the same numbers make the same bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style = {"svg.fonttype": "none", "svg.hashsalt": "trainer", "font.size": 9, "font.family": "sans-serif"}
    style |= {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    with rc_context(style):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes = figure.add_subplot(xlabel=x, ylabel=y)
        yield axes
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper left", ncols=3)  # over no curve
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None})


def curve(axes: Any, x: Sequence[float], values: Sequence[Numbers], label: str, colour: str) -> None:
    """Means over x, with their intervals."""
    means, halves = np.transpose([interval(each) for each in values])
    axes.errorbar(x, means, halves, marker="o", markersize=3, capsize=2, label=label, color=colour)
