"""Settings that do nothing, or not what one expects: a line each, before the first step.

None of them is a mistake that a run should be refused for; each cost somebody a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainer.compiler.processors import processors
from trainer.experiment.components import built
from trainer.training.schedules import Plateau, Schedule
from trainer.training.stopping import part_of
from trainer.wording import count

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.config.schema import Config
    from trainer.training import Training

__all__ = ["remarks"]


def remarks(loaded: LoadedConfig, training: Training) -> list[str]:
    """What a person should know before this training begins."""
    config = loaded.config
    return [
        *training.data.remarks,
        *_of_threads(config, training),
        *_of_memory(config, training),
        *_of_batches(config, training),
        *_of_length(config, training),
        *_of_choosing(training),
        *_of_beginning(loaded, training),
    ]


def _of_threads(config: Config, training: Training) -> Iterator[str]:
    asked, given = config.compute.threads, processors()
    if asked == "auto" or asked == 1:
        return
    if training.runs_on != "native":
        yield f"compute.threads: {asked} does nothing here: it is the native executor that divides its work"
    elif asked > given:
        yield f"compute.threads: {asked} is more than the {count(given, 'processor')} that this process was given"


def _of_memory(config: Config, training: Training) -> Iterator[str]:
    if config.compute.memory == "less" and training.runs_on == "eager":
        yield "compute.memory: less does nothing here: the tape keeps what the rules ask for, and nothing else"


def _of_batches(config: Config, training: Training) -> Iterator[str]:
    rows, asked = len(training.data.train), config.batch_size
    if isinstance(asked, int) and asked > rows and "batch_size" in config.model_fields_set:
        yield f"batch_size: {asked} is more than the {count(rows, 'row')} to train: every batch is all of them"


def _of_length(config: Config, training: Training) -> Iterator[str]:
    """What the run is too short for."""
    epochs = math.ceil(training.steps / training.steps_per_epoch)
    run = f"the run has {count(epochs, 'epoch')}"
    stop, schedule = config.stop, training.schedule
    if stop is not None and stop.patience is not None and stop.patience >= epochs:
        yield f"stop.patience: {stop.patience} never ends the run early: {run}"
    if isinstance(schedule, Plateau) and schedule.patience + 1 >= epochs:
        yield f"plateau's patience: {schedule.patience} never lowers the step size: {run}"
    updates = math.ceil(training.steps / config.accumulate)
    if config.average is not None and (1 - config.average) * updates < 1:
        remembered = config.average ** (updates - 1)
        yield (
            f"average: {config.average:g} forgets over about {1 / (1 - config.average):,.0f} updates, and the run "
            f"makes {updates:,}: {remembered:.0%} of it is θ after the first one"
        )
    if stop is not None and stop.seconds is not None and not isinstance(config.step_size, int | float):
        given = built(config.step_size)
        if isinstance(given, Schedule) and given.over(training.steps) != given:
            yield (
                f"{config.step_size.name} descends over all {training.steps:,} steps of the run, and stop.seconds may "
                f"end it before; give it steps of its own"
            )


def _of_beginning(loaded: LoadedConfig, training: Training) -> Iterator[str]:
    if training.initial:
        from trainer.experiment.starting import differs  # 50 ms that only a config with start_from: needs

        yield from differs(loaded, training.data)


def _of_choosing(training: Training) -> Iterator[str]:
    """A number that was used to choose is no estimate of what comes."""
    stopping, schedule, measured = training.stopping, training.schedule, training.data.watched
    chosen = []
    if stopping.watches and part_of(stopping.part, measured) == "test":
        chosen.append("the epoch" if stopping.best else "when training ends")
    if isinstance(schedule, Plateau) and part_of(schedule.part, measured) == "test":
        chosen.append("the step size")
    if chosen:
        yield (
            f"the test rows choose {' and '.join(chosen)}, so new rows will do worse than they; give "
            f"validation_fraction under dataset, such as 0.2, and the test is looked at once, at the end"
        )
