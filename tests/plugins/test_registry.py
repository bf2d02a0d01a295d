from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pytest

import trainer
from tests.hints import Advice, advised
from trainer import op
from trainer.errors import PluginError
from trainer.plugins import Component, Parameter
from trainer.plugins.registry import component, is_ours
from trainer.plugins.traits import CostTraits


def make(kind: str, obj: Any, name: str | None = None, **traits: Any) -> Component:
    return component(kind, obj, name, "my_plugin", "my-package 1.2", traits)


def failure(kind: str, obj: Any, name: str | None = None) -> str:
    with pytest.raises(PluginError) as caught:
        make(kind, obj, name)
    return str(caught.value)


@op
def swish(x, *, beta=1.0, steps: int, mode: Literal["a", "b"] = "a"):
    """x · σ(beta·x).

    More about it.
    """
    return x / (1 + np.exp(-beta * x))


@dataclass(frozen=True)
class LayerNorm:
    size: Annotated[int, "positive"]
    epsilon: float = 1e-5
    axes: tuple[int, ...] = field(default_factory=lambda: (0, 1))
    hidden: int = field(default=3, init=False)

    def init(self, rng, input_shape):
        return {}, input_shape

    def apply(self, parameters, x):
        return x


def huber(predictions, targets, *, delta=1, rng=None):
    return np.abs(predictions - targets) * delta


def moons(rows: int = 100, *, noise: float = 0.1, rng=None):
    """Two half circles."""


def test_an_op_has_its_attributes_as_parameters():
    swish_op = make("ops", swish)
    assert swish_op.name == "swish"
    assert swish_op.summary == "x · σ(beta·x)."
    assert swish_op.parameters == (
        Parameter("beta", float, 1.0),
        Parameter("steps", int, required=True),
        Parameter("mode", Literal["a", "b"], "a"),
    )
    assert swish_op.build() is swish
    assert swish_op.build(beta=2.0).keywords == {"beta": 2.0}
    assert repr(swish_op) == "<op swish(beta=1.0, steps, mode='a') of plugin 'my_plugin' (my-package 1.2)>"


def test_a_dataclass_has_its_init_fields_as_parameters():
    norm = make("layers", LayerNorm)
    assert norm.name == "layer_norm"
    assert norm.summary == ""  # not the signature that dataclass makes a docstring of
    assert norm.parameters == (
        Parameter("size", Annotated[int, "positive"], required=True),
        Parameter("epsilon", float, 1e-5),
        Parameter("axes", tuple[int, ...], (0, 1)),
    )
    assert norm.build(size=4) == LayerNorm(4)


def test_a_function_has_its_keyword_only_arguments_as_parameters_and_a_data_set_all_of_them():
    assert make("costs", huber).parameters == (Parameter("delta", int | float, 1),)
    assert make("datasets", moons).parameters == (Parameter("rows", int, 100), Parameter("noise", float, 0.1))


def test_a_numpy_function_has_no_parameters():
    ufunc = np.frompyfunc(abs, 1, 1)
    assert make("ops", op(ufunc, name="magnitude")).parameters == ()


def test_annotations_that_only_a_type_checker_can_read_are_any():
    def cost(predictions, targets, *, weight: "OnlyForTypeCheckers" = 1):  # type: ignore[name-defined]  # noqa: F821 - the case
        return predictions

    assert make("costs", cost).parameters == (Parameter("weight", int | float, 1),)


def test_traits_are_kept():
    assert make("costs", huber, targets="values").traits == CostTraits(targets="values")


@pytest.mark.parametrize(
    ("kind", "traits", "problem"),
    [
        ("costs", {"target": "classes"}, "a cost has no trait 'target'; did you mean 'targets'?"),
        ("metrics", {"lower": True}, "a metric has no trait 'lower'; there are: task, better, report, positive"),
        ("callbacks", {"often": True}, "a callback has no trait 'often'; it has none"),
        (
            "costs",
            {"targets": "labels"},
            "the trait targets of a cost is 'classes', 'binary', 'signs' or 'values', not 'labels'",
        ),
        ("metrics", {"report": "yes"}, "the trait report of a metric is true or false, not 'yes'"),
    ],
)
def test_a_trait_that_a_kind_has_not_is_refused(kind, traits, problem):
    with pytest.raises(PluginError) as caught:
        make(kind, lambda a, b: a, "mine", **traits)
    assert str(caught.value) == f"register_{kind}: register(<lambda>, name='mine'): {problem}"


