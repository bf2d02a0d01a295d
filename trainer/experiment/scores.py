"""From a config's metrics to what is measured after each epoch and at the end of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainer.errors import UsageError
from trainer.experiment.components import built
from trainer.metrics import LABELS
from trainer.nn.several import Several
from trainer.plugins.traits import CostTraits, MetricTraits
from trainer.training.evaluation import Metric, Report, measured
from trainer.wording import describe

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.config.schema import Choice
    from trainer.data.prepared import Prepared
    from trainer.types import Array, CostFunction

__all__ = ["Scores", "called", "scores_of"]

# Two classes of which the words say which is the positive one: the second by the alphabet, as it happens.
PLAIN = {("no", "yes"), ("false", "true"), ("n", "y"), ("f", "t"), ("negative", "positive"), ("neg", "pos")}

ONE_LABEL = ("labels", "classification")

Loc = tuple[str | int, ...]


@dataclass
class Scores:
    """Metrics and tables for the end of a run by their titles, and which number of each is the better one."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    better: dict[str, Literal["lower", "higher"]] = field(default_factory=dict)

    def add(self, title: str, metric: Any, traits: MetricTraits) -> None:
        """Raises UsageError for a title that there is already."""
        if title in self.metrics or title in self.reports:
            raise UsageError(f"'{title}' is there twice; leave one out")
        (self.reports if traits.report else self.metrics)[title] = metric
        self.better[title] = traits.better


def scores_of(loaded: LoadedConfig, cost: CostFunction | Several, data: Prepared, predictions: Array) -> Scores:
    """The metrics that the config lists, in `metrics:` and for each part of several costs.

    By default those that suit the cost, and accuracy for classes. Each that the config names is tried on the
    `predictions` of the first rows to train. Raises ConfigError for one that does not suit.
    """
    scores = Scores()
    if loaded.config.metrics is None:
        for name in _defaults(loaded, data):
            component = loaded.plugins.get("metrics", name)
            scores.add(name, component.build(), MetricTraits.of(component))
    for title, choice, loc, part in _given(loaded, cost, data):
        with loaded.at(*loc):
            metric = _made(choice, part)
            if part is None:
                _check_task(choice, data)
            _try(choice, metric, predictions, data.train.targets[: len(predictions)])
            scores.add(title, metric, MetricTraits.of(choice.component))
    return scores


def _defaults(loaded: LoadedConfig, data: Prepared) -> tuple[str, ...]:
    traits = CostTraits.of(loaded.config.cost.component)
    names = tuple(traits.metrics)
    if data.labels:
        return tuple(metric.__name__ for metric in LABELS)
    if data.task == "classification" and "accuracy" not in names and traits.outputs != "embeddings":
        return ("accuracy",)  # one-hot targets under a cost that is meant for numbers
    return names


def _given(
    loaded: LoadedConfig, cost: CostFunction | Several, data: Prepared
) -> Iterator[tuple[str, Choice, Loc, tuple[Several, int] | None]]:
    """Each metric that the config names: its title, where it stands, and the part of several costs that it is for."""
    choices = loaded.config.metrics or []
    for i, (title, choice) in enumerate(zip(_titles(choices), choices, strict=True)):
        with loaded.at("metrics", i):
            yield _of_class(title, choice, loaded, data), choice, ("metrics", i), None
    if not isinstance(cost, Several):
        return
    for i, part in enumerate(loaded.config.cost.options["parts"]):
        metrics = part.options.get("metrics", ())
        for k, (title, choice) in enumerate(zip(_titles(metrics), metrics, strict=True)):
            yield f"{title}_{i}", choice, ("cost", "parts", i, "metrics", k), (cost, i)


def _titles(choices: Iterable[Choice]) -> list[str]:
    """What each metric is called in tables: its name and its options that are no defaults, `f1_macro`.

    However the options are spelt, so that a resolved config, which has them all, gives the same columns; and in word
    characters, since a title is the name of a column and of a file.
    """
    return [_in_word_characters("_".join([choice.name, *_told(choice)])) for choice in choices]


