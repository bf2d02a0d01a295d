"""Random programs: functions as users write them, compiled, and called again with other values.

A program is a function of a few arrays, in tuples and dicts now and then, of any layout and dtype, with integers, masks
and Python floats among them: some lines of `tools/drawn/forms.py`, or a graph of `tools/graphs.py` whose integers and
masks are arguments too. Its value, or its value and gradient, is computed by the function itself, by NumPy's calls and
by the machine, three times, with other numbers, masks and labels every time, and must be the same to the bit. What a
compiled function refuses with a reason is counted.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tools import graphs
from tools.drawn import forms
from tools.drawn.forms import LAYOUTS, Draw, NothingOfTheKind, array
from trainer import value_and_grad
from trainer.compiler.compiled import Compiled
from trainer.compiler.executors import Backend, Native, Numpy, native_available
from trainer.engine.tree import flatten
from trainer.errors import TrainerError
from trainer.rng import generator

ROOT = Path(__file__).parents[1]
CALLS = 3
LINES = (2, 12)
MOST = 3000  # elements of a value
PLAIN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what a line without sense gives rise to

Function = Callable[..., Any]


@dataclass
class Made:
    """A random function, and the arguments of its calls."""

    seed: int
    function: Function
    arguments: list[tuple[Any, ...]]

    def eager(self) -> list[Any]:
        """What the function itself gives."""
        return [outcome(self.function, given) for given in self.arguments]


@dataclass
class Refusal:
    """An error in place of a result."""

    error: Exception

    def __str__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


def outcome(function: Function, arguments: Sequence[Any]) -> Any:
    """The result for copies of the arguments that lie as they do, or the error."""
    try:
        return function(*(again(a) for a in arguments))
    except Exception as error:  # a result like any other: it is compared
        return Refusal(error)


def again(tree: Any) -> Any:
    """The same structure, so that nobody finds in it what the last call left there."""
    leaves, rebuild = flatten(tree)
    return rebuild(leaves)


def same(a: Any, b: Any) -> bool:
    """Whether two results are equal in structure, types, dtypes, shapes and bits."""
    if isinstance(a, Refusal) or isinstance(b, Refusal):
        return isinstance(a, Refusal) and isinstance(b, Refusal) and type(a.error) is type(b.error)
    if isinstance(a, dict | list | tuple):
        parts = (a.values(), b.values()) if isinstance(a, dict) and isinstance(b, dict) else (a, b)
        return type(a) is type(b) and len(a) == len(b) and all(map(same, *parts))
    if not isinstance(a, np.ndarray | np.generic):
        return type(a) is type(b) and a == b
    return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and bits(a) == bits(b)


def bits(array: Any) -> bytes:
    """An array's bytes, with one nan for all: IEEE arithmetic does not say which one comes."""
    flat = np.array(array).ravel()
    if flat.dtype.kind in "fc":
        parts = flat.view(flat.real.dtype)
        parts[np.isnan(parts)] = np.nan
    return flat.tobytes()


def drawn(seed: int) -> Made:
    """The program of that number."""
    for attempt in range(200):
        rng = generator(seed, "random programs", attempt)
        made = of_graph(seed, graphs.drawn(rng)) if seed % 40 == 39 else of_lines(seed, rng)
        if made is not None and not isinstance(outcome(made.function, made.arguments[0]), Refusal):
            return made
    raise AssertionError(f"no program {seed}")


# Programs of lines.


@dataclass
class Argument:
    """An array of random values, or a Python float, in some layout."""

    shape: tuple[int, ...]
    dtype: str
    layout: str

    def values(self, rng: np.random.Generator) -> Any:
        if self.dtype == "p":
            return float(rng.normal())
        return LAYOUTS[self.layout](array(rng, self.shape, self.dtype))


