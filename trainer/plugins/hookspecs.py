"""The hooks that a plugin may implement, one per kind of component.

    from trainer import hookimpl

    @hookimpl
    def register_ops(register):
        register(swish)

`register(obj, *, name=None, **traits)` takes an op, a function or a frozen dataclass. Without a name it uses the op's
own, the function's, or the class's in snake case. Traits are what a kind needs to know besides, such as a cost's
`targets="classes"`; `trainer.plugins.traits` has all of them, a dataclass per kind.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

__all__ = ["Register", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("trainer")
hookimpl = pluggy.HookimplMarker("trainer")


class Register(Protocol):
    """What a hook is handed: call it once per component."""

    def __call__(self, obj: object, *, name: str | None = None, **traits: object) -> None: ...


@hookspec
def register_ops(register: Register) -> None:
    """Ops: `trainer.op` objects, usable in `network:` when they take one array."""


@hookspec
def register_layers(register: Register) -> None:
    """Layers: frozen dataclasses with `init(rng, input_shape)` and a pure `apply(parameters, x)`.

    What these take and return, and what a layer may have besides, is said in `trainer.nn.Layer` and `docs/layers.md`.
    """


@hookspec
def register_costs(register: Register) -> None:
    """Costs: ops or functions of (predictions, targets) that return the cost of each example, shape (m,).

    Written in NumPy, for Tensors come through them. The trait `targets` says what they take for targets: "classes",
    indices (m,); "binary", 0 and 1, or "signs", -1 and 1, both (m, 1), or (m, k) of several labels; or "values",
    numbers (m, k), the default:

        register(my_cost, targets="classes")

    The trait `metrics` names what is measured by default.
    """


@hookspec
def register_optimizers(register: Register) -> None:
    """Optimizers: frozen dataclasses with pure `init(theta)` and `update(g, state, theta, step_size, step)`."""


@hookspec
def register_schedules(register: Register) -> None:
    """Schedules: frozen dataclasses that are called with a step number and return that step's size."""


@hookspec
def register_metrics(register: Register) -> None:
    """Metrics: functions of (predictions, targets), plain arrays, that return a number.

    The order is not that of scikit-learn. Traits: `task`, "classification" or "regression", where a metric is for one
    only; `better="lower"` for one that training should lower; `report=True` for one that returns a table instead, for
    the end of a run.
    """


@hookspec
def register_datasets(register: Register) -> None:
    """Data sets: functions that return a `trainer.data.Dataset`; a parameter `rng` gets the config's seed.

        Dataset(name, inputs, targets, task, class_names)

    `task` is "classification", with targets that are indices into `class_names`, or "regression", without names. The
    function's parameters are what a config may set.
    """


@hookspec
def register_readers(register: Register) -> None:
    """Readers of data files: functions of a path that return a `trainer.data.Dataset`; keyword-only options.

        register(read_arff, name="arff", endings=(".arff",), example="soil.arff")

    Of folders, the trait `folder` is a function of a folder's path that says whether it is one of the reader's.
    """


@hookspec
def register_preprocessors(register: Register) -> None:
    """Preprocessors: frozen dataclasses with `fit(inputs, rng)`, which returns arrays, and `apply(arrays, inputs)`."""


@hookspec
def register_callbacks(register: Register) -> None:
    """Callbacks: functions of (record, training), told every Step and Epoch; a text that they return ends training.

    They return None otherwise. `record` and `training` are a Step or an Epoch, and the Training, of `trainer.training`.
    """


@hookspec
def register_trackers(register: Register) -> None:
    """Trackers: dataclasses that inherit `trainer.experiment.Observer`, and take the numbers of a run elsewhere.

    A config's `log: {trackers: [NAME]}` asks for one. It is told every Epoch, and every Step where it has a `step`; it
    changes no training, and what goes wrong in it costs a line of the log and the rest of what it would have told.
    """


@hookspec
def register_executors(register: Register) -> None:
    """Executors: frozen dataclasses that make what runs a program, a `trainer.compiler.executors.Backend`.

    A config's `compute.executor` names one; all give the same bits.
    """


@hookspec
def register_launchers(register: Register) -> None:
    """Launchers: frozen dataclasses whose `launcher(site)` makes what starts attempts, a `trainer.service` Launcher.

    `trainer serve --launcher NAME` has one, and `--launcher 'NAME={option: value}'`. They are imported by the server
    itself, of strangers' those that `--allow-plugin` names; what is heavy waits until `launcher` is called.
    """


@hookspec
def register_commands(register: Register) -> None:
    """Commands: functions or Typer apps that become `trainer NAME`."""
