"""How many planted mistakes does the checker find?

Each rule of each op is broken in turn, in four ways, and the op is checked: its result times 1 + 1e-9; its result with
an axis too many; its result in another precision; its result cut off from the tape, which is right at first order and
wrong at second. A mutant that gives what the rule gives, such as a multiple of zero, is no mistake and is not counted.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np

from trainer import Op, stop_gradient
from trainer.checker.case import Subject, cases_of
from trainer.checker.checks import FULL, QUICK
from trainer.checker.run import examine
from trainer.engine.rules import Rule
from trainer.plugins import shared

OTHER = {"float64": np.float32, "float32": np.float64, "complex128": np.complex64, "complex64": np.complex128}

MUTATIONS: dict[str, Callable[[Any], Any]] = {
    "times 1 + 1e-9": lambda g: g * (1 + 1e-9),
    "shape": lambda g: np.expand_dims(g, 0),
    "dtype": lambda g: np.astype(g, OTHER[str(g.dtype)]),
    "second order": stop_gradient,
}


def each(change: Callable[[Any], Any], result: Any) -> Any:
    """A rule's result with every cotangent in it changed."""
    if isinstance(result, list | tuple):
        return [None if g is None else change(g) for g in result]
    return change(result)


def mutants(op: Op) -> Iterator[tuple[str, str, Op]]:
    """Every mutant of an op: the kind of mistake, the rule's inputs, the broken op."""
    rules = {id(rule): rule for rule in op.rules.values() if isinstance(rule, Rule)}
    for rule in rules.values():
        for kind, change in MUTATIONS.items():
            broken = copy.copy(rule)

            def function(*args: Any, _rule: Any = rule, _change: Any = change, **kwargs: Any) -> Any:
                return each(_change, _rule.function(*args, **kwargs))

            broken.function = function
            mutant = copy.copy(op)
            mutant._plans = {}
            mutant.rules = {name: broken if r is rule else r for name, r in op.rules.items()}
            yield kind, ", ".join(rule.inputs), mutant


def harmless(kind: str, op: Op, mutant: Op, order: int) -> bool:
    """Whether the mutant cannot be told from the op: nothing of the rule reaches a sample's gradient."""
    if kind == "second order" and order < 2:
        return True
    pairs = zip(cases_of(Subject(op), (), "-"), cases_of(Subject(mutant), (), "-"), strict=True)
    for case, other in pairs:
        if not case.xs:
            continue
        if kind in ("shape", "dtype"):
            try:
                np.testing.assert_array_equal(case.jacobian, other.jacobian)
            except Exception:  # a mutant that fails at all can be told
                return False
        elif kind == "second order":
            if np.any(case.jacobian != 0) and any(t in mutant_targets(op, mutant) for t in targets_of(case)):
                return not any(np.any(case.jacobian[:, c] != 0) for c in columns_of(case, mutant_targets(op, mutant)))
        elif np.any(case.jacobian != other.jacobian):
            return False
    return True


def mutant_targets(op: Op, mutant: Op) -> set[str]:
    """The inputs whose rule was broken."""
    return {name for name, rule in op.rules.items() if mutant.rules[name] is not rule}


def targets_of(case: Any) -> list[str]:
    """The names of a case's differentiable arguments."""
    return [case.op.inputs[0 if case.op.variadic else p] for p in case.positions]


def columns_of(case: Any, targets: set[str]) -> list[int]:
    """The columns of a case's Jacobian that belong to these inputs."""
    names = targets_of(case)
    return [i for i, column in enumerate(case.columns) if names[case.inputs.locate(column)[0]] in targets]


def registered(names: list[str]) -> dict[str, Op]:
    """The ops of these names, or all that are installed, costs included."""
    plugins = shared()
    found = {n: c.target for kind in ("costs", "ops") for n, c in plugins.all(kind).items()}
    return {n: o for n, o in sorted(found.items()) if isinstance(o, Op) and (not names or n in names)}


def main() -> int:
    """Print what was killed of each kind, and every survivor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="OP", nargs="*", help="a registered op; else all of them")
    names = parser.parse_args().names
    start = perf_counter()
    killed, total, survivors = Counter[str](), Counter[str](), []
    for name, op in registered(names).items():
        report = examine(op, (), FULL)
        if not report.ok:
            print(f"{name} fails unbroken; left out")
            continue
        sharp = report.sources == ("complex step",)
        for kind, targets, mutant in mutants(op):
            label = f"{kind}, {'complex step' if sharp else 'other'}" if kind.startswith("times") else kind
            dead = not examine(mutant, (), QUICK, first_only=True).ok or not examine(mutant, (), FULL).ok
            if dead or not harmless(kind, op, mutant, report.order):
                total[label] += 1
                killed[label] += dead
                if not dead:
                    survivors.append(f"{label}: {name}, rule for {targets}")
    for label in sorted(total):
        print(f"{label:<32} {killed[label]:>5} of {total[label]:>5} killed")
    for survivor in survivors:
        print("survived  " + survivor)
    print(f"{perf_counter() - start:.0f} s")
    return 1 if any(not s.startswith("times 1 + 1e-9, other") for s in survivors) else 0


if __name__ == "__main__":
    sys.exit(main())
