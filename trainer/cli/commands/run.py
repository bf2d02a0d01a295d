"""`trainer run`: the loop's records go to the run folder, its log and the display."""

from __future__ import annotations

import math
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from trainer.cli.paths import find_config
from trainer.cli.plugin_commands import report_problems
from trainer.cli.terminal.curve import draw_curve
from trainer.cli.terminal.display import (
    BarDisplay,
    Display,
    LineDisplay,
    SilentDisplay,
    Table,
    duration,
    is_terminal,
    is_unicode,
    may_colour,
    number,
)
from trainer.cli.terminal.tables import print_table
from trainer.cli.terminal.unread import going_on_unread

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.runs import RunFolder
    from trainer.threads import Threads
    from trainer.training.loop import Epoch, Training

__all__ = ["run_config"]


@going_on_unread()
def run_config(
    path: Path,
    overrides: Sequence[str],
    plugins: Sequence[str],
    out: Path,
    *,
    quiet: bool = False,
    debug: bool = False,
    allow_unchecked: bool = False,
) -> None:
    """Train what the config declares and leave a run folder in `out`; `debug` looks at every value of every step.

    Ops of others are checked before they train; `allow_unchecked` trains with a wrong one, and the run records it.

    Raises RuleError for a wrong op, ConfigError and DataError before there is a folder, DivergedError when the loss is
    no number any more, and typer.Exit(130) after Ctrl-C. In the last two cases the folder holds everything up to there.
    """
    path = find_config(path)  # before the imports: a typing error gets its answer at once
    from trainer.config import load
    from trainer.experiment import build
    from trainer.runs import RunFolder
    from trainer.threads import pinned, threads_for

    loaded = load(path, overrides, plugins)
    report_problems(loaded.plugins)
    unchecked = _unchecked(loaded, allow_unchecked)
    with pinned(1):
        training = build(loaded, debug=debug)
    with pinned(threads_for(training, loaded.config.compute.threads)) as threads:
        name = loaded.config.name or path.stem
        folder = RunFolder(out, name, config_text=_as_given(loaded), resolved=_resolved(loaded, plugins))
        about = {"executor": training.runs_on, "unchecked_ops": unchecked}
        try:
            with folder, _ending_tidily():
                folder.save_environment({**_environment(loaded, threads), **about})
                for finding in unchecked:
                    folder.log(f"trained regardless: {finding}")
                last = _train(training, folder, quiet=quiet)
                reports = _save_reports(training, folder)
        except KeyboardInterrupt:
            epoch = min(training.epoch + 1, training.epochs)
            typer.echo(f"interrupted in epoch {epoch} of {training.epochs}", err=True)
            typer.echo(str(folder.path))
            raise typer.Exit(130) from None
        except BaseException:
            typer.echo(str(folder.path))
            raise
    if not quiet:
        _print_curve(folder.path)
    _print_end(training, last, reports)
    typer.echo(str(folder.path))


def _save_reports(training: Training, folder: RunFolder) -> dict[str, Any]:
    """The tables of the end of a run, in the folder as well; and why it ended, if it ended early."""
    folder.reason = training.ended
    reports = training.report()
    for title, table in reports.items():
        folder.save_table(title, table, training.data.class_names)
    return reports


def _print_end(training: Training, last: Epoch | None, reports: Mapping[str, Any]) -> None:
    for title, table in reports.items():
        _print_report(title, table, training.data.class_names)
    if training.ended is not None:
        typer.echo(f"ended early: {training.ended}")
    if training.best is not None:
        typer.echo(f"the parameters are those of epoch {training.best.epoch.epoch:,}, the best")
        last = training.best.epoch
    for line in (*_result(last), *_undefined(last)):
        typer.echo(line)


def _print_report(title: str, table: Any, names: Sequence[str]) -> None:
    """A table of the classes that are against those that were predicted."""
    named = list(names) if len(names) == len(table) else [str(i) for i in range(len(table))]
    typer.echo(f"{title}: rows are what is, columns what was predicted\n")
    rows = [[name, *(f"{value:g}" for value in row)] for name, row in zip(named, table, strict=True)]
    print_table(["", *named], rows, right=set(range(1, len(named) + 1)))
    typer.echo()


def _unchecked(loaded: LoadedConfig, allow_unchecked: bool) -> list[str]:
    """What is wrong with the ops of others that the config uses, where that is allowed."""
    from trainer.engine.op import Op

    chosen = [(choice.component, choice.options) for choice in loaded.config.choices()]
    ops = [
        (component.target, options)
        for component, options in chosen
        if isinstance(component.target, Op) and not (component.package or "").startswith("tape-trainer ")
    ]
    if not ops:
        return []
    from trainer.checker.verdicts import ensure_checked

    return [f"{v.op}: {v.finding}" for v in ensure_checked(ops, allow_unchecked) if not v.ok]


