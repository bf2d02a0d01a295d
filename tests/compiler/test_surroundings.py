"""What a compiled function reads besides its arguments is looked at before every call, and what it is given is not."""

from __future__ import annotations

import types
from dataclasses import dataclass

import numpy as np
import pytest

from trainer import compile, value_and_grad
from trainer.compiler import compiled
from trainer.compiler.surroundings import SHORT
from trainer.compiler.tracing import trace


@pytest.fixture
def records(monkeypatch):
    """One entry for every time that a function is recorded."""
    made = []

    def counted(*args, **kwargs):
        made.append(args)
        return trace(*args, **kwargs)

    monkeypatch.setattr(compiled, "trace", counted)
    return made


def rebind(holder, key):
    holder[key] = holder[key] * 0.5


def write(holder, key):
    holder[key] *= 0.5


@pytest.mark.parametrize("change", [rebind, write])
@pytest.mark.parametrize("wrap", [lambda w: {"w": w}, lambda w: [w, 1.0], lambda w: {"w": [w], "rate": 0.1}])
def test_parameters_in_one_dict_or_list_are_arguments_every_time(wrap, change, records):
    def cost(p, x):
        w = p["w"] if isinstance(p, dict) else p[0]
        return np.sum(np.tanh(x @ (w[0] if isinstance(w, list) else w)) ** 2)

    parameters = wrap(np.ones((3, 2)))
    holder, key = (parameters, 0) if isinstance(parameters, list) else (parameters, "w")
    if isinstance(holder[key], list):
        holder, key = holder[key], 0
    step, x = compile(lambda p, x: cost(p, x)), np.arange(12.0).reshape(4, 3)
    for _ in range(3):
        assert step(parameters, x) == cost(parameters, x)
        change(holder, key)
    assert len(records) == 1


class Slots:
    __slots__ = ("rate",)
    rate: object


@dataclass(slots=True)
class Fields:
    rate: object


class Base:
    rate: object = 0.0


class Heir(Base):
    pass


def module_with(rate):
    module = types.ModuleType("settings_of_a_user")
    vars(module)["rate"] = rate
    exec("def read():\n    return rate", vars(module))  # noqa: S102  # a module's function, as one that is imported
    return module


def in_slots(rate):
    slots = Slots()
    slots.rate = rate
    return slots


class Kind:
    """What makes something that holds a rate, how it is read, and how it is changed."""

    def __init__(self, make, read=lambda held: held.rate, change=lambda held, rate: setattr(held, "rate", rate)):
        self.make, self.read, self.change = make, read, change


def of_class(rate):
    Heir.rate = rate
    return Heir


KINDS = {
    "slots": Kind(in_slots),
    "a dataclass with slots": Kind(Fields),
    "a class": Kind(of_class),
    "a class that another inherits from": Kind(
        lambda rate: setattr(Base, "rate", rate) or Heir, change=lambda held, rate: setattr(Base, "rate", rate)
    ),
    "an object's class": Kind(lambda rate: of_class(rate)(), change=lambda held, rate: setattr(Heir, "rate", rate)),
    "an object that hides its class's": Kind(lambda rate: of_class(rate)()),
    "a namespace": Kind(lambda rate: types.SimpleNamespace(rate=rate)),
    "a module": Kind(module_with),
    "a module's function": Kind(module_with, lambda held: held.read()),
    "a module in a module": Kind(
        lambda rate: types.SimpleNamespace(inner=module_with(rate)),
        lambda held: held.inner.rate,
        lambda held, rate: setattr(held.inner, "rate", rate),
    ),
    "a dict's values": Kind(lambda rate: {"a": rate}, lambda held: sum(held.values()), lambda d, r: d.update(a=r)),
    "a dict that grows": Kind(lambda rate: {"a": rate}, lambda held: sum(held.values()), lambda d, r: d.update(b=r)),
    "a list that grows": Kind(lambda rate: [rate], sum, lambda held, rate: held.append(rate)),
    "a set": Kind(lambda rate: {float(np.max(rate))}, sum, lambda held, rate: held.add(float(np.max(rate)))),
    "an array in a class": Kind(
        of_class, lambda held: np.max(held.rate), lambda held, rate: held.rate.__setitem__(..., rate)
    ),
}


