"""A run as a notebook shows it: what it is, its loss curve, and what it reached. No script, no request, no style of the
page's is touched; the colours are told apart by colour-blind people and on dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from trainer.runs.columns import PARTS
from trainer.runs.lines import lines_of
from trainer.runs.svg import chart
from trainer.wording import count, duration, number

if TYPE_CHECKING:
    from trainer.runs.loading import Run

__all__ = ["card"]


def card(run: Run) -> str:
    """HTML for a notebook, of a run that goes on as well."""
    metrics = run.metrics
    seconds = duration(float(run.about.get("seconds", 0)))
    epochs = len(next(iter(metrics.values()), ()))
    head = f"<b>{escape(run.path.name)}</b><br>{escape(run.status)}, {count(epochs, 'epoch')} in {seconds}"
    reason = f"<br>{escape(run.reason)}" if run.reason else ""
    tested = {f"test_{name}": float(value) for name, value in run.about.get("test", {}).items()}
    last = {name: float(values[-1]) for name, values in metrics.items()} if epochs else {}
    body = chart(lines_of(metrics), "loss") + _table({**last, **tested}) if epochs else ""
    return f'<div style="font-family:sans-serif;line-height:1.5">{head}{reason}{body}</div>'


def _table(last: dict[str, float]) -> str:
    """The numbers of the last epoch, and of a test at the end: a row for each part, a column for each metric."""
    parts = [part for part in PARTS if f"{part}_loss" in last]
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
