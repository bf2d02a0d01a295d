"""`trainer validate`: what a config declares, without training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import Config, Overrides, PluginOption
from trainer.cli.opening import opened
from trainer.cli.terminal.tables import print_table
from trainer.wording import count, listed, shape_of, typed

if TYPE_CHECKING:
    from trainer.config import schema
    from trainer.data import Prepared
    from trainer.training import Training

__all__ = ["command"]

MOST_CLASSES = 12
MOST_COLUMNS = 40


def command(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also compare the whole gradient with differences, and the program with the tape."),
    ] = False,
) -> None:
    """Check a config without training, and show its layers."""
    loaded = opened(config, overrides, plugin)
    from trainer.experiment import build
    from trainer.experiment.remarks import remarks

    training = build(loaded)
    typer.echo(f"{loaded.path} is valid.\n")
    for text in remarks(loaded, training):
        typer.echo(f"warning: {text}", err=True)
    for name, text in _summary(training, loaded.config).items():
        typer.echo(f"{name:<10}{text}")
    _print_account(training.data)
    _print_layers(training)
    if deep:
        plugins = [*loaded.config.plugins, *(plugin or ())]
        _check_gradient(training, "".join(f" --plugin {typed(each)}" for each in plugins))


def _print_account(data: Prepared) -> None:
    """How a table was understood, column by column."""
    if data.account is None:
        return
    columns = data.account.columns
    typer.echo(f"\n{'; '.join(data.account.said)}; {count(data.account.rows, 'row')}:\n")
    print_table(
        ["column", "role", "read as", "missing", "first rows"],
        [[c.name, c.role, c.read_as, f"{c.missing:,}", ", ".join(c.first)] for c in columns[:MOST_COLUMNS]],
        right={3},
        wrap=False,
    )
    if len(columns) > MOST_COLUMNS:
        typer.echo(f"and {count(len(columns) - MOST_COLUMNS, 'more column')}")


def _print_layers(training: Training) -> None:
    from trainer.experiment import layer_table

    rows = layer_table(training)
    typer.echo(f"\nScalar operations per step of {count(training.batch_size, 'row')}:\n")
    total = [sum(getattr(row, column) for row in rows) for column in ("parameters", "forward", "backward")]
    print_table(
        ["", "layer", "output", "parameters", "forward", "backward"],
        [
            ["", "input", shape_of(training.network.input_shape), "", "", ""],
            *(
                [str(i), r.name, shape_of(r.output_shape), f"{r.parameters:,}", f"{r.forward:,}", f"{r.backward:,}"]
                for i, r in enumerate(rows)
            ),
            ["", "total", "", *(f"{number:,}" for number in total)],
        ],
        right={0, 3, 4, 5},
    )


def _check_gradient(training: Training, with_plugins: str) -> None:
    """Raises Exit where it is wrong, and says how an op is checked by itself, with these options."""
    from trainer.training.gradient_check import ROWS, check_network
    from trainer.training.threads import pinned

    with pinned(1):
        training.check_program()
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
        f"at the layer of {wrong[-1]} and what follows it: trainer ops check NAME{with_plugins}",
        err=True,
    )
    raise typer.Exit(1)


def _summary(training: Training, config: schema.Config) -> dict[str, str]:
    data = training.data
    task = f"classification of {len(data.class_names)} classes" if data.class_names else "regression"
    task = f"{data.train.targets.shape[1]} labels of 0 and 1" if data.labels else task
    scaled = ", standardized" if data.scaling is not None else ""
    scaled += ", targets standardized" if data.target_scaling is not None else ""
    steps = training.steps_per_epoch * training.epochs
    step_size = config.step_size if isinstance(config.step_size, int | float) else config.step_size.name
    return {
        "data": f"{data.name}: {data.told} ({data.split}), {task}{scaled}",
        **_classes(data),
        **_changes(data, config.dataset),
        "cost": f"{config.cost.name}" + (f"; metrics {', '.join(training.metrics)}" if training.metrics else ""),
        "optimizer": f"{config.optimizer.name}, step size {step_size}" + "".join(f"; {w}" for w in _around(config)),
        "training": f"{count(training.epochs, 'epoch')} of {count(training.steps_per_epoch, 'step')}, "
        f"{steps:,} in all; {training.dtype}, seed {training.seed}",
    }


def _classes(data: Prepared) -> dict[str, str]:
    """The classes and how many rows each has."""
    names, rows = data.class_names, data.rows_of_class
    told = [f"{name} {n:,}" for name, n in zip(names, rows, strict=True)] if rows else list(names)
    return {"classes": listed(told, MOST_CLASSES)} if names else {}


def _around(config: schema.Config) -> Iterator[str]:
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


def _changes(data: Prepared, settings: schema.DatasetConfig) -> dict[str, str]:
    """What is done to the inputs, and how the rows are balanced, where a config says so."""
    changes = {}
    if data.preprocessing is not None:
        steps = ", ".join(step.name for step in settings.preprocess or ())
        shapes = f"{shape_of(data.preprocessing.input_shape)} to {shape_of(data.preprocessing.output_shape)}"
        changes["inputs"] = f"{steps}: {shapes}, fitted to the rows to train"
    balance = [f"{settings.resample}d rows to train"] if settings.resample else []
    if data.train.weights is not None:
        balance.append(f"weights of rows from {data.train.weights.min():.4g} to {data.train.weights.max():.4g}, mean 1")
    if balance:
        changes["balance"] = "; ".join(balance)
    return changes
