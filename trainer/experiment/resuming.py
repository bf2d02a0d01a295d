"""Going on with a run that was stopped, in its own folder, to the very bytes of the one that never was.

What it went on with before is compared with what it is to go on with now: config, data, the numbers' bits. What cannot
change is refused by name; of what can, the change is said. So an edited or damaged file never changes a run silently.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.config.loader import LoadedConfig, load
from trainer.config.overrides import flat
from trainer.errors import DataError, UsageError
from trainer.experiment.checkpointing import RECORDS
from trainer.experiment.components import built
from trainer.experiment.execution import (
    Outcome,
    check_program,
    checked_training,
    ending_tidily,
    made_of_what,
    named_config,
    plugins_of,
    recorded,
)  # fmt: skip
from trainer.experiment.observer import Observer
from trainer.experiment.ranks import check_ranks, follow, shared, threads_of
from trainer.plugins import Plugins
from trainer.runs.checkpoint import FOLDER, Checkpoint, Checkpoints
from trainer.runs.digests import checked
from trainer.runs.fingerprint import changed, file_fingerprint, numerics
from trainer.runs.folder import RunFolder
from trainer.runs.loading import load as load_run
from trainer.runs.lock import locked
from trainer.training import Training, TrainingState
from trainer.training.ranks import World
from trainer.training.schedules import schedule_of
from trainer.training.threads import pinned
from trainer.wording import typed

__all__ = ["follow_run", "resume"]

_FREE = (
    "epochs",
    "checkpoint",
    "stop",
    "compute.threads",
    "compute.executor",
    "compute.memory",
    "log.tensorboard",
    "log.mlflow",
    "log.trackers",
    "name",
)
_MEMORY = ("stop.watched", "stop.part", "stop.better", "stop.best")
_NOT_SET = "not set"
# Why a section has to stay, for those that a person may want to change.
_REASONS = {
    "seed": "the order of the rows and all else that is random follow from it",
    "dataset": "the steps so far were taken on other rows",
    "network": "θ has the layout of the network",
    "networks": "θ has the layout of the network",
    "cost": "θ has come down another cost so far",
    "optimizer": "its state belongs to the optimizer that kept it",
    "batch_size": "steps are counted in batches",
    "step_size": "the steps so far were of another size",
    "metrics": "metrics.csv has a column for each",
    "log": "metrics.jsonl has a line for every so many steps",
    "evaluate": "metrics.csv has a column for each number",
    "compute": "θ is of this dtype, and gradients are sums of so many shards",
}


def resume(
    folder: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    *,
    plugins: Plugins | None = None,
    loaded: LoadedConfig | None = None,
    debug: bool = False,
    allow_unchecked: bool = False,
    ranks: World | None = None,
) -> Outcome:
    """Go on with the run in a folder, from its newest whole checkpoint, or from the beginning where there is none.

    Args:
        overrides: `key=value`; `epochs`, `stop`, `checkpoint`, `compute.threads`, `compute.executor` and
            `compute.memory` may change.
        observers: are told what there is to know by `notice`, then every step and epoch from there on.
        plugins: instead of what is installed.
        ranks: who computes along (see `execute`), as many as there may be, whatever their number was before.
        loaded: its very config, for a caller that has it; of data in memory resolved.yaml knows no more than what they
            were.

    Raises UsageError for a run that is done, that another process trains, or that cannot go on with what was changed;
    DataError where data or metrics.csv are not those of the checkpoint; and what `execute` raises.
    """
    path = load_run(folder).path
    with locked(path):
        if not (path / "resolved.yaml").exists():
            what = f"{path} was stopped before it had written down what it trains: there is no resolved.yaml in it"
            rid = f"trainer runs rm {typed(path)}"
            raise DataError(f"{what}. Begin again: trainer run CONFIG; nothing is lost with {rid}")
        if loaded is None:
            loaded = load(checked(path / "resolved.yaml"), overrides, () if plugins is None else plugins)
            name = loaded.config.name or re.sub(r"^\d{8}-\d{6}-", "", path.name)
        else:
            name = loaded.name
        checkpoints = Checkpoints(path / FOLDER)
        checkpoint = checkpoints.newest()
        notices = [f"a checkpoint is left out: {damage}" for damage in checkpoints.damaged]
        if checkpoint is None and load_run(path).status == "finished":
            raise UsageError(f"{path} is done, and has no checkpoint to go on from; {_anew(path)}")
        changes = {} if checkpoint is None else _changes(checkpoint, named_config(loaded, name))
        state = None if checkpoint is None else _state(path, checkpoint, changes, loaded.config.epochs)
        check_ranks(loaded, ranks)
        unchecked, training = checked_training(loaded, allow_unchecked, debug=debug)
        with pinned(threads_of(loaded, ranks)):
            check_program(loaded, training)
            lengths, warnings = dict[str, int](), list[str]()
            made_of = made_of_what(loaded, training)
            if checkpoint is None or state is None:
                notices.append("there is no whole checkpoint: it begins anew")
            else:
                lengths = _lengths(path, checkpoint)
                notices += [f"{key} was {_told(before)} and is {_told(now)}" for key, (before, now) in changes.items()]
                warnings += _differences(checkpoint, loaded, training, made_of["data"])
                state = _remembered(state, training)
                training.resume(state)
                warnings += _schedule(checkpoint, loaded, training)
                at = f"step {state.step:,}, in epoch {state.epoch + 1:,}" if state.batches else f"step {state.step:,}"
                notices.append(f"resumed from {at}")
            seconds = training.now.seconds
            resolved = named_config(loaded, name)
            with shared(loaded, training, ranks, made_of) as remarks:
                run = RunFolder.reopen(path, name, resolved=resolved, lengths=lengths, made_of=made_of, seconds=seconds)
                with ending_tidily(), run:  # also while it is closed
                    for text in notices:
                        run.log(text)
                        for observer in observers:
                            observer.notice(text)
                    data = made_of["data"]
                    return recorded(loaded, training, run, observers, unchecked, [*warnings, *remarks], data=data)


def follow_run(
    folder: str | os.PathLike[str], ranks: World, overrides: Sequence[str] = (), *, allow_unchecked: bool = False
) -> None:
    """As another rank: compute shards for the rank 0 that goes on with the run in a folder."""
    config = load(checked(load_run(folder).path / "resolved.yaml"), overrides)
    follow(config, ranks, allow_unchecked=allow_unchecked)


def _changes(checkpoint: Checkpoint, config: Mapping[str, object]) -> dict[str, tuple[Any, Any]]:
    """The settings that are not the checkpoint's: what each was and is. Raises UsageError where one is fixed."""
    before = dict(flat(checkpoint.facts["config"]))
    now = dict(flat(json.loads(json.dumps(config, default=str))))
    different = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    for key in different:
        free = any(key == each or key.startswith(f"{each}.") for each in _FREE)
        remembered = key in _MEMORY and any(each.startswith("stopping.") for each in checkpoint.arrays)
        if free and not (remembered and key in before):
            continue
        top = key.partition(".")[0]
        reason = _REASONS.get(top, "it has had a part in the steps so far")
        reason = "the best number so far belongs to it" if remembered else reason
        run = typed(checkpoint.path.parent.parent)
        raise UsageError(
            f"{top} cannot change in a run that goes on: {_change(key, before, now)}, and {reason}. A run of its own "
            f"may begin from these parameters: trainer run CONFIG start_from={run}"
        )
    return {key: (before.get(key), now.get(key)) for key in different}


