"""A component: anything that a plugin registers, and what a config may set on it.

A component's parameters are read from the annotations that its author wrote anyway: a dataclass's fields, a function's
keyword arguments, an op's attributes. There is no second list to keep in step with them.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from trainer.errors import PluginError
from trainer.plugins.signatures import CALLS, mistakes
from trainer.plugins.traits import ReaderTraits, Traits, traits_of

if TYPE_CHECKING:
    from trainer.engine.op import Op

__all__ = ["DISTRIBUTION", "KINDS", "Component", "Parameter", "component", "is_ours", "noun", "snake_case"]

DISTRIBUTION = "tape-trainer"  # our own

KINDS = (
    "ops",
    "layers",
    "costs",
    "optimizers",
    "schedules",
    "metrics",
    "datasets",
    "readers",
    "preprocessors",
    "callbacks",
    "trackers",
    "executors",
    "launchers",
    "commands",
)

# What the loop calls on an instance. Checked at registration, so that a missing one is not found at the first step.
_METHODS = {
    "layers": ("init", "apply"),
    "optimizers": ("init", "update"),
    "schedules": ("__call__",),
    "preprocessors": ("fit", "apply"),
    "executors": ("missing", "executor", "loop"),
    "launchers": ("launcher",),
    "costs": ("__call__",),
    "metrics": ("__call__",),
    "callbacks": ("__call__",),
    "trackers": ("began", "step", "epoch", "ended"),
}
_ALSO_FUNCTIONS = ("costs", "metrics", "callbacks")


@dataclass(frozen=True)
class Parameter:
    """One thing that a config may set on a component. `default` is None where `required`."""

    name: str
    annotation: object
    default: object = None
    required: bool = False


@dataclass(frozen=True, repr=False)
class Component:
    """A registered op, layer, cost, optimizer, schedule, metric, data set, reader, preprocessor, callback, tracker,
    executor, launcher or command.

    Attributes:
        kind: one of `KINDS`.
        name: what a config calls it.
        target: the op, function or class that was registered.
        plugin: the plugin that registered it: an entry point's name, a file's or a module's.
        package: the distribution that the plugin came in and its version, `my-package 1.2`; None for a file.
        traits: what the plugin said about it, by its kind (see `trainer.plugins.traits`).

    >>> from trainer.plugins.traits import CostTraits
    >>> def huber(predictions, targets, *, delta: float = 1.0):
    ...     "Huber's error. Quadratic near 0."
    >>> component = Component("costs", "huber", huber, "my_costs", None, CostTraits())
    >>> component
    <cost huber(delta=1.0) of plugin 'my_costs'>
    >>> component.summary
    "Huber's error. Quadratic near 0."
    >>> component.build(delta=2.0).keywords
    {'delta': 2.0}
    """

    kind: str
    name: str
    target: Any
    plugin: str
    package: str | None
    traits: Traits

    @property
    def origin(self) -> str:
        """`plugin 'my_ops' (my-package 1.2)`, for messages."""
        return f"plugin '{self.plugin}'" + (f" ({self.package})" if self.package else "")

    @property
    def ours(self) -> bool:
        """Whether it ships with this project."""
        return is_ours(self.package)

    @property
    def summary(self) -> str:
        """The first line of the docstring; empty without one."""
        target = self.target
        doc = (target.doc if _is_op(target) else getattr(target, "__doc__", None)) or ""
        if inspect.isclass(target) and doc.startswith(target.__name__ + "("):
            return ""  # not a docstring: the signature that @dataclass puts where there is none
        return next((line.strip() for line in doc.splitlines() if line.strip()), "")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What a config may set, in the order of the signature; `{name: value}` sets the first."""
        return tuple(_parameters(self.kind, self.target))

    def build(self, **options: object) -> Any:
        """The component with its options: an instance of a class, otherwise a callable with the options bound."""
        if inspect.isclass(self.target):
            return self.target(**options)
        return partial(self.target, **options) if options else self.target

    def __repr__(self) -> str:
        shown = ", ".join(p.name if p.required else f"{p.name}={p.default!r}" for p in self.parameters)
        return f"<{noun(self.kind)} {self.name}({shown}) of {self.origin}>"


def is_ours(package: str | None) -> bool:
    """Whether a distribution, with or without its version, is this project's own.

    What is ours was checked before it shipped, has no commands besides the command's own, and is told last of two who
    want one name.

    >>> is_ours("tape-trainer 0.1.0"), is_ours("tape-trainer-extras 0.1.0"), is_ours(None)
    (True, False, False)
    """
    return package is not None and package.partition(" ")[0] == DISTRIBUTION


def noun(kind: str) -> str:
    """One of a kind, in words.

    >>> noun("ops"), noun("datasets")
    ('op', 'data set')
    """
    return "data set" if kind == "datasets" else kind.removesuffix("s")