def _train(training: Training, folder: RunFolder, *, quiet: bool) -> Epoch | None:
    """Feed every record to whoever wants it; returns the last epoch's. Parameters and curve are saved in any case."""
    from trainer.training.loop import Epoch

    heading = _heading(training)
    table = Table(training.epochs)
    first = last = None
    folder.log(heading)
    if not quiet:
        typer.echo(heading)
    try:
        with _display(training, quiet=quiet) as display:
            for record in training.records():
                if not isinstance(record, Epoch):
                    display.step(record)
                    continue
                first, last = first or record, record
                folder.record(record)
                for line in table.lines(record):
                    folder.log(line)
                display.epoch(record)
    finally:
        folder.save_parameters(training.parameters, training.data.scaling, training.data.preprocessing)
        folder.save_loss()
    if first is not None and last is not None:
        _warn_of_growth(first, last, training.current_step_size(), folder)
    return last


def _warn_of_growth(first: Epoch, last: Epoch, step_size: float, folder: RunFolder) -> None:
    """A loss that grows without becoming infinite ends like any other; somebody has to say so."""
    before, after = first.train["loss"], last.train["loss"]
    if after > 10 * abs(before):
        text = (
            f"warning: the train loss grew from {number(before)} after the first epoch to {number(after)}: nothing was "
            f"learnt. Try a smaller step size (step_size={step_size / 10:g}), or inputs and targets of one scale"
        )
        folder.log(text)
        typer.echo(text, err=True)


def _display(training: Training, *, quiet: bool) -> Display:
    if quiet:
        return SilentDisplay()
    if is_terminal():
        return BarDisplay(training.epochs, len(training.data.train))
    return LineDisplay(training.epochs)


def _heading(training: Training) -> str:
    data, network = training.data, training.network
    names = ", ".join(network.names)
    return (
        f"{data.name}: {len(data.train):,} rows to train, {len(data.test):,} to test. "
        f"{names}: {network.size:,} parameters, {training.dtype}, "
        f"{training.runs_on} executor.{_began(training)}{_why(training)}"
    )


def _began(training: Training) -> str:
    """Which parameters were not drawn."""
    if not training.start:
        return ""
    total = len(training.network.parts) + len(training.kept)
    return f"\n{len(training.start)} of {total} parameters from a saved run."


def _why(training: Training) -> str:
    """Why it is not the machine that runs, where a person might expect it."""
    missing = training.executor == "auto" and training.runs_on == "numpy"
    return "\nThe quicker native executor needs a C compiler when this package is installed." if missing else ""


def _result(last: Epoch | None) -> Iterator[str]:
    """The last epoch in words: what one looks for first comes last."""
    if last is None:
        return
    parts: list[tuple[str, Mapping[str, float]]] = [("train", last.train), ("test", last.test)]
    for part, values in parts:
        if values:
            named = sorted(values.items(), key=lambda item: item[0] == "loss")  # accuracy before loss
            yield (
                f"{part:<6}"
                + ", ".join(f"{name} {number(value)}" for name, value in named)
                + (
                    f" after {last.epoch:,} epoch{'' if last.epoch == 1 else 's'} in {duration(last.seconds)}"
                    if part == "train"
                    else ""
                )
            )


def _undefined(last: Epoch | None) -> Iterator[str]:
    """Which metrics are no number, so that a nan among the numbers is not taken for a fault of the training."""
    parts = [] if last is None else [("training", last.train), ("test", last.test)]
    for name in dict.fromkeys(name for _, values in parts for name in values):
        rows = [part for part, values in parts if math.isnan(values.get(name, 0.0))]
        if rows:
            yield f"{name} is nan: it gives no number for the {' and the '.join(rows)} rows"


def _print_curve(folder: Path) -> None:
    from trainer.runs import read_metrics

    metrics = read_metrics(folder / "metrics.csv")
    width = shutil.get_terminal_size().columns
    curve = draw_curve(metrics, width=width, unicode=is_unicode(), colour=may_colour())
    if curve:
        print(f"\n{curve}\n")  # noqa: T201  typer.echo would take the colours out


def _as_given(loaded: LoadedConfig) -> str | bytes:
    """The file's bytes; its text if somebody has changed the file since it was read."""
    try:
        content = loaded.path.read_bytes()
        return content if content.decode("utf-8-sig") == loaded.text else loaded.text
    except (OSError, UnicodeDecodeError):
        return loaded.text


def _resolved(loaded: LoadedConfig, plugins: Sequence[str]) -> dict[str, Any]:
    """The config as used, which runs again from anywhere: plugins of the command line are in it by their full paths."""
    resolved = loaded.resolved()
    added = [str(Path(plugin).expanduser().resolve()) if plugin.endswith(".py") else plugin for plugin in plugins]
    return {**resolved, "plugins": [*resolved.get("plugins", ()), *added]} if added else resolved


def _environment(loaded: LoadedConfig, threads: Threads) -> dict[str, Any]:
    from trainer.runs import describe_environment

    config = loaded.config
    components = [config.dataset.component, *(choice.component for choice in config.choices())]
    plugins = {component.plugin: component.package for component in components}
    return describe_environment(seed=config.seed, plugins=plugins, threads=threads, folder=loaded.path.parent)


@contextmanager
def _ending_tidily() -> Iterator[None]:
    """Let SIGTERM, with which schedulers and containers end a process, close the run folder as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # Python handles signals there only
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