def _change(key: str, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """What a setting was and would be; of an option that only one of two names has, these names.

    >>> _change("optimizer.adam.beta1", {"optimizer.adam.beta1": 0.9}, {"optimizer": "sgd"})
    'optimizer was adam and would be sgd'
    >>> _change("penalty.0.l1", {}, {"penalty.0.l1": 0.0, "penalty.0.l2": 0.1})
    'penalty was not set and would be given'
    """
    steps = key.split(".")
    levels = (".".join(steps[:end]) for end in range(1, len(steps) + 1))
    found = [(level, _at(before, level), _at(now, level)) for level in levels]
    told = (each for each in found if each[1] != each[2] and (None not in each or _NOT_SET in each))
    level, was, new = next(told, found[-1])
    return f"{level} was {was or 'given'} and would be {new or 'given'}"


def _at(settings: Mapping[str, object], path: str) -> str | None:
    """The value at a path, or the one name above its options; None where there are several things."""
    if path in settings:
        return _told(settings[path])
    names = {key[len(path) + 1 :].partition(".")[0] for key in settings if key.startswith(f"{path}.")}
    if len(names) > 1:
        return None
    name = next(iter(names), _NOT_SET)
    return _at(settings, f"{path}.{name}") if name.isdecimal() else name


def _told(value: object) -> str:
    return _NOT_SET if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _state(path: Path, checkpoint: Checkpoint, changes: Mapping[str, object], epochs: int) -> TrainingState:
    """The checkpoint's state. Raises UsageError where nothing is left to do."""
    state = TrainingState.from_arrays(checkpoint.arrays, checkpoint.values)
    if any(key.startswith("stop") for key in changes):
        state = replace(state, ended=None)
    if state.batches or load_run(path).about["status"] != "finished":  # what comes after the last epoch may be missing
        return state
    if state.ended is not None:
        raise UsageError(f"{path} is already done: {state.ended}; another limit goes on, such as stop.patience=N")
    if state.epoch >= epochs:
        raise UsageError(f"{path} is already done, with epoch {state.epoch:,} of {epochs:,}; epochs=N goes on")
    return state


def _remembered(state: TrainingState, training: Training) -> TrainingState:
    """The state under limits that may have changed since."""
    if not training.stopping.best:
        return replace(state, best=None)
    if state.stopping and state.best is None:
        raise UsageError("the best epoch so far was not kept, so it cannot be handed back; write stop.best=false")
    return state


def _lengths(path: Path, checkpoint: Checkpoint) -> dict[str, int]:
    """How many bytes the checkpoint knows of each record. Raises DataError where they are others now."""
    lengths = {}
    for key, name in RECORDS.items():
        if key == "log" or key not in checkpoint.facts:  # the log goes on behind what it has
            continue
        known, file = checkpoint.facts[key], path / name
        if file_fingerprint(file, known["bytes"]) != known:
            raise DataError(
                f"{file} is not the one that {checkpoint.path.name} goes on from: its first {known['bytes']:,} bytes "
                f"have changed. Put it back as it was, or {_anew(path)}"
            )
        lengths[name] = known["bytes"]
    return lengths


def _anew(path: Path) -> str:
    return f"begin a run of its own: trainer run {typed(path / 'resolved.yaml')}"


def _differences(checkpoint: Checkpoint, loaded: LoadedConfig, training: Training, data: str) -> Iterator[str]:
    """What may change the last bits. Raises DataError for other data, with which it would be another run."""
    facts = checkpoint.facts
    if data != facts["data"]:
        raise DataError(
            f"the data are not those that this run was trained on: {training.data.name}, as it is read, split and "
            f"changed now, has another fingerprint. Put the data back, or {_anew(checkpoint.path.parent.parent)}"
        )
    for what in changed(facts["numerics"], numerics(training.runs_on)):
        yield f"{what}; the last bits may differ from those of a run that was never stopped"
    for what in changed(facts["plugins"], plugins_of(loaded)):
        yield f"of the plugins, {what}; results may differ from those of a run that was never stopped"


def _schedule(checkpoint: Checkpoint, loaded: LoadedConfig, training: Training) -> Iterator[str]:
    """A schedule that knows the end of the run is another one when the end moves."""
    before, given = checkpoint.facts["config"]["epochs"], loaded.config.step_size
    steps, state = before * training.steps_per_epoch, training.now
    old = schedule_of(given if isinstance(given, int | float) else built(given), steps)
    for step in (state.step, steps - 1, steps):
        was, now = old(step, state.schedule), training.schedule(step, state.schedule)
        if was != now:
            yield (
                f"the schedule ends with the run, which has {training.epochs:,} epochs now: at step {step:,} "
                f"the step size is {now:.6g}, and would have been {was:.6g} in a run of {before:,}"
            )
            return