def test_what_cannot_be_registered_is_refused_with_the_way_out():
    class Plain:
        pass

    @dataclass(frozen=True)
    class HalfLayer:
        def init(self, rng, input_shape):
            return {}, input_shape

    @dataclass(frozen=True)
    class Schedule:
        pass

    assert failure("ops", huber) == (
        "register_ops: register(huber, name='huber') is not an op; make it one with @trainer.op, "
        "or trainer.op(huber) if it is not yours"
    )
    assert failure("costs", lambda p, t: p) == (
        "register_costs: register(<lambda>, name='<lambda>') has no name that a config could write; "
        "pass one of letters, digits and underscores: register(..., name='my_name')"
    )
    assert failure("layers", Plain) == (
        "register_layers: register(Plain, name='plain') is a class whose options cannot be read; "
        "put @dataclass(frozen=True) above it and declare each option as a field with its type, in place of __init__"
    )
    assert failure("layers", HalfLayer) == (
        "register_layers: register(HalfLayer, name='half_layer') lacks the method apply; "
        "a layer is a frozen dataclass with init and apply"
    )
    assert failure("optimizers", huber) == (
        "register_optimizers: register(huber, name='huber') is not a class; "
        "an optimizer is a frozen dataclass with init and update"
    )
    assert failure("schedules", Schedule) == (
        "register_schedules: register(Schedule, name='schedule') lacks the method __call__; "
        "a schedule is a frozen dataclass with __call__"
    )


class Sized:
    def __init__(self, size: int) -> None:
        self.size = size

    def init(self, rng, input_shape):
        return {}, input_shape

    def apply(self, parameters, x):
        return x * self.size


@dataclass(frozen=True)
class SizedAsTold:
    size: int

    init, apply = Sized.init, Sized.apply


def given(predictions, targets): ...


MAGNITUDE = np.frompyfunc(abs, 1, 1)


ADVICE = [
    Advice(
        lambda: make("ops", given),
        "make it one with @trainer.op, or trainer.op(given) if it is not yours",
        (lambda: make("ops", trainer.op(given)),),
    ),
    Advice(
        lambda: make("ops", MAGNITUDE, "magnitude"),
        "or trainer.op(magnitude) if it is not yours",
        (lambda: make("ops", trainer.op(MAGNITUDE, name="magnitude")),),
    ),
    Advice(
        lambda: make("costs", lambda p, t: p),
        "pass one of letters, digits and underscores: register(..., name='my_name')",
        (lambda: make("costs", lambda p, t: p, name="my_name"),),
    ),
    Advice(
        lambda: make("layers", Sized),
        "put @dataclass(frozen=True) above it and declare each option as a field with its type, in place of __init__",
        (lambda: make("layers", SizedAsTold).build(size=2).apply({}, 1),),
    ),
    Advice(
        lambda: make("readers", lambda path: path, "mine"),
        "say endings=('.xyz',), or for folders folder=lambda path: (path / 'index.xyz').is_file()",
        (
            lambda: make("readers", lambda path: path, "mine", endings=(".xyz",)),
            lambda: make("readers", lambda path: path, "mine", folder=lambda path: (path / "index.xyz").is_file()),
        ),
    ),
]


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said[:60] for each in ADVICE])
def test_what_a_message_says_to_write_is_registered(advice):
    advice.followed(PluginError)


