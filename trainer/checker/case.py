"""One sample of an op or of a function, ready to be evaluated, differentiated and described."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import GeneratorType
from typing import Any

import numpy as np

from trainer.checker.references import Reference, derive
from trainer.checker.spaces import Space
from trainer.engine.op import Op
from trainer.engine.rules import NONDIFFERENTIABLE, Rule, place
from trainer.engine.tensor import Tensor
from trainer.engine.transforms import vjp
from trainer.engine.tree import flatten, leaves
from trainer.rng import generator
from trainer.types import ArrayLike
from trainer.wording import cut

__all__ = ["Case", "Subject", "cases_of"]

# Beyond so many coordinates a Jacobian is compared in a random choice of its rows and columns, and in projections.
WHOLE = 256
CHOSEN = 64
PROJECTIONS = 3

Pullback = Callable[[Sequence[ArrayLike]], tuple[ArrayLike, ...]]


class Subject:
    """What is checked: an op, or any function of arrays that computes on Tensors."""

    def __init__(self, target: Op | Callable[..., Any]) -> None:
        self.target = target
        self.op = target if isinstance(target, Op) else None
        self.name = target.name if isinstance(target, Op) else getattr(target, "__name__", repr(target))
        if self.op is not None:
            self.origin = self.op.origin
        else:
            self.origin = f"the function at {place(inspect.unwrap(target))}"

    def rule_place(self, argument: int) -> str:
        """Where the rule of an input is written, as `file.py:12`."""
        if self.op is None:
            return place(inspect.unwrap(self.target))
        rule = self.op.rules.get(self.op.inputs[0 if self.op.variadic else argument])
        if isinstance(rule, Rule):
            return place(inspect.unwrap(rule.function))
        return f"none: declared {rule!r}"

    def label(self, argument: int) -> str:
        """What an argument is called."""
        if self.op is None:
            return f"x{argument + 1}"
        return f"{self.op.inputs[0]}[{argument}]" if self.op.variadic else self.op.inputs[argument]

    def differentiable(self, argument: int) -> bool:
        """Whether an argument has a rule, or a derivative that is declared zero."""
        if self.op is None:
            return True
        rule = self.op.rules.get(self.op.inputs[0 if self.op.variadic else argument])
        return rule is not None and rule is not NONDIFFERENTIABLE


class Case:
    """One call of a subject.

    Attributes:
        subject: what is called.
        number: which of its samples, from 1.
        arguments: the call's arguments; for a function, their leaves.
        attributes: the static keyword arguments.
        place: where the sample was written, as `file.py:12`.
        positions: the arguments that are differentiated: arrays of real or complex numbers that have a rule.
        xs: these arguments.
        given: the arguments as they came; `arguments` are copies, which a forward function may have written to.
        order: to which order the checks could differentiate; they set it to 1 where a rule leaves NumPy.
        complex: whether the rules have proven right for complex numbers as well.
    """

    def __init__(
        self,
        subject: Subject,
        number: int,
        arguments: Sequence[Any],
        attributes: dict[str, Any],
        where: str,
        rebuild: Callable[[Sequence[Any]], Any] | None = None,
    ) -> None:
        self.subject = subject
        self.number = number
        self.attributes = attributes
        self.place = where
        self.order = 2
        self.complex = False
        self._rebuild = rebuild
        self.positions: tuple[int, ...] = tuple(
            i for i, a in enumerate(arguments) if subject.differentiable(i) and is_float_array(a)
        )
        self.given = tuple(arguments)
        self.arguments = tuple(
            np.array(a) if isinstance(a, np.ndarray) or i in self.positions else a for i, a in enumerate(arguments)
        )
        self.xs: list[ArrayLike] = [self.arguments[p] for p in self.positions]

    @property
    def op(self) -> Op | None:
        return self.subject.op

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random numbers that depend on the subject and the sample alone."""
        return generator(0, f"check {self.subject.name}", self.number)

    # Calling and differentiating.

    def arguments_with(self, xs: Sequence[Any]) -> list[Any]:
        """All arguments, with others in place of the differentiable ones."""
        arguments = list(self.arguments)
        for position, x in zip(self.positions, xs, strict=True):
            arguments[position] = x
        return arguments

    def call_all(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """The results of a call with these arguments, as a flat tuple."""
        if self._rebuild is None:
            y = self.subject.target(*arguments, **self.attributes)
        else:
            y = self.subject.target(*self._rebuild(arguments), **self.attributes)
        return tuple(leaves(y))

    def call(self, *xs: object) -> tuple[Any, ...]:
        """The results as a function of the differentiable arguments."""
        return self.call_all(self.arguments_with(xs))

    def forward(self, xs: Sequence[ArrayLike]) -> tuple[ArrayLike, ...]:
        """The results, as arrays."""
        return tuple(map(np.asarray, self.call(*xs)))

    def pull(self, xs: Sequence[ArrayLike]) -> tuple[tuple[ArrayLike, ...], Pullback]:
        """The results at `xs`, and the rules' cotangents as a function of δy."""
        ys, pullback = vjp(self.call, *xs)
        return ys, lambda dys: pullback(tuple(dys))

    def pull_twice(self, k: int, dys: Sequence[ArrayLike], along: ArrayLike) -> tuple[ArrayLike, ...]:
        """The gradient of ⟨δx, along⟩, where δx is what the k-th input's rule makes of `dys`."""

        def gradient(*xs: object) -> object:
            return vjp(self.call, *xs)[1](tuple(dys))[k]

        found: tuple[ArrayLike, ...] = vjp(gradient, *self.xs)[1](along)
        return found

    def taped(self, xs: Sequence[ArrayLike]) -> tuple[list[ArrayLike], tuple[ArrayLike, ...], Pullback]:
        """The arrays that stand on the tape for `xs`, which has its own, and what `pull` gives."""
        arrays: list[ArrayLike] = []

        def call(*tensors: Tensor) -> tuple[Any, ...]:
            arrays.extend(t._value for t in tensors)
            return self.call(*tensors)

        ys, pullback = vjp(call, *xs)
        return arrays, ys, lambda dys: pullback(tuple(dys))

    @cached_property
    def pulled(self) -> tuple[tuple[ArrayLike, ...], Pullback]:
        """`pull(xs)`, once."""
        return self.pull(self.xs)

    @cached_property
    def ys(self) -> tuple[ArrayLike, ...]:
        return self.forward(self.xs)

    # The spaces, and the Jacobian in them.

    @cached_property
    def inputs(self) -> Space:
        return Space(self.xs)

    @cached_property
    def outputs(self) -> Space:
        return Space(self.ys)

    @cached_property
    def columns(self) -> list[int]:
        """The input coordinates that are compared: all, or a random choice of many."""
        return _some(self.inputs.size, self.rng)

    @cached_property
    def chosen(self) -> list[int]:
        """The output coordinates that are compared: all, or a random choice of many."""
        return _some(self.outputs.size, self.rng)

    @cached_property
    def projections(self) -> ArrayLike:
        """Random cotangents that stand for the output coordinates that are not compared one by one."""
        size = self.outputs.size
        count = 0 if len(self.chosen) == size else PROJECTIONS
        return self.rng.normal(size=(count, size))

    def rule_rows(self, pullback: Pullback) -> ArrayLike:
        """What the rules say: the chosen rows of the Jacobian and its projections, in the chosen columns."""
        rows = [self.outputs.unit(i) for i in self.chosen] + list(self.projections)
        found = np.empty((len(rows), len(self.columns)))
        for i, row in enumerate(rows):
            found[i] = self.inputs.flatten_dual(pullback(self.outputs.cotangents(row)))[self.columns]
        return found

    @cached_property
    def jacobian(self) -> ArrayLike:
        """The rules' Jacobian, as `rule_rows`."""
        return self.rule_rows(self.pulled[1])

    @cached_property
    def reference(self) -> Reference:
        """The derivatives of the forward function, found without any rule."""
        return derive(self.forward, self.xs, self.columns)

    def replaced(self, xs: Sequence[ArrayLike]) -> Case:
        """The same call with other values for the differentiable arguments."""
        return Case(self.subject, self.number, self.arguments_with(xs), self.attributes, self.place, self._rebuild)

    def afresh(self) -> Case:
        """The same call with the arguments as they came."""
        return Case(self.subject, self.number, self.given, self.attributes, self.place, self._rebuild)

    def all_as(self, change: Callable[[ArrayLike], ArrayLike]) -> Case:
        """The same call with every array changed."""
        arguments = [change(a) if isinstance(a, np.ndarray) else a for a in self.arguments]
        return Case(self.subject, self.number, arguments, self.attributes, self.place, self._rebuild)

    def spread(self, xs: Sequence[ArrayLike]) -> Case:
        """The same call of an element-wise op at other points, its other arrays reduced to their first element."""
        return self.all_as(lambda a: a.reshape(-1)[:1]).replaced(xs)

    def only(self, k: int) -> Case:
        """The same call, differentiated by its k-th differentiable argument alone."""
        case = self.replaced(self.xs)
        case.positions, case.xs = (self.positions[k],), [self.xs[k]]
        return case

    # Describing.

    def label(self, k: int) -> str:
        """The name of the k-th differentiable argument."""
        return self.subject.label(self.positions[k])

    def describe(self) -> str:
        """The sample in a line: `1: x float64 (3, 4), beta=2.0`."""
        parts = [f"{self.subject.label(i)} {_short(a)}" for i, a in enumerate(self.arguments)]
        parts += [f"{name}={_short(value)}" for name, value in self.attributes.items()]
        return f"{self.number}: " + ", ".join(parts)


def is_float_array(a: object) -> bool:
    """Whether `a` is an array of real or complex numbers; Python's own numbers are constants of a program."""
    return isinstance(a, np.ndarray | np.generic) and a.dtype.kind in "fc"


def _some(size: int, rng: np.random.Generator) -> list[int]:
    if size <= WHOLE:
        return list(range(size))
    return sorted(int(i) for i in rng.choice(size, CHOSEN, replace=False))


def _short(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return cut(repr(value), 40)


def cases_of(subject: Subject, samples: Sequence[Any], where: str) -> Iterator[Case]:
    """The cases of the given samples, or else of the op's own.

    A sample is an array, or a tuple of arguments, with a dict of attributes at its end where there are any.
    """
    if subject.op is None:
        for number, sample in enumerate(samples, 1):
            arguments, attributes = _taken_apart(sample, _keywords(subject.target))
            values, rebuild = flatten(arguments)
            values = [np.float64(v) if isinstance(v, float) else v for v in values]
            yield Case(subject, number, values, attributes, where, rebuild)
    elif samples:
        for number, sample in enumerate(samples, 1):
            yield Case(subject, number, *_taken_apart(sample), where)
    else:
        yield from _own_cases(subject, subject.op)


def _own_cases(subject: Subject, op: Op) -> Iterator[Case]:
    function = op._samples
    if function is None:
        return
    iterable = function(generator(0, f"samples of {op.name}"))
    for number, sample in enumerate(iterable, 1):
        where = place(inspect.unwrap(function))
        if isinstance(iterable, GeneratorType) and iterable.gi_frame is not None:
            where = f"{iterable.gi_code.co_filename}:{iterable.gi_frame.f_lineno}"
        yield Case(subject, number, *_taken_apart(sample), where)


def _taken_apart(sample: object, keywords: set[str] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments and attributes. Where a function could take a dict as an argument, `keywords` tells what it is."""
    arguments, attributes = sample if isinstance(sample, tuple) else (sample,), {}
    if arguments and isinstance(arguments[-1], dict) and (keywords is None or keywords.issuperset(arguments[-1])):
        arguments, attributes = arguments[:-1], arguments[-1]
    return arguments, attributes


def _keywords(function: Callable[..., Any]) -> set[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a C function that does not tell its signature
        return set()
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
