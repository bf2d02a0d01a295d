"""The commands `trainer ops check` and `trainer ops new`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import typer

from trainer.cli.plugin_commands import report_problems

__all__ = ["check_ops", "new_op"]


def check_ops(what: Sequence[str], plugins: Sequence[str], *, quick: bool = False) -> int:
    """Check ops by name, file or package, or every registered one, and print what was found. Returns the exit code.

    One op that is asked for gets its whole report; of several, those that pass take a line each.
    """
    from trainer.checker.ledger import record
    from trainer.checker.library import check_all, exit_code, select
    from trainer.plugins import Plugins, shared

    found = Plugins(plugins) if plugins else shared()
    chosen = select(found, what)
    report_problems(found)
    start, reports = perf_counter(), []
    for report in check_all(chosen, quick=quick):
        reports.append(report)
        if not quick:
            record(chosen[report.name].target, report)
        typer.echo(str(report) if not report.ok or len(chosen) == 1 else report.summary())
        if not report.ok:
            typer.echo()
    if len(chosen) > 1:
        failed = [r.name for r in reports if not r.ok]
        text = f"{sum(r.total for r in reports):,} checks of {len(reports):,} ops in {perf_counter() - start:.1f} s"
        typer.echo(f"\n{text}: " + (f"{len(failed)} fail: {', '.join(failed)}" if failed else "all pass"))
    return exit_code(reports)


def new_op(name: str, folder: Path, plugins: Sequence[str]) -> None:
    """Write a plugin with one op that passes every check, and its tests. Raises UsageError where it cannot."""
    from trainer.checker.library import registered_ops
    from trainer.checker.scaffold import write_op
    from trainer.plugins import Plugins, shared

    plugin, test = write_op(name, folder, registered_ops(Plugins(plugins) if plugins else shared()))
    typer.echo(f"wrote {plugin} and {test}\n\nNext:\n    trainer ops check {plugin}\n    pytest {test}")