def of_lines(seed: int, rng: np.random.Generator) -> Made | None:
    """A function of some lines; None where nothing can be differentiated that was to be."""
    differentiated = rng.random() < 0.5
    tree = _arguments(rng, differentiated)
    wanted = int(rng.integers(LINES[0], LINES[1] + 1))
    kinds, rebuild = flatten(tree)
    draws = [generator(seed, "values of a random program", n) for n in range(CALLS)]
    arguments = [tuple(rebuild([kind.values(draw) for kind in kinds])) for draw in draws]
    values = flatten(arguments[0])[0]
    lines: list[tuple[list[int], Function]] = []
    chances = np.array([chance for chance, _ in forms.FORMS])
    for _ in range(40 * wanted):
        draw = Draw(rng, values)
        try:
            line = forms.FORMS[rng.choice(len(chances), p=chances / chances.sum())][1](draw)
            value = line(*(values[place] for place in draw.places))
        except (NothingOfTheKind, TrainerError, *PLAIN):
            continue
        if _is_tame(value):
            lines.append((draw.places, line))
            values.append(value)
            if len(lines) == wanted:
                break
    if not lines:
        return None
    first, last = len(kinds), len(values)
    shown = sorted({last - 1, *(int(i) for i in rng.integers(first, last, size=rng.integers(0, 3)))})

    def function(*given: Any) -> Any:
        found = list(flatten(given)[0])
        for places, line in lines:
            found.append(line(*(found[place] for place in places)))
        return [found[place] for place in shown]

    if not differentiated:
        wraps: list[Function] = [lambda r: r[-1], tuple, lambda r: {"last": r[-1], "all": r}]
        wrap = wraps[rng.integers(3)]
        return Made(seed, lambda *given: wrap(function(*given)), arguments)
    weights = rng.normal(size=len(shown))
    shown_kinds = [values[place].dtype.kind for place in shown]
    if not any(kind in forms.FLOATS for kind in shown_kinds):
        return None

    def cost(*given: Any) -> Any:
        parts = zip(function(*given), weights, shown_kinds, strict=True)
        return sum(np.sum(np.real(part)) * float(weight) for part, weight, kind in parts if kind in forms.FLOATS)

    return Made(seed, value_and_grad(cost, 0 if rng.random() < 0.7 or len(tree) < 2 else (0,)), arguments)


def _arguments(rng: np.random.Generator, differentiated: bool) -> tuple[Any, ...]:
    """What the arguments are: arrays of a few lengths that go together, alone and in dicts and tuples."""
    lengths = [
        int(rng.choice([1, 2, 3, 4, 5, 7, 9, 17, 40], p=[0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05]))
        for _ in range(3)
    ]
    names = list(LAYOUTS)
    dense = rng.random() < 0.7

    def one(dtypes: Sequence[str]) -> Argument:
        layout = names[rng.integers(forms.DENSE if dense else len(names))]
        shape = tuple(lengths[rng.integers(3)] for _ in range(rng.choice(4, p=[0.1, 0.3, 0.45, 0.15])))
        return Argument(shape if math.prod(shape) <= MOST else shape[:2], str(rng.choice(dtypes)), layout)

    floats, dtype = ["f4", "f8", "c8", "c16"], str(rng.choice(["f4", "f8", "f8", "c8", "c16"]))
    first: Any = [
        one([dtype]), one([dtype]), {"w": one([dtype]), "b": one([dtype])}, (one([dtype]), [one([dtype])])
    ][rng.integers(4)]  # fmt: skip
    others = []
    for _ in range(rng.integers(1, 4)):
        others.append(one([[dtype], floats, ["i4", "i8"], ["?"], ["p"]][rng.integers(5)]))
    if not differentiated and rng.random() < 0.2:
        return tuple(others)
    return first, *others


def _is_tame(value: Any) -> bool:
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "fciub" or value.size > MOST:
        return False
    return value.dtype.kind not in "fc" or bool(np.all(np.abs(np.nan_to_num(value, posinf=0, neginf=0)) < 1e4))


# Programs of graphs.


def of_graph(seed: int, graph: graphs.Graph) -> Made:
    """The value and gradient of a graph, whose integers and masks come in another order at every call."""
    arguments = []
    for n in range(CALLS):
        values = generator(seed, "values of a random graph", n)
        xs = [np.asarray(x + 0.1 * n * values.normal(size=x.shape)) for x in graph.inputs]
        arguments.append((xs, [_turned(call, values) if n else call.whole() for call in graph.calls]))
    return Made(seed, value_and_grad(lambda xs, whole: graph.at(xs, whole)), arguments)


