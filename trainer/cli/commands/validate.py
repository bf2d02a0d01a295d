"""The commands that only look: validate, ops, datasets, schema."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from trainer.cli.commands.list import files_line
from trainer.cli.paths import find_config
from trainer.cli.plugin_commands import report_problems
from trainer.cli.terminal.tables import print_table
from trainer.wording import count

if TYPE_CHECKING:
    from trainer.config.schema import Config, DatasetConfig
    from trainer.data import Prepared
    from trainer.engine.op import Op
    from trainer.engine.rules import Rule
    from trainer.plugins import Component, Plugins
    from trainer.training.loop import Training

__all__ = ["list_datasets", "list_ops", "print_schema", "show_config", "show_op"]


def show_config(path: Path, overrides: Sequence[str], plugins: Sequence[str], *, deep: bool = False) -> None:
    """Print what a config declares: data, layers with their shapes and work, length of training. Raises ConfigError.

    With `deep` also whether its gradient is right; exit code 1 where it is not.
    """
    path = find_config(path)
    from trainer.config import load
    from trainer.experiment import build, layer_table

    loaded = load(path, overrides, plugins)
    report_problems(loaded.plugins)
    training = build(loaded)
    rows = layer_table(training)
    typer.echo(f"{path} is valid.\n")
    for name, text in _summary(training, loaded.config).items():
        typer.echo(f"{name:<10}{text}")
    typer.echo(f"\nScalar operations per step of {count(training.batch_size, 'row')}:\n")
    total = [sum(column) for column in zip(*((r.parameters, r.forward, r.backward) for r in rows), strict=True)] or [
        0
    ] * 3
    print_table(
        ["", "layer", "output", "parameters", "forward", "backward"],
        [
            ["", "input", _shape(training.network.input_shape), "", "", ""],
            *(
                [str(i), r.name, _shape(r.output_shape), f"{r.parameters:,}", f"{r.forward:,}", f"{r.backward:,}"]
                for i, r in enumerate(rows)
            ),
            ["", "total", "", *(f"{number:,}" for number in total)],
        ],
        right={0, 3, 4, 5},
    )
    if deep:
        _check_gradient(training)


def _check_gradient(training: Training) -> None:
    from trainer.threads import pinned
    from trainer.training.gradient_check import ROWS, check_network

    with pinned(1):
        found = check_network(training)
    typer.echo(f"\nThe gradient on {min(ROWS, len(training.data.train))} rows, in float64, along random directions:\n")
    print_table(
        ["parameter", "by the rules", "by differences", "apart", ""],
        [
            [d.name, f"{d.rule:.10g}", f"{d.difference:.10g}", f"{abs(d.rule - d.difference):.2g}", d.verdict]
            for d in found
        ],
        right={1, 2, 3},
    )
    wrong = list(dict.fromkeys(d.name for d in found if d.verdict == "wrong"))
    if not wrong:
        undecided = sum(d.verdict == "undecided" for d in found)
        kinks = f"; {undecided} at a kink, where differences say nothing" if undecided else ""
        typer.echo(f"\nThe gradient is right{kinks}.")
        return
    typer.echo(
        f"\nThe gradient is wrong for {', '.join(wrong)}. A wrong rule spoils its own layer and those before it: look "
        f"at the layer of {wrong[-1]} and what follows it (trainer ops check NAME).",
        err=True,
    )
    raise typer.Exit(1)


def _summary(training: Training, config: Config) -> dict[str, str]:
    data = training.data
    task = f"classification of {len(data.class_names)} classes" if data.class_names else "regression"
    scaled = ", standardized" if data.scaling is not None else ""
    steps = training.steps_per_epoch * training.epochs
    step_size = config.step_size if isinstance(config.step_size, int | float) else config.step_size.name
    return {
        "data": f"{data.name}: {len(data.train):,} rows to train, {len(data.test):,} to test ({data.split}), "
        f"{task}{scaled}",
        **_changes(data, config.dataset),
        "cost": f"{config.cost.name}" + (f"; metrics {', '.join(training.metrics)}" if training.metrics else ""),
        "optimizer": f"{config.optimizer.name}, step size {step_size}" + "".join(f"; {w}" for w in _around(config)),
        "training": f"{count(training.epochs, 'epoch')} of {count(training.steps_per_epoch, 'step')}, "
        f"{steps:,} in all; {training.dtype}, seed {training.seed}",
    }


def _around(config: Config) -> Iterator[str]:
    """What is done to gradients and parameters beside the optimizer's step, and when it ends early."""
    for name, limit in (config.clip.model_dump(exclude_none=True) if config.clip else {}).items():
        yield f"clip {name.replace('_', ' ')} {limit:g}"
    if config.accumulate > 1:
        yield f"accumulate {config.accumulate} batches"
    if config.average is not None:
        yield f"average {config.average:g}"
    for penalty in config.penalty:
        sizes = ", ".join(f"{name} {size:g}" for name, size in (("l1", penalty.l1), ("l2", penalty.l2)) if size)
        yield f"penalty {sizes or 0} on {penalty.parameters}"
    if config.freeze:
        yield f"frozen {', '.join(config.freeze)}"
    if config.stop is not None:
        limits = config.stop.model_dump(include={"patience", "target", "steps", "seconds"}, exclude_none=True)
        if limits:
            yield "stop at " + ", ".join(f"{name} {limit:g}" for name, limit in limits.items())