def snake_case(name: str) -> str:
    """A class's name as a config writes it.

    >>> snake_case("LayerNorm"), snake_case("SGD"), snake_case("RMSProp"), snake_case("Conv2D")
    ('layer_norm', 'sgd', 'rms_prop', 'conv2d')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", name).lower()


def component(
    kind: str, obj: object, name: str | None, plugin: str, package: str | None, traits: Mapping[str, object]
) -> Component:
    """The Component for a call `register(obj, name=name, **traits)`; PluginError when `obj` cannot be one."""
    if name is None:
        name = (
            snake_case(obj.__name__) if inspect.isclass(obj) else getattr(obj, "name", getattr(obj, "__name__", None))
        )
    call = f"register_{kind}: register({_shown(obj)}{'' if name is None else f', name={name!r}'})"
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        raise PluginError(
            f"{call} has no name that a config could write; "
            "pass one of letters, digits and underscores: register(..., name='my_name')"
        )
    if kind == "ops" and not _is_op(obj):
        raise PluginError(
            f"{call} is not an op; make it one with @trainer.op, or trainer.op({name}) if it is not yours"
        )
    if inspect.isclass(obj) and not is_dataclass(obj):
        raise PluginError(
            f"{call} is a class whose options cannot be read; put @dataclass(frozen=True) above it and "
            "declare each option as a field with its type, in place of __init__"
        )
    methods = _METHODS.get(kind, ())
    if inspect.isclass(obj):
        missing = [method for method in methods if method not in dir(obj)]
        if missing:
            raise PluginError(f"{call} lacks the method {' and '.join(missing)}; {_contract(kind)}")
    elif kind in ("layers", "optimizers", "preprocessors", "trackers", "executors", "launchers"):
        raise PluginError(f"{call} is not a class; {_contract(kind)}")
    elif kind in _ALSO_FUNCTIONS and not callable(obj):
        raise PluginError(f"{call} cannot be called; {_contract(kind)}")
    try:
        said = traits_of(kind, traits, noun(kind))
    except PluginError as error:
        raise PluginError(f"{call}: {error}") from None
    if isinstance(said, ReaderTraits) and not (said.endings or said.folder):
        raise PluginError(
            f"{call} does not say what it reads; say endings=('.xyz',), or for folders "
            "folder=lambda path: (path / 'index.xyz').is_file()"
        )
    for mistake in mistakes(kind, obj):
        raise PluginError(f"{call} {mistake}")
    return Component(kind, name, obj, plugin, package, said)


def _contract(kind: str) -> str:
    article = "an" if kind[0] in "aeiou" else "a"
    if kind in _ALSO_FUNCTIONS:
        taken = ", ".join(CALLS[kind]["__call__"])
        return f"a {noun(kind)} is a function of ({taken}), or a frozen dataclass with __call__(self, {taken})"
    if kind == "trackers":
        return "a tracker is a dataclass that inherits trainer.experiment.Observer"
    return f"{article} {noun(kind)} is a frozen dataclass with {' and '.join(_METHODS[kind])}"


def _shown(obj: object) -> str:
    return str(getattr(obj, "__name__", None) or repr(obj))


def _is_op(obj: object) -> TypeGuard[Op]:
    if inspect.isclass(obj) or inspect.isroutine(obj):
        return False  # decided without importing the engine, and NumPy with it
    from trainer.engine.op import Op

    return isinstance(obj, Op)


def _parameters(kind: str, target: object) -> Iterator[Parameter]:
    if _is_op(target):
        from trainer.engine.op import REQUIRED

        annotations = _annotations(target.forward)
        for name, default in target.attributes.items():
            yield _parameter(name, annotations, MISSING if default is REQUIRED else default)
    elif inspect.isclass(target):
        annotations = _annotations(target)
        for field in fields(cast("Any", target)):
            if field.init:
                yield _parameter(field.name, annotations, _field_default(field))
    elif callable(target):
        yield from _function_parameters(kind, target)


def _function_parameters(kind: str, function: Callable[..., object]) -> Iterator[Parameter]:
    """Keyword-only parameters are options; a data set has no arrays to take, so there every parameter is one."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD,) if kind == "datasets" else ()
    annotations = _annotations(function)
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions of C extensions have none
        return
    for name, parameter in signature.parameters.items():
        if parameter.kind in (inspect.Parameter.KEYWORD_ONLY, *named) and name != "rng":
            yield _parameter(name, annotations, MISSING if parameter.default is parameter.empty else parameter.default)


def _annotations(target: object) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.func if isinstance(target, partial) else target, include_extras=True)
    except (NameError, TypeError):  # a name imported for type checkers only; a ufunc, which has no hints
        return {}


def _parameter(name: str, annotations: Mapping[str, object], default: object) -> Parameter:
    """Without an annotation the default's type stands in for it; a whole number then admits any number."""
    stand_in = {bool: bool, int: int | float, float: float, str: str}.get(type(default), Any)
    annotation = annotations.get(name, stand_in)
    if default is MISSING:
        return Parameter(name, annotation, required=True)
    return Parameter(name, annotation, default)


def _field_default(field: Field[object]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default
