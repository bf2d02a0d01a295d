"""What a plugin says of a component when it registers it, a dataclass per kind: what its own code does not show.

register(my_cost, targets="classes")
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from trainer.errors import PluginError
from trainer.limits import admits, expected
from trainer.wording import did_you_mean

if TYPE_CHECKING:
    from trainer.plugins.registry import Component

__all__ = ["CostTraits", "DatasetTraits", "MetricTraits", "ReaderTraits", "Traits", "traits_of"]

Task = Literal["classification", "regression"]


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Of a kind that has none."""

    @classmethod
    def of(cls, component: Component) -> Self:
        """A component's traits, where those of its kind are these."""
        return cast("Self", component.traits)


@dataclass(frozen=True, kw_only=True)
class CostTraits(Traits):
    """Of a cost.

    Attributes:
        targets: what it takes for targets: "classes", indices (m,); "binary", 0 and 1, or "signs", -1 and 1, both
            (m, 1), or (m, k) where a row has several labels; or "values", numbers (m, k), which is what one that does
            not say is given.
        outputs: "embeddings" where the predictions are places in a space, of any width, and not one per class.
        metrics: what is measured where a config names nothing.
        applies: ops that it applies to the predictions itself, so that a network should not end in them.
        link: what makes of the predictions what is expected of a target: "softmax", probabilities of the classes;
            "sigmoid", that of the second of two classes; "exp", a mean of which they are the logarithm; or "halves",
            of which the first are means. Without it they are taken as they are.
    """

    targets: Literal["classes", "binary", "signs", "values"] | None = None
    outputs: Literal["embeddings"] | None = None
    metrics: tuple[str, ...] = ()
    applies: tuple[str, ...] = ()
    link: Literal["softmax", "sigmoid", "exp", "halves"] | None = None


@dataclass(frozen=True, kw_only=True)
class MetricTraits(Traits):
    """Of a metric.

    Attributes:
        task: what it is for, where it is for one only; "labels" are several targets of 0 and 1 in a row.
        better: whether a lower or a higher number is better.
        report: whether it returns a table, for the end of a run, and not a number.
        positive: whether of two classes it is about the second alone, the positive one: "always", or "binary" where an
            option `average` may say otherwise.
    """

    task: Task | Literal["labels"] | None = None
    better: Literal["lower", "higher"] = "higher"
    report: bool = False
    positive: Literal["always", "binary"] | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetTraits(Traits):
    """Of a data set: what a list can say without loading it, for the options' defaults.

    Attributes:
        rows: how many examples.
        features: how many numbers an example has, or its shape.
        task: what there is to learn.
        classes: how many, in a classification.
        labels: how many, where an example has several at once, each 0 or 1: numbers to a cost.
    """

    rows: int | None = None
    features: int | tuple[int, ...] | None = None
    task: Task | None = None
    classes: int | None = None
    labels: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReaderTraits(Traits):
    """Of a reader, which has to have one of the first two.

    Attributes:
        endings: of the files that it reads, in lower case: (".csv",).
        folder: whether a folder, by its path, is one that it reads.
        example: the name of a file or folder, for messages and lists.
    """

    endings: tuple[str, ...] = ()
    folder: Callable[[Path], bool] | None = None
    example: str = ""


_OF: dict[str, type[Traits]] = {
    "costs": CostTraits,
    "metrics": MetricTraits,
    "datasets": DatasetTraits,
    "readers": ReaderTraits,
}


@cache
def _annotations(kind: str) -> dict[str, Any]:
    return typing.get_type_hints(_OF.get(kind, Traits))


def traits_of(kind: str, given: Mapping[str, object], noun: str) -> Traits:
    """The traits that a call of `register` gives. Raises PluginError for one that the kind has not, or not so.

    >>> traits_of("metrics", {"better": "lower"}, "metric")
    MetricTraits(task=None, better='lower', report=False, positive=None)
    >>> traits_of("costs", {"target": "classes"}, "cost")
    Traceback (most recent call last):
    trainer.errors.PluginError: a cost has no trait 'target'; did you mean 'targets'?
    """
    made = _OF.get(kind, Traits)
    if not given:
        return made()
    known = [field.name for field in fields(made)]
    article = "an" if noun[0] in "aeiou" else "a"
    annotations = _annotations(kind)
    for name, value in given.items():
        if name not in known:
            there = f"there are: {', '.join(known)}" if known else "it has none"
            raise PluginError(f"{article} {noun} has no trait '{name}'; {did_you_mean(name, known, there)}")
        if not admits(annotations[name], value):
            raise PluginError(f"the trait {name} of {article} {noun} is {expected(annotations[name])}, not {value!r}")
    return made(**given)
