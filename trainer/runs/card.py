"""A run as a notebook shows it: what it is, its loss curve, and what it reached. No script, no request, no style of the
page's is touched; the colours are told apart by colour-blind people and on dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from trainer.runs.scale import Scale, scale_for
from trainer.wording import count, duration, number

if TYPE_CHECKING:
    from trainer.runs.loading import Run
    from trainer.types import Array

__all__ = ["card"]

COLOURS = {"train": "#3b8bd0", "validation": "#009e73", "test": "#d55e00"}
WIDTH, HEIGHT, LEFT, BOTTOM = 360, 140, 44, 18  # of the picture, and of the margins with the labels


def card(run: Run) -> str:
    """HTML for a notebook, of a run that goes on as well."""
    metrics = run.metrics
    losses = {part: metrics[f"{part}_loss"] for part in COLOURS if f"{part}_loss" in metrics}
    seconds = duration(float(run.about.get("seconds", 0)))
    epochs = len(next(iter(metrics.values()), ()))
    head = f"<b>{escape(run.path.name)}</b><br>{escape(run.status)}, {count(epochs, 'epoch')} in {seconds}"
    reason = f"<br>{escape(run.reason)}" if run.reason else ""
    tested = {f"test_{name}": float(value) for name, value in run.about.get("test", {}).items()}
    last = {name: float(values[-1]) for name, values in metrics.items()} if epochs else {}
    body = f"{_curve(losses)}{_table({**last, **tested})}" if epochs else ""
    return f'<div style="font-family:sans-serif;line-height:1.5">{head}{reason}{body}</div>'


def _curve(losses: dict[str, Array]) -> str:
    """The losses over the epochs, as SVG; a line is broken where there is no number."""
    shown = {part: values for part, values in losses.items() if np.isfinite(values).any()}
    if not shown:
        return ""
    scale = scale_for(np.concatenate([*shown.values()]).tolist(), ticks=4)
    lines = [_line(part, values, scale) for part, values in shown.items()]
    epochs = max(map(len, shown.values()))
    ticks = [
        f'<text x="{LEFT - 6}" y="{_height(scale, tick) + 3.5:.1f}" text-anchor="end">{scale.label(tick)}</text>'
        for tick in scale.ticks
    ]
    axis = [
        f'<text x="{LEFT}" y="{HEIGHT - 3}">epoch 1</text>',
        f'<text x="{WIDTH - 4}" y="{HEIGHT - 3}" text-anchor="end">{epochs:,}</text>',
    ]
    names = " ".join(f'<tspan fill="{COLOURS[part]}">{part}</tspan>' for part in shown)
    title = f'<text x="{WIDTH / 2}" y="{HEIGHT - 3}" text-anchor="middle">loss: {names}</text>'
    label = f"loss of {' and '.join(shown)} over {count(epochs, 'epoch')}"
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="display:block;width:100%;max-width:{WIDTH * 1.5:.0f}px" font-size="10" fill="currentColor">'
        f"{''.join(ticks)}{''.join(lines)}{''.join(axis)}{title}</svg>"
    )


def _height(scale: Scale, value: float) -> float:
    return (HEIGHT - BOTTOM) * (1 - scale.position(value)) + 4


def _line(part: str, values: Array, scale: Scale) -> str:
    """A path with a piece for each stretch of finite numbers; a single epoch is a dot."""
    step = (WIDTH - LEFT - 4) / max(len(values) - 1, 1)
    path, pen = "", "M"
    for epoch, value in enumerate(values.tolist()):
        if not np.isfinite(value):
            pen = "M"
            continue
        x, y = LEFT + step * epoch, _height(scale, value)
        path += f"{pen}{x:.1f},{y:.1f}" + ("h0" if pen == "M" else "")
        pen = "L"
    return f'<path d="{path}" fill="none" stroke="{COLOURS[part]}" stroke-width="2" stroke-linecap="round"/>'


def _table(last: dict[str, float]) -> str:
    """The numbers of the last epoch, and of a test at the end: a row for each part, a column for each metric."""
    parts = [part for part in COLOURS if f"{part}_loss" in last]
    names = dict.fromkeys(n.removeprefix(f"{part}_") for part in parts for n in last if n.startswith(f"{part}_"))
    cell = '<td style="text-align:right;padding:0 .6em">{}</td>'
    head = "".join(cell.format(escape(name)) for name in ("", *names))
    rows = "".join(
        f"<tr>{cell.format(part)}"
        + "".join(cell.format(number(last[f"{part}_{n}"]) if f"{part}_{n}" in last else "") for n in names)
        + "</tr>"
        for part in parts
    )
    style = "border-collapse:collapse;color:inherit;font-size:inherit;margin-top:.5em"
    return f'<table style="{style}"><tr>{head}</tr>{rows}</table>'
