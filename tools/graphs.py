"""Random graphs of every registered op: the gradient that the tape finds, against the complex step.

The suite draws a few dozen; here are as many as are asked for, and the worst of them.

A graph is a few variables of random shape and 5 to 40 calls. Each call takes an op with one of its samples, and bends
earlier values into shape for it: elements are picked at random, squashed, and laid around the sample's own values, so
that every op stays where it is defined and can follow every other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from time import perf_counter
from typing import Any

import numpy as np

from trainer import Op, Tensor, grad
from trainer.checker.case import Case, Subject, cases_of
from trainer.checker.library import registered_ops
from trainer.checker.references import Reference, derive, differences, quietly
from trainer.plugins import shared
from trainer.rng import generator

STEPS = (5, 40)
LIMIT = 1e-10


@dataclass
class Wire:
    """How one argument of a call is made of an earlier value: which elements, around what, how far from it."""

    source: int
    pick: Any
    around: Any
    reach: Any

    def bend(self, values: list[Any]) -> Any:
        """The argument, in the precision of the value that it is made of."""
        z = np.reshape(np.take(np.ravel(values[self.source]), np.ravel(self.pick)), np.shape(self.pick))
        real = np.float32 if z.dtype in (np.float32, np.complex64) else np.float64
        return np.asarray(self.around, real) + np.asarray(self.reach, real) * (z / np.sqrt(1 + z * z))


@dataclass
class Call:
    """One call in a graph."""

    case: Case
    wires: dict[int, Wire]
    result: int

    def whole(self) -> dict[str, Any]:
        """By position the arrays of whole numbers and of truths among the arguments: indices, labels, masks."""
        whole = {i: np.asarray(a) for i, a in enumerate(self.case.arguments) if isinstance(a, np.ndarray | np.generic)}
        return {str(i): a for i, a in whole.items() if i not in self.wires and a.dtype.kind in "iub"}

    def run(self, values: list[Any], whole: dict[str, Any] | None = None) -> Any:
        """The result, from the values so far; with other whole numbers and truths than the sample's, where given."""
        dtype = values[next(iter(self.wires.values())).source].dtype
        single = dtype in (np.float32, np.complex64)
        arguments = [
            a.astype(np.float32) if single and isinstance(a, np.ndarray) and a.dtype == np.float64 else a
            for a in self.case.arguments
        ]
        for position, wire in self.wires.items():
            arguments[position] = wire.bend(values)
        for name, array in (whole or {}).items():
            arguments[int(name)] = array
        y = self.case.call_all(arguments)[self.result]
        return y if isinstance(y, Tensor | np.ndarray | np.generic) else np.asarray(y)


@dataclass
class Graph:
    """A random function of some arrays, with a scalar result."""

    inputs: list[Any]
    calls: list[Call] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    def __call__(self, *xs: Any) -> Any:
        return self.at(xs, [None] * len(self.calls))

    def at(self, xs: Sequence[Any], whole: Sequence[dict[str, Any] | None]) -> Any:
        """The result at these values, and per call with these whole numbers and truths."""
        values = list(xs)
        for call, given in zip(self.calls, whole, strict=True):
            values.append(call.run(values, given))
        total: Any = 0
        for value, weight in zip(values, self.weights, strict=True):
            weight = weight.astype(np.float32) if value.dtype in (np.float32, np.complex64) else weight
            total = total + np.sum(weight * (value / np.sqrt(1 + value * value)))
        return total

    def __str__(self) -> str:
        names = [f"x{i} {np.shape(x)}" for i, x in enumerate(self.inputs)]
        for i, call in enumerate(self.calls, len(self.inputs)):
            of = ", ".join(f"v{wire.source}" for wire in call.wires.values())
            names.append(f"h{i} = {call.case.subject.name}({of}), as {call.case.describe()}")
        return "\n".join(names)


# For complex numbers SciPy gives these to so many digits of the value, not of the imaginary part, the derivative here.
BLUNT = {"jv", "jve", "yv", "yve", "iv", "ive", "kv", "kve"}


@lru_cache
def ops() -> tuple[Op, ...]:
    """Every registered op with a derivative."""
    return tuple(c.target for c in registered_ops(shared()).values() if c.target.differentiable)


@cache
def analytic_cases(op: Op) -> tuple[Case, ...]:
    """The small samples of an op at which the complex step applies."""
    found = []
    for case in cases_of(Subject(op), (), "-"):
        size = sum(x.size for x in case.xs)
        finite = all(np.all(np.isfinite(x)) for x in case.xs)
        if 0 < size <= 64 and finite and case.reference.source == "complex step":
            found.append(case)
    return tuple(found)


@lru_cache(16)
def draw(seed: int) -> tuple[Graph, Reference]:
    """The graph of that number, and its derivatives by the complex step, which the graph is made to admit."""
    for attempt in range(100):
        graph = drawn(generator(seed, "random graphs", attempt))
        with quietly():
            found = reference(graph)
        if found.source == "complex step":
            return graph, found
    raise AssertionError(f"no graph {seed} admits a complex step")


