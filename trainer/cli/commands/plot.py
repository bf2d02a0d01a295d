"""`trainer plot`: the curves of runs, or what a model has learnt, in the terminal or as a picture."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import RunFolders, RunsOfNames
from trainer.cli.paths import find_runs
from trainer.cli.terminal.abilities import is_unicode, may_colour
from trainer.errors import UsageError

if TYPE_CHECKING:
    from trainer.data.prepared import Rows
    from trainer.experiment.model import Model
    from trainer.experiment.pictures import Panels

__all__ = ["command"]

COLUMNS = 100  # of a curve where nobody says how wide it may be


def command(
    names: RunsOfNames,
    metric: Annotated[
        str, typer.Option("--metric", "-m", metavar="NAME", help="loss, a metric, or a column: test_loss, step_size.")
    ] = "loss",
    steps: Annotated[
        bool,
        typer.Option(
            "--steps", help="Over the logged steps: loss, step_size, or the norms gradient, update and theta."
        ),
    ] = False,
    regions: Annotated[
        bool, typer.Option("--regions", help="What a model of two inputs says over the plane of them.")
    ] = False,
    filters: Annotated[bool, typer.Option("--filters", help="The filters of its convolutions.")] = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="What each position of a row takes from the others, head by head.")
    ] = False,
    row: Annotated[
        int, typer.Option("--row", metavar="N", min=0, help="Of the rows kept from training, for --attention.")
    ] = 0,
    data: Annotated[
        bool, typer.Option("--data/--no-data", help="Read the data set, to draw its rows over --regions.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Draw into a .png or .svg file.", show_default=False),
    ] = None,
    root: RunFolders = Path("runs"),
) -> None:
    """Draw the curves of one run, or of several over one another; or what the model of one has learnt."""
    paths = list(dict.fromkeys(path for name in names for path in find_runs(name, root)))
    asked = [name for name, wanted in (("regions", regions), ("filters", filters), ("attention", attention)) if wanted]
    if len(asked) + steps > 1 or (asked and len(paths) > 1):
        raise UsageError(
            "one picture at a time: --steps, --regions, --filters or --attention; the last three of one run"
        )
    drawn = _learnt(paths[0], asked[0], row, data, out) if asked else _curves(paths, metric, steps, out)
    if out is not None:
        typer.echo(out)
    else:
        print(drawn)  # noqa: T201  typer.echo would take the colours out


def _curves(paths: Sequence[Path], metric: str, steps: bool, out: Path | None) -> str:
    """Curves as text, unless they go into a file."""
    from trainer.runs import load
    from trainer.runs.bands import group_curves
    from trainer.runs.comparing import curves, differences, labels, step_curves
    from trainer.runs.groups import grouped

    runs = [load(path) for path in paths]
    groups = grouped([runs]) if len(runs) > 1 else []
    called = labels(runs, differences(runs)) if len(runs) > 1 else []
    over, drawn_of = ("step", step_curves) if steps else ("epoch", curves)
    banded = not steps and 0 < len(groups) < len(runs)
    what, lines = group_curves(groups, metric) if banded else drawn_of(runs, called, metric)
    if out is not None:
        from trainer.runs.plots import save_plot

        title = paths[0].name if len(paths) == 1 else f"{len(paths)} runs"
        save_plot(out, lines, what, f"{title}, mean and standard deviation" if banded else title, over)
        return ""
    from trainer.cli.terminal.curve import draw_lines

    drawn = draw_lines(lines, what, width=_width(), unicode=is_unicode(), colour=may_colour(), over=over)
    if not drawn and not any(line.finite > 1 for line in lines):
        raise UsageError(f"a curve takes two {over}s with a finite {what}, and there are fewer")
    return _seen(drawn)


def _width() -> int:
    return shutil.get_terminal_size((COLUMNS, 24)).columns


def _seen(drawn: str) -> str:
    if not drawn:
        raise UsageError(f"{_width()} columns are too few for a picture; -o FILE draws one")
    return drawn


def _learnt(path: Path, what: str, row: int, data: bool, out: Path | None) -> str:
    """A picture of a model as text, unless it goes into a file."""
    from trainer.cli.terminal.insides import draw_panels, draw_plane
    from trainer.experiment.model import load
    from trainer.experiment.pictures import figures, regions

    model = load(path)
    if what == "regions":
        plane = regions(model, _kept(model, path) if data and out is not None else None)
        if out is None:
            return _seen(draw_plane(plane, width=_width(), colour=may_colour()))
        figures.save_plane(out, plane, path.name)
        return ""
    panels = _panels(model, path, what, row)
    if out is None:
        return draw_panels(panels, width=_width(), colour=may_colour())
    figures.save_panels(out, panels, path.name)
    return ""


def _panels(model: Model, path: Path, what: str, row: int) -> list[Panels]:
    """Raises UsageError for a model that has none, and for a row that is not there."""
    from trainer.experiment.pictures import attention, filters

    if what == "filters":
        panels, of = filters(model), "conv1d and conv2d"
    else:
        rows = _kept(model, path)
        if row >= len(rows):
            raise UsageError(f"--row {row}: there are {len(rows):,} rows, counted from 0")
        panels, of = attention(model, rows[row : row + 1]), "transformer_block"
    if not panels:
        raise UsageError(f"{model.name} has no {what} to draw, which layers such as {of} have")
    return panels


def _kept(model: Model, path: Path) -> Rows:
    """The rows that were kept from training, those of the test first; all where none were."""
    from trainer.experiment.evaluating import kept_rows

    return kept_rows(model, path)