@pytest.fixture(autouse=True)
def as_they_were():
    yield
    for kind in (Base, Heir):
        kind.rate = 0.0
    del Heir.rate


@pytest.mark.parametrize(
    ("name", "through"),
    [(name, "a closure") for name in KINDS]
    + [(name, "an argument") for name in KINDS if not name.startswith(("a dict", "a list"))],
)
def test_what_changes_is_seen_wherever_it_stands(name, through):
    kind, first, second = KINDS[name], np.full(3, 2.0), np.full(3, 3.0)
    held, x = kind.make(first), np.ones(3)
    of_closure, of_argument = compile(lambda x: x * kind.read(held)), compile(lambda x, held: x * kind.read(held))
    call = (lambda: of_closure(x)) if through == "a closure" else lambda: of_argument(x, held)
    assert call().tolist() == (x * kind.read(held)).tolist()
    kind.change(held, second)
    expected = x * kind.read(held)
    assert expected.tolist() != [2.0] * 3
    for _ in range(2):
        assert call().tolist() == expected.tolist()


@pytest.mark.parametrize("count", [1, SHORT // 8, SHORT // 8 + 1])
@pytest.mark.parametrize(
    "lay", [lambda a: a, lambda a: np.repeat(a, 2)[::2], lambda a: a[::-1]], ids=["dense", "gaps", "reversed"]
)
@pytest.mark.parametrize("place", [0, -1])
def test_one_element_of_a_constant_is_seen_to_change(count, lay, place):
    constant = lay(np.ones(count))
    f, x = compile(lambda x: x * constant), np.arange(1.0, count + 1)
    for value in (1.0, 0.5, 0.0, -0.0, np.nan):
        constant[place] = value
        assert f(x).tobytes() == (x * constant).tobytes()


def test_what_a_rule_made_for_itself_is_not_looked_at_again():
    kept = np.full(4000, 2.0)
    step = compile(value_and_grad(lambda x: np.sum(x * kept) + np.mean(x)))
    step(np.ones(4000))
    (prepared,) = step.programs.values()
    assert len(prepared.record.constants) > 1
    (looked_at,) = prepared.surroundings._long
    assert looked_at[0] is kept


def test_a_view_that_only_the_record_has_is_looked_at_where_the_memory_is_somebodys():
    memory = np.ones(6)
    views = iter([memory[2:5]])
    taken = next(views)

    class Reader:
        def __call__(self, x):
            return x * np.frombuffer(memory.data, count=3)

    del taken
    f = compile(Reader())
    assert f(np.ones(3)).tolist() == [1.0] * 3
    memory[1] = 4.0
    assert f(np.ones(3)).tolist() == [1.0, 4.0, 1.0]


LAYOUTS = {
    "gaps": lambda a: np.repeat(np.repeat(a, 2, axis=0), 2, axis=1)[::2, ::2],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "reversed": lambda a: a[::-1, ::-1],
    "Fortran's": np.asfortranarray,
    "another byte order": lambda a: a.astype(a.dtype.newbyteorder()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_of_any_layout_gives_the_functions_bits(layout, dtype):
    rng = np.random.default_rng(0)
    constant = LAYOUTS[layout](rng.normal(size=(33, 17)).astype(dtype))
    x = rng.normal(size=(17, 33)).astype(dtype)
    for f in (lambda x: x @ constant, lambda x: np.sum(x.T * constant, axis=0), lambda x: np.prod(1 + x.T * constant)):
        compiled_f = compile(f)
        for _ in range(2):
            assert compiled_f(x).tobytes() == f(x).tobytes()