def _turned(call: graphs.Call, rng: np.random.Generator) -> dict[str, Any]:
    """A call's integers and masks in another order, where the op takes them so."""
    whole = call.whole()
    turned = {place: rng.permutation(x.ravel()).reshape(x.shape) for place, x in whole.items()}
    given = list(call.case.arguments)
    for place, x in turned.items():
        given[int(place)] = x
    try:
        shapes = [np.shape(y) for y in call.case.call_all(given)]
    except PLAIN:  # an order that means something, as that of bins
        return whole
    return turned if shapes == [np.shape(y) for y in call.case.call_all(call.case.arguments)] else whole


# What comes of them.


@dataclass
class Verdict:
    """What became of a program: nothing to say, what was refused and why, or what differs."""

    refused: str = ""
    differs: str = ""


def judge(made: Made, backends: Sequence[Backend] | None = None) -> Verdict:
    """Compare all calls of a program by these back ends, or by all that there are."""
    wanted = made.eager()
    for backend in backends or [Numpy(), *([Native()] if native_available() else [])]:
        compiled = Compiled(made.function, backend)
        for n, (given, want) in enumerate(zip(made.arguments, wanted, strict=True)):
            got = outcome(compiled, given)
            if isinstance(got, Refusal) and not isinstance(want, Refusal) and isinstance(got.error, TrainerError):
                return Verdict(refused=str(got))
            if not same(got, want):
                return Verdict(differs=f"call {n} by {backend.name}:\n{_shown(compiled, given)}\n{want}\n{got}")
    return Verdict()


def _shown(compiled: Compiled, given: Sequence[Any]) -> str:
    kinds = [
        f"{type(x).__name__} {getattr(x, 'dtype', '')} {np.shape(x)} {getattr(x, 'strides', '')}"
        for x in flatten(given)[0]
    ]
    try:
        return "\n".join([*kinds, repr(compiled.program(*given))])
    except Exception as error:  # there is none
        return "\n".join([*kinds, str(Refusal(error))])


def digest(seed: int, *, compiled: bool) -> str:
    """A program's results in short, computed by the function itself or by the best program."""
    made = drawn(seed)
    function = Compiled(made.function) if compiled else made.function
    whole = hashlib.sha256()
    for given in made.arguments:
        result = outcome(function, given)
        for leaf in flatten(result)[0]:
            text = (
                type(leaf.error).__name__ if isinstance(leaf, Refusal) else f"{np.asarray(leaf).dtype} {np.shape(leaf)}"
            )
            whole.update(text.encode())
            whole.update(b"" if isinstance(leaf, Refusal) else bits(leaf))
    return whole.hexdigest()


def fresh(seed: int) -> bool:
    """Whether a process whose first program this is gets what the function gives here, quietly."""
    command = [sys.executable, "-m", "tools.programs", "--digest", str(seed)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return found.stdout.strip() == digest(seed, compiled=False)


def main() -> int:
    """Draw programs and print what differs, and what was refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", metavar="COUNT", nargs="?", type=int, default=5000, help="how many (%(default)s)")
    parser.add_argument("--first", metavar="SEED", type=int, default=0, help="number of the first (%(default)s)")
    parser.add_argument(
        "--fresh", metavar="K", type=int, default=0, help="so many of them in a process of their own too"
    )
    parser.add_argument("--digest", metavar="SEED", type=int, help="print one program's results in short, and no more")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        if options.digest is not None:
            print(digest(options.digest, compiled=True))
            return 0
        return report(range(options.first, options.first + options.count), options.fresh)


def report(seeds: range, fresh_ones: int) -> int:
    """Judge these programs, and say what came of it."""
    start, refused, different = perf_counter(), Counter[str](), 0
    for seed in seeds:
        verdict = judge(drawn(seed))
        if verdict.differs:
            different += 1
            print(f"program {seed} differs in {verdict.differs}\n", flush=True)
        elif verdict.refused:
            refused[verdict.refused.partition("\n")[0][:160]] += 1
    for message, count in refused.most_common():
        print(f"{count:5} refused: {message}")
    stale = [seed for seed in seeds[:: max(1, len(seeds) // max(fresh_ones, 1))][:fresh_ones] if not fresh(seed)]
    print(
        f"{len(seeds)} programs, {CALLS} calls each: {different} differ, {refused.total()} refused; of {fresh_ones} in "
        f"a process of their own {len(stale)} differ {stale or ''}; {perf_counter() - start:.0f} s"
    )
    return 1 if different or stale else 0


if __name__ == "__main__":
    sys.exit(main())
