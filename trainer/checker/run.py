"""`trainer.check`: every check on every sample, gathered into a Report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from trainer.checker.case import Case, Subject, cases_of
from trainer.checker.checks import FULL, QUICK, Check
from trainer.checker.checks.algebra import adjoint_identity
from trainer.checker.checks.arrays import unchanged
from trainer.checker.checks.complexes import complex_inputs
from trainer.checker.checks.derivatives import first_order, second_order, table
from trainer.checker.evidence import raised
from trainer.checker.report import Failure, Report
from trainer.engine.op import REQUIRED, Op

__all__ = ["check", "examine"]

# What a rule that is wrong in the first place fails as well; not worth saying twice.
DERIVED = (table, second_order, adjoint_identity, complex_inputs)


def check(op_or_function: Op | Callable[..., object], *samples: object, quick: bool = False) -> Report:
    """Try to prove the derivatives of an op, or of any function of arrays, wrong.

    Args:
        op_or_function: an op, or a function that computes with ops or NumPy's functions.
        samples: what to call it with: an array, or a tuple of arguments, with a dict of attributes at its end where
            there are any. An op has samples of its own, which are used when none are given.
        quick: only the first sample that can be differentiated, and fewer variants of it.

    Returns:
        a Report. Print it; `report.ok` says whether all is well; `report.raise_()` raises RuleError if not.

    >>> import numpy as np, trainer
    >>> cube = trainer.op(lambda x: x**3, name="cube").defvjp(x=lambda dy, x: 3 * x * x * dy)
    >>> trainer.check(cube, np.array([1.0, 2.0])).ok
    True
    >>> wrong = trainer.op(lambda x: x**3, name="cube").defvjp(x=lambda dy, x: 3 * x * dy)
    >>> report = trainer.check(wrong, np.array([1.0, 2.0]))
    >>> report.failures[0].expected, report.failures[0].got
    (12.0, 6.0)
    """
    return examine(op_or_function, samples, QUICK if quick else FULL, first_only=quick)


def examine(
    target: Op | Callable[..., object], samples: Sequence[object], checks: Sequence[Check], *, first_only: bool = False
) -> Report:
    """Run some checks on the given samples, or on an op's own."""
    start = perf_counter()
    subject = Subject(target)
    if isinstance(target, Op) and not samples and target._samples is None:
        samples = _any_samples(target)
    tally = _Tally()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _examine(subject, samples, checks, first_only, tally)
    return Report(
        subject.name, subject.origin, tally.samples, tally.passed, tuple(tally.failures),
        tuple(dict.fromkeys(tally.notes)), tuple(sorted(tally.sources)), tally.order, tally.dtypes(),
        perf_counter() - start,
    )  # fmt: skip


def _any_samples(op: Op) -> tuple[Any, ...]:
    """Something to try an op on that has brought nothing: a matrix, for an op of one array such as an activation."""
    if len(op.inputs) > 1 or op.variadic or REQUIRED in op.attributes.values():
        return ()
    return (np.random.default_rng(0).normal(size=(3, 4)),)


class _Tally:
    """What has been found so far."""

    def __init__(self) -> None:
        self.samples = self.passed = 0
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self.sources: set[str] = set()
        self.order = 0
        self.complex = self.real = False

    def dtypes(self) -> tuple[str, ...]:
        """The dtypes that nothing failed in."""
        if self.failures or not self.order:
            return ()
        real = ("float32", "float64") if self.real else ()
        return real + (("complex64", "complex128") if self.complex else ())


def _examine(
    subject: Subject, samples: Sequence[object], checks: Sequence[Check], first_only: bool, tally: _Tally
) -> None:
    cases = cases_of(subject, samples, _caller())
    while True:
        try:
            case = next(cases, None)
        except Exception as error:  # whatever a stranger's samples raise
            tally.failures.append(_no_samples(subject, f"its samples raised {type(error).__name__}: {error}"))
            return
        if case is None:
            break
        tally.samples += 1
        if case.xs:
            _case(case, checks, tally)
            if first_only:
                break
    if not tally.samples and (subject.op is None or subject.op.differentiable):
        tally.failures.append(_no_samples(subject, "it has no samples, and none were given"))
    elif not tally.order and (subject.op is None or subject.op.differentiable) and not tally.failures:
        what = "no sample has an array of real or complex numbers that can be differentiated"
        if samples:
            way = "give one argument per sample, an array or a tuple of arguments"
            tally.failures.append(_no_samples(subject, f"{what}; {way}: {_call(subject)}"))
        else:
            tally.notes.append(what)


def _case(case: Case, checks: Sequence[Check], tally: _Tally) -> None:
    wrong = False
    for run in checks:
        if wrong and run in DERIVED:
            continue
        try:
            found = list(run(case))
        except Exception as error:  # whatever a stranger's op raises
            tally.failures.append(raised(run, case, error))
            if run is checks[0]:
                return
            continue
        failures = [f for f in found if isinstance(f, Failure)]
        wrong |= bool(failures) and run is first_order
        tally.failures += failures
        tally.notes += [n for n in found if isinstance(n, str)]
        tally.passed += not failures
        if failures and run is unchanged:
            break  # what a rule has written to misleads every other check
    tally.order = case.order if not tally.order else min(tally.order, case.order)
    if "reference" in case.__dict__:
        tally.sources.add(case.reference.source)
    tally.complex |= case.complex or any(x.dtype.kind == "c" for x in case.xs)
    tally.real |= all(x.dtype.kind == "f" for x in case.xs)


def _call(subject: Subject) -> str:
    """How to check it on a sample."""
    if subject.op is None:
        return "check(f, x), or check(f, (x, y))"
    inputs = ", ".join(subject.op.inputs)
    return f"check({subject.name}, {inputs if len(subject.op.inputs) == 1 else f'({inputs})'})"


def _no_samples(subject: Subject, what: str) -> Failure:
    name = subject.name
    mend = f"@{name}.samples\ndef _(rng):\n    yield rng.normal(size=(3, 4))"
    if subject.op is None:
        mend = f"trainer.check({name}, np.array([1.0, 2.0]))"
    rows = (("op" if subject.op else "function", f"{name}, from {subject.origin}"), ("write", mend))
    return Failure("samples", f"'{name}' cannot be checked: {what}", rows)


def _caller() -> str:
    """The line outside of this package that asked for the check."""
    import sys

    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("trainer.checker"):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