def _changes(data: Prepared, settings: DatasetConfig) -> dict[str, str]:
    """What is done to the inputs, and how the rows are balanced, where a config says so."""
    changes = {}
    if data.preprocessing is not None:
        steps = ", ".join(step.name for step in settings.preprocess or ())
        shapes = f"{_shape(data.preprocessing.input_shape)} to {_shape(data.preprocessing.output_shape)}"
        changes["inputs"] = f"{steps}: {shapes}, fitted to the rows to train"
    balance = [f"{settings.resample}d rows to train"] if settings.resample else []
    if data.train.weights is not None:
        balance.append(f"weights of rows from {data.train.weights.min():.4g} to {data.train.weights.max():.4g}, mean 1")
    if balance:
        changes["balance"] = "; ".join(balance)
    return changes


def list_ops(plugins: Sequence[str], *, as_json: bool = False) -> None:
    """Print a table of every op and how many have derivatives; or a JSON list of them."""
    found = _plugins(plugins)
    if as_json:
        from trainer.checker.ledger import describe
        from trainer.checker.library import registered_ops

        typer.echo(json.dumps([describe(c) for c in registered_ops(found).values()], indent=1))
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


def show_op(name: str, plugins: Sequence[str]) -> None:
    """Print one op: signature, help, the residuals of each rule, and where it is written."""
    found = _plugins(plugins)
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


def _place(function: Any) -> str:
    """`file:line`, relative to the current folder where it lies below it, so that a terminal can open it."""
    from trainer.engine.rules import place

    file, colon, line = place(inspect.unwrap(function)).rpartition(":")
    path = Path(file)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}{colon}{line}"


def list_datasets(plugins: Sequence[str]) -> None:
    """Print a table of every data set."""
    from trainer.data import describe

    found = _plugins(plugins)
    rows = []
    for _, component in sorted(found.all("datasets").items()):
        facts = describe(component)
        labels = component.traits.get("labels")  # 0 or 1 each, so numbers to a cost
        task = f"{facts.classes} classes" if facts.classes else f"{labels} labels" if labels else facts.task or "-"
        options = ", ".join(p.name if p.required else f"{p.name}={p.default!r}" for p in component.parameters)
        size = "-" if facts.rows is None else f"{facts.rows:,}"
        rows.append([facts.name, size, _shape(facts.shape), task, options or "-", facts.description])
    report_problems(found)
    print_table(["name", "rows", "inputs", "task", "options", "what"], rows, right={1})
    typer.echo(f"\n{files_line()}")


def print_schema(plugins: Sequence[str]) -> None:
    """Print the JSON schema of a config."""
    from trainer.config import json_schema

    found = _plugins(plugins)
    text = json.dumps(json_schema(found), indent=2, ensure_ascii=False)
    report_problems(found)
    typer.echo(text)


def _plugins(sources: Sequence[str]) -> Plugins:
    from trainer.plugins import Plugins, shared

    return Plugins(sources) if sources else shared()


def _shape(shape: tuple[int, ...] | None) -> str:
    return "-" if shape is None else " × ".join(map(str, shape)) or "1"