def _in_word_characters(title: str) -> str:
    return re.sub(r"[^\w.-]+", "_", title).strip("_")


def _of_class(title: str, choice: Choice, loaded: LoadedConfig, data: Prepared) -> str:
    """The title with the class that the metric is about, where that is one of two and has a name.

    Raises UsageError where nothing says which of the two it is. Numbers do, of which 1 is the positive one.
    """
    positive = MetricTraits.of(choice.component).positive
    if positive is None or len(data.class_names) != 2:
        return title
    if positive == "binary" and choice.options.get("average") not in (None, "binary"):
        return title
    first, second = data.class_names
    if _in_order(first, second):
        return title
    if loaded.config.dataset.positive is not None or (first.lower(), second.lower()) in PLAIN:
        return _in_word_characters(f"{title}_{second}")
    both = f", or {choice.name}: macro for the mean of both" if positive == "binary" else ""
    raise UsageError(
        f"{choice.name} of two classes is about one of them, and {first!r} and {second!r} do not say which: write "
        f"positive: {_yaml(first)} or positive: {_yaml(second)} below dataset{both}"
    )


def _in_order(first: str, second: str) -> bool:
    """Whether two names are numbers, of which the larger comes second."""
    try:
        return float(first) < float(second)
    except ValueError:
        return False


def _yaml(name: str) -> str:
    """A name as one writes it in a config."""
    return json.dumps(name, ensure_ascii=False) if re.search(r"[^\w .-]|^[ .-]|^$| $", name) else name


def called(name: str | int | bool, names: Sequence[str]) -> str:
    """The class that a config names; YAML makes `true` of what a file spells True.

    >>> called(True, ("False", "True")), called(1, ("0", "1")), called("b", ("a", "b"))
    ('True', '1', 'b')
    """
    text = str(name)
    return next((each for each in names if isinstance(name, bool) and each.lower() == text.lower()), text)


def _told(choice: Choice) -> Iterator[str]:
    for parameter in choice.component.parameters:
        value = choice.options.get(parameter.name, parameter.default)
        if value != parameter.default:
            yield str(value)


def _made(choice: Choice, part: tuple[Several, int] | None) -> Any:
    metric = built(choice)
    if part is None:
        return metric
    several, i = part

    @wraps(metric)
    def of_part(predictions: Array, targets: Array) -> Any:
        return metric(*several.split(predictions, targets)[i])

    return of_part


def _check_task(choice: Choice, data: Prepared) -> None:
    there = "labels" if data.labels else data.task
    task = MetricTraits.of(choice.component).task or there
    if task == there:
        return
    what = f"metric '{choice.name}' is for {task}, and data set '{data.name}'"
    if there == "labels":
        theirs = "binary_accuracy, of all labels, or exact_match, of rows of which every label is right"
        raise UsageError(f"{what} has several targets of 0 and 1, under this cost labels: write {theirs}")
    raise UsageError(f"{what} is for {there}" + ("; write accuracy" if (task, there) == ONE_LABEL else ""))


def _try(choice: Choice, metric: Callable[[Array, Array], float | Array], predictions: Array, targets: Array) -> None:
    """The metric on two rows. Raises UsageError where it fails, or returns something else than it should."""
    with np.errstate(all="ignore"):
        value: float | Array = measured(choice.name, metric, predictions, targets, "two rows")
    if MetricTraits.of(choice.component).report:
        if np.ndim(value) != 2:
            raise UsageError(f"metric '{choice.name}' returned {describe(value)}; a report is a table, of two axes")
    elif np.shape(value) != () or not isinstance(value, int | float | np.generic | np.ndarray):
        raise UsageError(f"metric '{choice.name}' returned {describe(value)}; it must return a number")