def drawn(rng: np.random.Generator) -> Graph:
    """A random graph."""
    shapes = [tuple(rng.integers(1, 4, size=rng.integers(0, 4))) for _ in range(rng.integers(1, 4))]
    graph = Graph([np.asarray(rng.normal(size=s)) for s in shapes])
    values = list(graph.inputs)
    stepped: list[Any] = [x + 1e-20j * rng.normal(size=x.shape) for x in values]
    wanted = int(rng.integers(STEPS[0], STEPS[1] + 1))
    while len(graph.calls) < wanted:
        op = ops()[rng.integers(len(ops()))]
        cases = analytic_cases(op)
        if not cases or op.name in BLUNT:
            continue
        call = wired(cases[rng.integers(len(cases))], values, rng)
        try:
            with quietly():
                y, z = np.asarray(call.run(values)), np.asarray(call.run(stepped))
        except (ValueError, ArithmeticError):  # values near a sample that it cannot take, such as a singular matrix
            continue
        same = y.shape == z.shape and z.dtype == np.complex128 and np.allclose(z, y, rtol=1e-13, atol=1e-13)
        # np.partition leaves its elements in another order when they are complex: another function.
        if y.dtype == np.float64 and y.size and np.all(np.abs(y) < 1e6) and same:
            graph.calls.append(call)
            values.append(y)
            stepped.append(z)
    graph.weights = [rng.normal(size=np.shape(z)) / slope(z) for z in stepped]
    return graph


def slope(z: Any) -> float:
    """How much a value of a graph varies with the inputs: 1 over it as a weight lets the deep ones count as well."""
    found = float(np.max(np.abs(np.imag(z / np.sqrt(1 + z * z))))) * 1e20
    return max(found, 1e-3) if found < np.inf else 1.0


def wired(case: Case, values: list[Any], rng: np.random.Generator) -> Call:
    """A call whose differentiable arguments are made of earlier values, later ones preferred."""
    wires = {}
    for position, x in zip(case.positions, case.xs, strict=True):
        source = len(values) - 1 - min(int(rng.exponential(3)), len(values) - 1)
        pick = rng.integers(np.size(values[source]), size=x.shape)
        wires[position] = Wire(source, pick, x, 0.25 * np.minimum(np.abs(x), 1) * rng.choice([-1.0, 1.0], x.shape))
    floats = [i for i, d in enumerate(case.outputs.dtypes) if d.kind == "f"]
    return Call(case, wires, int(rng.choice(floats)))


def reference(graph: Graph) -> Reference:
    """The gradient without the tape."""
    size = sum(x.size for x in graph.inputs)
    return derive(lambda xs: (np.asarray(graph(*xs)),), graph.inputs, range(size))


def error_of(seed: int) -> tuple[float, str]:
    """How far the gradient of a graph is from the complex step, relative to its largest element, and the graph."""
    graph, found = draw(seed)
    argnums = tuple(range(len(graph.inputs)))
    with quietly():
        got = np.concatenate([np.ravel(g) for g in grad(graph, argnums)(*graph.inputs)])
        want = found.values[0]
        scale = np.max(np.abs(want)) + 1e-12
        gaps = np.abs(got - want) / scale
        if np.max(gaps) > LIMIT:  # SciPy's complex functions may be blunter than their real ones: ask a third party
            plain = differences(lambda xs: (np.asarray(graph(*xs)),), graph.inputs, range(len(want)))
            blur = 10 * plain.errors[0] + 1e-13 * scale
            mistaken = (np.abs(got - plain.values[0]) <= blur) & (np.abs(want - plain.values[0]) > blur)
            gaps = np.where(mistaken, 0, gaps)
        singles = [x.astype(np.float32) for x in graph.inputs]
        for g in grad(graph, argnums)(*singles):
            assert g.dtype == np.float32, f"graph {seed}: {g.dtype} for float32\n{graph}"
    return float(np.max(gaps)), str(graph)


def main() -> int:
    """Draw graphs and print the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", metavar="COUNT", nargs="?", type=int, default=2000, help="how many (%(default)s)")
    count = parser.parse_args().count
    start = perf_counter()
    results = []
    for seed in range(count):
        try:
            results.append((*error_of(seed), seed))
        except Exception as exception:  # named with its graph, and the others go on
            results.append((np.inf, f"{type(exception).__name__}: {exception}\n{draw(seed)[0]}", seed))
    results.sort(reverse=True)
    bad = [r for r in results if not r[0] <= LIMIT]
    for error, graph, seed in bad[:3]:
        print(f"graph {seed} is off by {error:.1e}:\n{graph}\n")
    median = results[len(results) // 2][0]
    print(
        f"{count} graphs: {len(bad)} above {LIMIT}; worst {results[0][0]:.1e}, median {median:.1e}; "
        f"{perf_counter() - start:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
