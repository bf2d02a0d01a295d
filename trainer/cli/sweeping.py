"""A sweep, watched: what is printed while it goes on, at its end, and when it is cut short."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trainer.cli.comparing import importance_lines, plus_minus
from trainer.cli.terminal.abilities import is_terminal
from trainer.cli.terminal.tables import print_table
from trainer.cli.terminal.unread import going_on_unread
from trainer.cli.watching import second_at_once
from trainer.runs.groups import Reached
from trainer.sweeps.sweep import Sweep
from trainer.sweeps.sweeping import Plan, Watcher, train
from trainer.wording import count, cut, duration, number, typed

if TYPE_CHECKING:
    from trainer.sweeps.trials import Member, Trial

__all__ = ["swept"]

MOST = 40  # rows of a table


def swept(plan: Plan, out: Path, jobs: int | None, *, quiet: bool) -> None:
    """Train what is planned, with its display, and show what came of it. One that is cut short says how to go on."""
    shown: Watcher = Watcher() if quiet else _Bar(plan) if is_terminal() else _Lines(plan)
    try:
        with going_on_unread(), second_at_once():
            train(plan, out, jobs, shown)
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(shown, _Bar):
            shown.ended()
        if not quiet:
            _print_trials(plan)
        done = sum(trial.status in ("finished", "diverged") for trial in plan.trials)
        typer.echo(f"interrupted: {done} of {count(plan.size, 'trial')} done; the same command goes on", err=True)
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(130) from None
        raise
    if isinstance(shown, _Bar):
        shown.ended()
    _print_end(plan, quiet=quiet)


def _print_end(plan: Plan, *, quiet: bool) -> None:
    failed = [(trial, m) for trial in plan.trials for m in trial.members if m.status in ("failed", "waiting")]
    found = Sweep(plan)
    best = found.trials[0]
    reached = math.isfinite(best.score(plan.watched))
    if not quiet:
        _print_trials(plan)
        if reached and len(plan.trials) > 1:
            for line in importance_lines(found.comparison):
                typer.echo(line)
    for trial, member in failed:
        typer.echo(f"failed: {trial}: {member.problem}", err=True)
    if reached:
        runs = f" in {count(len(best.members), 'run')}" if len(best.members) > 1 else ""
        typer.echo(f"best {_title(plan)} {plus_minus(_reached(plan, best))}{runs}: {best}")
        typer.echo(str(best.members[0].path))
    if failed:
        raise typer.Exit(1)
    if not reached:
        said = f"trainer explain {typed(best.members[0].path)}"
        typer.echo(f"no trial reached a finite number; what may be wrong with the first: {said}", err=True)
        raise typer.Exit(3)


def _title(plan: Plan) -> str:
    return f"{plan.watched.part} {plan.watched.name}"


def _reached(plan: Plan, trial: Trial) -> Reached:
    return Reached.of([plan.watched.of(m.path) if m.path is not None else math.nan for m in trial.members])


def _print_trials(plan: Plan) -> None:
    """A row for each trial, the best first."""
    trials = plan.ranked()
    if not trials:
        return
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    told = any(trial.status != "finished" for trial in trials)
    rows = []
    for trial in trials[:MOST]:
        status = [trial.status] if told else []
        rows.append([*(trial.values.get(key, "-") for key in keys), plus_minus(_reached(plan, trial)), *status])
    header = [*keys, _title(plan), *(["status"] if told else [])]
    typer.echo()
    print_table(header, rows, right=set(range(len(keys) + 1)), wrap=False)
    if len(trials) > MOST:
        typer.echo(f"and {len(trials) - MOST} more")
    typer.echo()


class _Progress(Watcher):
    """Counts what is done, and remembers the best."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.over, self.best = plan, 0, math.nan
        self.total = plan.size * max(len(plan.seeds), 1)
        self.started = time.monotonic()

    def rung(self, epochs: int, left: int) -> None:
        self.over, self.total = 0, left * max(len(self.plan.seeds), 1)

    def done(self, trial: Trial, member: Member, *, there: bool) -> None:
        self.over += 1
        value = self.plan.watched.of(member.path) if member.path is not None else math.nan
        if not self.plan.watched.sign * value >= self.plan.watched.sign * self.best:
            self.best = self.best if math.isnan(value) else value

    def so_far(self) -> str:
        return "" if math.isnan(self.best) else f"best {_title(self.plan)} {number(self.best)}"


class _Lines(_Progress):
    """A line for each run that is done."""

    def began(self, plan: Plan) -> None:
        self._heading(plan)

    def _heading(self, plan: Plan) -> None:
        seeds = f" of {len(plan.seeds)} seeds" if plan.seeds else ""
        keys = ", ".join(axis.key for axis in plan.axes)
        typer.echo(f"{count(plan.size, 'trial')}{seeds}{f' of {keys}' if keys else ''}, by {_title(plan)}")

    def done(self, trial: Trial, member: Member, *, there: bool) -> None:
        super().done(trial, member, there=there)
        value = self.plan.watched.of(member.path) if member.path is not None else math.nan
        what = number(value) if member.status in ("finished", "paused") else member.status
        seed = f" seed={member.loaded.config.seed}" if self.plan.seeds else ""
        digits = len(str(self.total))
        mark = "=" if there else "~" if member.status == "paused" else " "
        typer.echo(f"{self.over:>{digits}}/{self.total} {mark} {what:<10} {trial}{seed}")

    def rung(self, epochs: int, left: int) -> None:
        super().rung(epochs, left)
        typer.echo(f"after {count(epochs, 'epoch')}: {count(left, 'trial')} {'goes' if left == 1 else 'go'} on")


class _Bar(_Lines):
    """A bar with the trials that are done, the best so far and the time left."""

    def began(self, plan: Plan) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._heading(plan)
        self._progress = Progress(
            TextColumn("{task.fields[done]}/{task.fields[all]}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=6)),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
            console=Console(highlight=False),
            auto_refresh=False,
            expand=True,
        )
        self._epochs: dict[int, float] = {}
        self._next, self._began = 0.0, self.started
        self._task = self._progress.add_task("", total=self.total, done=0, all=self.total, text="")
        self._progress.start()

    def moved(self, trial: Trial, member: Member, epoch: int) -> None:
        self._epochs[id(member)] = epoch / member.loaded.config.epochs
        if time.monotonic() >= self._next:
            self._draw()

    def done(self, trial: Trial, member: Member, *, there: bool) -> None:
        _Progress.done(self, trial, member, there=there)
        self._epochs.pop(id(member), None)
        self._draw()

    def rung(self, epochs: int, left: int) -> None:
        _Progress.rung(self, epochs, left)
        self._epochs.clear()
        self._began = time.monotonic()
        self._progress.update(self._task, total=self.total, all=self.total)

    def _draw(self) -> None:
        self._next = time.monotonic() + 0.1
        completed = min(self.over + sum(self._epochs.values()), self.total)
        elapsed = time.monotonic() - self._began
        left = elapsed * (self.total - completed) / completed if completed else 0.0
        whole = duration(time.monotonic() - self.started)
        ending = f"{duration(left)} left" if left else f"in {whole}"
        text = cut("  ".join(filter(None, (self.so_far(), ending))), max(self._progress.console.width - 20, 12))
        self._progress.update(self._task, completed=completed, done=self.over, text=text)
        self._progress.refresh()

    def ended(self) -> None:
        """Leave the bar as it is."""
        if hasattr(self, "_progress"):
            self._progress.stop()
