"""Runs compared, in the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from trainer.cli.terminal.tables import print_table
from trainer.runs.groups import Group, Reached, shown
from trainer.runs.listing import Summary
from trainer.wording import count, give_or_take, number

if TYPE_CHECKING:
    from trainer.sweeps.comparing import Comparison

__all__ = ["importance_lines", "plus_minus", "print_comparison"]

BESIDE = 3  # groups that stand beside one another, with their settings below one another; more are a row each
MOST = 40  # rows
OTHERS = 2  # numbers beside the one that is judged by, in a row


def plus_minus(reached: Reached) -> str:
    """A mean, and the deviation of several runs.

    >>> plus_minus(Reached(0.9712, 0.00312, 5)), plus_minus(Reached(0.9712, math.nan, 1))
    ('0.9712 ± 0.0031', '0.9712')
    """
    if math.isnan(reached.mean):
        return "-"
    alone = math.isnan(reached.deviation)
    return number(reached.mean) if alone else give_or_take(reached.mean, reached.deviation)


def print_comparison(found: Comparison) -> None:
    """The settings that differ and what was reached, how sure one can be of the differences, and what mattered."""
    if len(found.groups) <= BESIDE:
        _print_beside(found)
    else:
        _print_rows(found)
    if not found.keys and len(found.groups) > 1:
        typer.echo("\nThe configs are the same.")
    for line in (*_paired_lines(found), *importance_lines(found)):
        typer.echo(line)


def _print_beside(found: Comparison) -> None:
    groups = sorted(found.groups, key=lambda group: group.place)
    numbers = dict.fromkeys(name for group in groups for each in group.numbers.values() for name in each)
    rows = [[key, *(shown(group.settings.get(key)) for group in groups)] for key in found.keys]
    rows += [["status", *(_status(group) for group in groups)]]
    rows += [[name, *(plus_minus(group.number(name)) for group in groups)] for name in numbers]
    print_table(["", *map(_called, groups)], rows, right=set(range(1, len(groups) + 1)), wrap=False)


def _print_rows(found: Comparison) -> None:
    several = any(len(group.runs) > 1 for group in found.groups)
    columns = (found.column, *found.others[:OTHERS])
    compared = any(each is not None for each in found.paired)
    rows = []
    for group, pair in list(zip(found.groups, found.paired, strict=True))[:MOST]:
        row = [shown(group.settings.get(key)) for key in found.keys]
        row += [str(len(group.runs))] if several else []
        row += [plus_minus(group.number(column)) for column in columns]
        row += ["" if pair is None else f"{pair.short}, {pair.wins}/{len(pair.differences)}"] if compared else []
        rows.append(row)
    header = [*found.keys, *(["runs"] if several else []), *columns, *(["to the best"] if compared else [])]
    print_table(header, rows, right=set(range(len(header))), wrap=False)
    if len(found.groups) > MOST:
        typer.echo(f"and {len(found.groups) - MOST} more")


def _paired_lines(found: Comparison) -> Iterator[str]:
    """The best of two or three configs against the others, in words."""
    if len(found.groups) > BESIDE:
        if any(each is not None for each in found.paired):
            yield "\nto the best: the mean difference over common seeds, its 95 % interval, in how many it is better"
        return
    for group in found.groups[1:]:
        from trainer.sweeps.paired import compared

        pair = compared(found.best, group, found.column, found.better)
        if pair is not None:
            one, other = found.label(found.best), found.label(group)
            yield f"\n{one}, against {other}:\n{found.column} is {pair}"


def importance_lines(found: Comparison) -> Iterator[str]:
    """What share each key has in the differences, and how far that is to be trusted."""
    importance = found.importance
    if importance is None:
        return
    if not importance.shares:
        yield f"what mattered cannot be told: a random forest foretells no difference of {found.column}"
        return
    shares = ", ".join(f"{key} {share:.0%}" for key, share in importance.shares.items())
    yield f"importance: {shares} (permutation importance in a random forest with r² {importance.r2:.2f})"


def _called(group: Group) -> str:
    runs = list(group.runs.values())
    return runs[0].path.name if len(runs) == 1 else count(len(runs), "run")


def _status(group: Group) -> str:
    said: Sequence[str] = [Summary(run.path).status for run in group.runs.values()]
    return ", ".join(dict.fromkeys(said))