def test_a_signature_that_is_written_as_a_message_says_is_taken():
    def half(y_true, y_pred): ...

    def init(self, shape):
        return {}, shape

    names: dict[str, Any] = {}
    said = advised(failure("metrics", half), "; write def half(predictions, targets)")
    exec(f"{said.removeprefix('; write ')}: ...", names)  # noqa: S102 - it is what one does with it
    assert make("metrics", names["half"]).name == "half"
    wrong = dataclass(frozen=True)(type("Scale", (LayerNorm,), {"init": init}))
    said = advised(
        failure("layers", wrong),
        "has a method init that takes (shape), and is called with (rng, input_shape); "
        "write def init(self, rng, input_shape)",
    )
    exec(f"{said.rpartition('; write ')[2]}: return {{}}, input_shape", names)  # noqa: S102 - likewise
    assert make("layers", dataclass(frozen=True)(type("Scale", (LayerNorm,), {"init": names["init"]}))).name == "scale"


def test_what_takes_its_arguments_in_another_order_or_number_is_refused():
    def half(y_true, y_pred, *, of=2): ...

    def told(record): ...

    @dataclass(frozen=True)
    class Told:
        def __call__(self, training, record, more): ...

    @dataclass(frozen=True)
    class Hello:
        def on_epoch_end(self, epoch): ...

    @dataclass(frozen=True)
    class Scale:
        def init(self, shape): ...

        def apply(self, parameters, x): ...

    @dataclass(frozen=True)
    class Noise(LayerNorm):
        def train(self, parameters, x): ...

    for kind in ("metrics", "costs"):
        assert failure(kind, half) == (
            f"register_{kind}: register(half, name='half') takes (y_true, y_pred), and is called with "
            "(predictions, targets), in this order; write def half(predictions, targets)"
        )
    assert failure("metrics", lambda labels, logits: 0.0, "mine") == (
        "register_metrics: register(<lambda>, name='mine') takes (labels, logits), and is called with "
        "(predictions, targets), in this order"
    )
    assert failure("callbacks", told) == (
        "register_callbacks: register(told, name='told') takes (record), and is called with (record, training); "
        "write def told(record, training)"
    )
    for callback in (Told, Told()):
        assert failure("callbacks", callback, "told").endswith(
            ", name='told') has a method __call__ that takes (training, record, more), and is called with "
            "(record, training); write def __call__(self, record, training)"
        )
    assert failure("callbacks", Hello) == (
        "register_callbacks: register(Hello, name='hello') lacks the method __call__; "
        "a callback is a function of (record, training), or a frozen dataclass with __call__(self, record, training)"
    )
    assert failure("callbacks", Hello(), "hello").endswith(
        ", name='hello') cannot be called; "
        "a callback is a function of (record, training), or a frozen dataclass with __call__(self, record, training)"
    )
    assert failure("layers", Scale) == (
        "register_layers: register(Scale, name='scale') has a method init that takes (shape), and is called with "
        "(rng, input_shape); write def init(self, rng, input_shape)"
    )
    assert failure("layers", Noise) == (
        "register_layers: register(Noise, name='noise') has a method train that takes (parameters, x), and is called "
        "with (parameters, x, draw); write def train(self, parameters, x, draw)"
    )


def test_names_that_say_nothing_defaults_and_any_number_of_arguments_are_taken():
    class Cost:
        def __call__(self, predictions, targets): ...

    def of_more(p, t, delta=1.0): ...

    def of_any(*arrays): ...

    hypot = op(np.frompyfunc(lambda a, b: a, 2, 1), name="hypot")

    of_two = (lambda a, b: a, lambda y_pred, y_true: 0.0, of_more, of_any, Cost(), partial(of_more, delta=2.0), hypot)
    for obj in of_two:
        for kind in ("costs", "metrics"):
            make(kind, obj, "mine")
    make("metrics", np.frompyfunc(max, 2, 1), "maximum")  # no signature to read


@pytest.mark.parametrize(
    "package", [None, "", "tape-trainer-extras 0.1.0", "tape-trainerx", "my-tape-trainer 1.0", "tape"]
)
def test_a_distribution_whose_name_begins_like_ours_is_a_strangers(package: str | None) -> None:
    assert not is_ours(package)
    assert is_ours("tape-trainer")
    assert is_ours("tape-trainer 0.1.0")
