"""`trainer ops`: list the operations, show one, check derivatives, begin one of your own."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainer.cli.arguments import PluginOption
from trainer.cli.plugin_commands import report_problems
from trainer.cli.terminal.tables import print_table
from trainer.wording import typed

if TYPE_CHECKING:
    from trainer.engine.op import Op
    from trainer.engine.rules import Rule
    from trainer.plugins import Component, Plugins

__all__ = ["group"]

FEW = 40  # ops that are checked before other processes would have begun

group = typer.Typer(
    no_args_is_help=True, help="List the operations, show one, check their derivatives, or begin one of your own."
)


@group.command("list")
def _list(
    plugin: PluginOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As data, with what rules keep and what the last check said.")
    ] = False,
) -> None:
    """List every operation: name, inputs, attributes, derivatives, plugin."""
    from trainer.plugins import available

    found = available(plugin or ())
    if as_json:
        import json

        from trainer.checker.ledger import line_of_op
        from trainer.checker.library import registered_ops

        typer.echo(json.dumps([line_of_op(c) for c in registered_ops(found).values()], indent=1))
        return
    rows = [
        [
            name,
            _inputs(component.target),
            _attributes(component.target),
            _derivatives(component.target),
            component.plugin,
            _help(component.target).partition("\n")[0],
        ]
        for name, component in sorted(found.all("ops").items())
    ]
    report_problems(found)
    print_table(["name", "inputs", "attributes", "derivatives", "plugin", "what"], rows, wrap=False)
    typer.echo(f"\n{len(rows)} ops, {sum(row[3] != 'none' for row in rows)} of them differentiable")


def _inputs(op: Op) -> str:
    return ", ".join(("*" if op.variadic else "") + name for name in op.inputs)


def _attributes(op: Op) -> str:
    from trainer.engine.op import REQUIRED

    return (
        ", ".join(name if default is REQUIRED else f"{name}={default!r}" for name, default in op.attributes.items())
        or "-"
    )


def _derivatives(op: Op) -> str:
    return "all" if op.differentiable == op.inputs else ", ".join(op.differentiable) or "none"


@group.command("show")
def _show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `trainer ops list` prints it.", show_default=False)],
    plugin: PluginOption = None,
) -> None:
    """Show one operation: signature, help, the residuals of each derivative, where it is written."""
    from trainer.plugins import available

    found = available(plugin or ())
    found.all("ops")
    report_problems(found)  # first: an op that is missing may have been a broken plugin's
    component = _find_op(found, name)
    op: Op = component.target
    attributes = _attributes(op)
    typer.echo(f"{op.name}({_inputs(op)}{'' if attributes == '-' else f', *, {attributes}'})\n")
    typer.echo(textwrap.indent(_help(op), "    ") + "\n")
    rows = []
    for target in op.inputs:
        what, where = _rule(op.rules.get(target))
        rows.append([f"δ{target}", what, where])
    print_table(["derivative", "residuals", "written in"], rows)
    typer.echo()
    details = {
        "kind": "element-wise: a cotangent is summed down to a broadcast input" if op.elementwise else "any shapes",
        "plugin": component.plugin + (f" ({component.package})" if component.package else ""),
        "source": _source(op),
    }
    for label, text in details.items():
        typer.echo(f"{label:<8}{text}")


def _find_op(plugins: Plugins, name: str) -> Component:
    """The op of that name, also where it is registered as a cost only. Raises PluginError with the nearest name."""
    from trainer.engine.op import Op

    for kind in ("ops", "costs"):
        component = plugins.all(kind).get(name)
        if component is not None and isinstance(component.target, Op):
            return component
    return plugins.get("ops", name)


def _help(op: Op) -> str:
    """The docstring; a ufunc's begins with its signatures, which say nothing here."""
    doc = inspect.cleandoc(op.doc) or "No help was written for it."
    if type(op.forward).__name__ == "ufunc":
        doc = doc.partition("\n\n")[2] or doc
        doc = doc.partition("\n\nParameters\n")[0]
    return doc.strip()


def _rule(rule: Rule | Any | None) -> tuple[str, str]:
    """The residuals of a rule, and where it stands; or why there is none."""
    from trainer.engine.rules import Rule

    if rule is None:
        return "no rule was written", "-"
    if not isinstance(rule, Rule):
        return f"nothing: {rule.name}" if rule.name == "zero" else rule.name, "-"
    together = f" (together with {', '.join(rule.inputs)})" if len(rule.inputs) > 1 else ""
    return (", ".join(rule.residuals) or "nothing") + together, _place(rule.function)


def _source(op: Op) -> str:
    if hasattr(op.forward, "__code__"):
        return _place(op.forward)
    module = "NumPy" if type(op.forward).__name__ == "ufunc" else str(getattr(op.forward, "__module__", "a library"))
    return f"{module}'s {op.forward.__name__}, made an op in {op.module}"


def _place(function: Callable[..., object]) -> str:
    """`file:line`, relative to the current folder where it lies below it, so that a terminal can open it."""
    from trainer.engine.rules import place

    file, colon, line = place(inspect.unwrap(function)).rpartition(":")
    path = Path(file)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}{colon}{line}"


@group.command("check")
def _check(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|FILE|PACKAGE]...",
            help="An operation, a plugin file, or a plugin package; everything without one.",
            show_default=False,
        ),
    ] = None,
    plugin: PluginOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="One sample of each operation, fewer variants.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes side by side; by default one per processor, for many ops."),
    ] = None,
) -> None:
    """Try to prove derivatives wrong, and show the worst element of each that is."""
    from trainer.checker.ledger import record
    from trainer.checker.library import check_all, check_side_by_side, exit_code, select
    from trainer.compiler.processors import processors
    from trainer.plugins import available

    found = available(plugin or ())
    chosen = select(found, what or ())
    report_problems(found)
    start, reports = perf_counter(), []
    jobs = jobs or (processors() if len(chosen) > FEW else 1)
    found_by = (
        check_all(chosen, quick=quick)
        if jobs == 1
        else check_side_by_side(what or (), plugin or (), list(chosen), jobs, quick=quick)
    )
    for report in found_by:
        reports.append(report)
        if not quick:
            record(chosen[report.name].target, report)
        # One op that is asked for gets its whole report; of several, those that pass take a line each.
        typer.echo(str(report) if not report.ok or len(chosen) == 1 else report.summary())
        if not report.ok:
            typer.echo()
    if len(chosen) > 1:
        failed = [r.name for r in reports if not r.ok]
        text = f"{sum(r.total for r in reports):,} checks of {len(reports):,} ops in {perf_counter() - start:.1f} s"
        typer.echo(f"\n{text}: " + (f"{len(failed)} fail: {', '.join(failed)}" if failed else "all pass"))
    raise typer.Exit(exit_code(reports))


@group.command("new")
def _new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What a config will call it.", show_default=False)],
    folder: Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where to write.")] = Path(),
    plugin: PluginOption = None,
) -> None:
    """Write a plugin with one operation that passes every check, and its tests."""
    from trainer.checker.library import registered_ops
    from trainer.checker.scaffold import write_op
    from trainer.plugins import available

    written, test = write_op(name, folder, registered_ops(available(plugin or ())))
    steps = [f"trainer ops check {typed(written)}", f"pytest {typed(test)}"]
    if find_spec("pytest") is None:
        steps.insert(1, "pip install pytest")
    typer.echo("\n    ".join([f"wrote {written} and {test}\n\nNext:", *steps]))
