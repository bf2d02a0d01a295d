"""What a check found, as an object that prints itself."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.errors import RuleError
from trainer.wording import count, either

__all__ = ["Failure", "Report"]


@dataclass(frozen=True)
class Failure:
    """One check that failed on one sample.

    Attributes:
        check: the check's name.
        what: what is wrong, in a sentence.
        rows: the evidence, as (label, text): what the check proves, the rule's place, the worst element, what came and
            what was expected there, the input there, the sample and its place.
        input: the name of the input concerned; empty where it is no single one.
        index: the worst element's index in it; () where there is none.
        got, expected: the two values; nan where they are no numbers.
    """

    check: str
    what: str
    rows: tuple[tuple[str, str], ...]
    input: str = ""
    index: tuple[int, ...] = ()
    got: complex = float("nan")
    expected: complex = float("nan")

    def __str__(self) -> str:
        return "\n".join([f"{self.check}: {self.what}", *(_row(label, text) for label, text in self.rows)])


def _row(label: str, text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([f"  {label:<9} {first}", *(f"  {'':<9} {line}" for line in rest)])


@dataclass(frozen=True)
class Report:
    """The result of `trainer.check`. Printing it shows every failure with its evidence.

    Attributes:
        name, origin: the op, its plugin and package; or the function and its place.
        samples: how many samples were tried.
        passed: how many checks passed, over all samples.
        failures: what failed.
        notes: what could not be checked, and why; none of it is a mistake.
        sources: what the first derivatives were compared with.
        order: 2 when the rules are differentiable themselves, 1 when they leave NumPy, 0 without any derivative.
        dtypes: the dtypes in which the checks passed.
        seconds: how long it took.
    """

    name: str
    origin: str
    samples: int
    passed: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...]
    order: int
    dtypes: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    @property
    def total(self) -> int:
        """How many checks were made."""
        return self.passed + len(self.failures)

    def raise_(self) -> Report:
        """Raise a RuleError with the report's text unless it is ok; returns the report."""
        if not self.ok:
            raise RuleError(str(self))
        return self

    def summary(self) -> str:
        """The report in a line.

        >>> Report("swish", "plugin 'swish'", 2, 34, (), (), ("complex step",), 2, ("float64",), 0.05).summary()
        'swish passes 34 checks on 2 samples; derivatives of order 1 and 2; by complex step'
        """
        samples = count(self.samples, "sample")
        if not self.ok:
            return f"{self.name} fails {len(self.failures)} of {count(self.total, 'check')} on {samples}"
        order = {
            0: "no derivative",
            1: "derivatives of order 1 only",
            2: "derivatives of order 1 and 2",
        }[self.order]
        by = f"; by {either(self.sources, 'and')}" if self.sources else ""
        return f"{self.name} passes {count(self.passed, 'check')} on {samples}; {order}{by}"

    def __str__(self) -> str:
        parts = [f"{self.summary()}\n({self.origin})"] if not self.ok else [self.summary()]
        parts += [self._shown(same) for same in self._grouped()]
        if self.notes:
            parts.append("\n".join(f"note: {note}" for note in self.notes))
        return "\n\n".join(parts)

    __repr__ = __str__

    def _grouped(self) -> list[list[Failure]]:
        """The failures, those of one check that say the same of several samples together."""
        groups: dict[tuple[str, str], list[Failure]] = {}
        for failure in self.failures:
            groups.setdefault((failure.check, failure.what), []).append(failure)
        return list(groups.values())

    def _shown(self, same: list[Failure]) -> str:
        """The first of several failures, and how many more there are."""
        text = f"on {count(len(same) - 1, 'more sample')}"
        return str(same[0]) + (f"\n{_row('also', text)}" if len(same) > 1 else "")
