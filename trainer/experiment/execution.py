"""One run, for whoever asks: the command, a script, a trial of a sweep, a worker of a service.

It checks what is a stranger's, builds, pins the threads, trains, and keeps the folder true to what happened. It prints
nothing; who wants to see or to keep something is an `Observer`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer.config.loader import LoadedConfig, load
from trainer.engine.op import Op
from trainer.engine.signals import ENDING, undivided
from trainer.engine.tape import tape
from trainer.engine.tensor import Tensor
from trainer.engine.uncollected import uncollected
from trainer.errors import DivergedError, DoneError, UsageError
from trainer.experiment.builder import build
from trainer.experiment.checkpointing import Checkpointer
from trainer.experiment.model import model_facts
from trainer.experiment.observer import Observer, step_listeners
from trainer.experiment.ranks import check_ranks, shared, threads_of
from trainer.experiment.recorder import Recorder, StepRecorder
from trainer.experiment.remarks import remarks
from trainer.experiment.tracking import check_trackers, trackers
from trainer.explaining.findings import Finding
from trainer.explaining.trouble import Explainer
from trainer.plugins.faults import naming_plugins
from trainer.runs.already import done
from trainer.runs.config import config_of
from trainer.runs.digests import digest, facts
from trainer.runs.environment import describe_environment, versions
from trainer.runs.fingerprint import code_fingerprint, data_fingerprint
from trainer.runs.folder import RunFolder, as_yaml
from trainer.runs.painter import Painter
from trainer.training import Epoch, Training
from trainer.training.ranks import World
from trainer.training.threads import pinned
from trainer.types import Array
from trainer.wording import described

__all__ = [
    "Outcome", "check_program", "checked_training", "ending_tidily", "execute", "made_of_what", "named_config",
    "plugins_of", "recorded", "train",
]  # fmt: skip

IN_A_STEP = {"ops", "layers", "costs", "optimizers"}


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        training: at its end, with its data and its network.
        last: the record of the last epoch; None where not one was finished.
        tested: the numbers of the test rows at `parameters`, where there are rows for validation; measured once.
        reports: the tables that the config's metrics asked for, by title.
        folder: the run's, if it has one.
        warnings: what a person should know of it.
    """

    training: Training
    last: Epoch | None
    reports: Mapping[str, Array]
    folder: Path | None
    warnings: tuple[str, ...] = ()
    tested: Mapping[str, float] = field(default_factory=dict)

    @property
    def epoch(self) -> Epoch | None:
        """The record of the epoch whose `parameters` these are: the last, or the best where the config asks for it."""
        best = self.training.best
        record = self.last if best is None else best.epoch
        return record._replace(test=self.tested) if record is not None and self.tested else record

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, and what is kept beside them."""
        return self.training.parameters


def train(
    config: str | os.PathLike[str] | Mapping[str, object] | LoadedConfig,
    overrides: Sequence[str] = (),
    *,
    out: str | os.PathLike[str] | None = None,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """Train what a config declares, as `trainer run` does, without a word.

    Args:
        config: a YAML file, a run's folder, a mapping of the same keys, or what `trainer.config.load` gave. In a
            mapping the data may be in memory, `"dataset": {"frame": frame, "target": "price"}`: a frame of pandas or
            polars, which may also stand alone, `"dataset": frame`, or a mapping of names to columns.
        overrides: `key=value`, as on the command line.
        out: where the run's folder goes; without it nothing is written.
        observers: are told every step and epoch.

    Raises ConfigError with every mistake in the config, DataError for data that cannot be read, RuleError for a
    plugin's op whose derivative is wrong, and DivergedError when the loss is no number any more.

    >>> import trainer
    >>> line = {"dataset": {"name": "linear", "rows": 50}, "network": [{"dense": 1}], "cost": "mean_squared_error"}
    >>> outcome = trainer.train({**line, "step_size": 0.1}, ["epochs=3"])
    >>> outcome.epoch.epoch, outcome.parameters["0.weights"].shape
    (3, (1, 1))
    """
    if isinstance(config, LoadedConfig):
        if overrides:
            raise UsageError("a config that is loaded already takes no overrides; give them to trainer.config.load")
        return execute(config, out, observers)
    return execute(load(config_of(config), overrides), out, observers)


def execute(
    loaded: LoadedConfig,
    folder: str | os.PathLike[str] | None = None,
    observers: Sequence[Observer] = (),
    *,
    itself: bool = False,
    again: bool = True,
    debug: bool = False,
    allow_unchecked: bool = False,
    ranks: World | None = None,
    painter: Painter | None = None,
) -> Outcome:
    """One run of a config, from its checks to its reports.

    Args:
        folder: where the run's own folder goes; without it nothing is written.
        itself: `folder` is there, and is the run's own.
        again: train although `folder` has the same run; otherwise that is a DoneError, before anything is written.
        debug: look at every value of every step.
        allow_unchecked: train with an op of a stranger's whose derivative is wrong, and record it.
        ranks: who computes along, as `trainer.experiment.ranks.follow`; this process is rank 0.
        painter: who draws the curve beside this process, if it can.

    Ops of others are checked before they train, and so is the program of a step that a stranger has a part in, against
    the tape. Raises RuleError for a wrong op, OpError for a wrong program, ConfigError and DataError, all before there
    is a folder, and DivergedError when the loss is no number any more. However it ends, also by Ctrl-C or
    SIGTERM, the folder holds everything up to there and says why.
    """
    check_ranks(loaded, ranks)
    unchecked, training = checked_training(loaded, allow_unchecked, debug=debug)
    with pinned(threads_of(loaded, ranks)) as threads:
        check_program(loaded, training)
        if folder is None:
            with naming_plugins(loaded.plugins):
                return _trained(loaded, training, observers, remarks(loaded, training))
        name, made_of = loaded.name, made_of_what(loaded, training)
        resolved = named_config(loaded, name)
        if not again and (path := done(folder, as_yaml(resolved).encode(), made_of)):
            raise DoneError(path)
        about = describe_environment(
            seed=loaded.config.seed, plugins=plugins_of(loaded), threads=threads, folder=loaded.path.parent
        )
        given: dict[str, Any] = {
            "config_text": _as_given(loaded),
            "resolved": resolved,
            "environment": {
                **about,
                **made_of,
                "executor": training.runs_on,
                "unchecked_ops": unchecked,
                "ranks": 1 if ranks is None else ranks.size,
            },
            "made_of": made_of,
        }
        with shared(loaded, training, ranks, made_of) as warnings:
            run = RunFolder.at(Path(folder), name, **given) if itself else RunFolder(folder, name, **given)
            with ending_tidily(), run:  # also while it is closed
                return recorded(
                    loaded, training, run, observers, unchecked, warnings, data=made_of["data"], painter=painter
                )


def made_of_what(loaded: LoadedConfig, training: Training) -> dict[str, str]:
    """The data that a training reads, the code that computes it, and the parameters of others that it begins with."""
    packages = {f"package {name}": version for name, version in versions().items()}
    plugins, files = plugins_of(loaded), loaded.plugins.files()
    sources = [__file__, *(file for name in plugins if (file := files.get(name)))]
    code = code_fingerprint({**packages, **plugins}, sources)
    initial = {name: facts(value.tobytes()) for name, value in training.initial.items()}
    return {"data": data_fingerprint(training.data), "code": code, **({"start": digest(initial)} if initial else {})}


def check_program(loaded: LoadedConfig, training: Training) -> None:
    """Hold the program of a step that a stranger has a part in against the tape. Raises OpError."""
    foreign = (c for c in loaded.config.choices() if c.component.kind in IN_A_STEP and not c.component.ours)
    if training.runs_on != "eager" and any(foreign):
        with naming_plugins(loaded.plugins):
            training.check_program()


def named_config(loaded: LoadedConfig, name: str) -> dict[str, Any]:
    """The config as it is used, under the run's name, so that whoever runs it again gets one of that name."""
    return {"name": name, **loaded.resolved()}


def plugins_of(loaded: LoadedConfig) -> dict[str, str | None]:
    """The plugins that a config uses, and the package that each is from."""
    used = [loaded.config.dataset.component, *(choice.component for choice in loaded.config.choices())]
    return {component.plugin: component.package for component in used}


def recorded(
    loaded: LoadedConfig,
    training: Training,
    run: RunFolder,
    observers: Sequence[Observer],
    unchecked: Sequence[str],
    warnings: Sequence[str] = (),
    *,
    data: str,
    painter: Painter | None = None,
) -> Outcome:
    """Train to the end, with everything in the run's folder.

    Args:
        unchecked: what is wrong with ops that train regardless.
        warnings: what a person should know, beside what the config and the training say.
        data: the fingerprint of the data.
        painter: who draws the curve beside this process, if it can.
    """
    for finding in unchecked:
        run.log(f"trained regardless: {finding}")
    recorder = Recorder(run, model_facts(loaded, training.data), painter)
    told: list[Observer] = [recorder]
    if loaded.config.log.steps:
        told.append(StepRecorder(run))
    if loaded.config.checkpoint:
        about = {"config": named_config(loaded, run.name), "plugins": plugins_of(loaded), "data": data}
        told.append(Checkpointer(run, loaded.config.checkpoint, about))
    told += trackers(loaded, recorder.without)
    remarked = [*warnings, *remarks(loaded, training)]
    with naming_plugins(loaded.plugins):
        outcome = _trained(loaded, training, [*told, *observers], remarked, run)
    run.reason, run.tested = training.ended, outcome.tested
    for title, table in outcome.reports.items():
        with recorder.by_product(f"{title}.csv"):
            run.save_table(title, table, training.data.class_names)
    for observer in observers if recorder.failed else ():
        for text in recorder.failed:
            observer.warned(text)
    return replace(outcome, warnings=(*outcome.warnings, *recorder.failed))


def _trained(
    loaded: LoadedConfig,
    training: Training,
    told: Sequence[Observer],
    remarked: Sequence[str],
    run: RunFolder | None = None,
) -> Outcome:
    """Feed every record to whoever wants it. Each observer is told the end, whatever brings it about."""
    folder = None if run is None else run.path
    last, explainer = None, Explainer(loaded, training)
    with ExitStack() as stack:
        for observer in told:
            observer.began(training, folder)
            stack.callback(observer.ended)
            for text in remarked:
                observer.warned(text)
        listening = step_listeners(list(told))
        heard = training.step
        try:
            # What steps have written over is gone: signals wait until the records of those that are done are told.
            with undivided(lambda: training.moved(heard)) as answer:
                for record in training.records():
                    if isinstance(record, Epoch):
                        if record.numbers:
                            last = record
                        explainer.epoch(record)
                        for observer in told:
                            observer.epoch(record)
                        continue
                    for step in listening:
                        step(record)
                    heard = record.step
                    if heard == training.step:
                        answer()
        except DivergedError as error:
            error.causes = tuple(_explained(partial(explainer.of_divergence, error), run))
            raise
    warnings = _explained(explainer.findings, run)
    for warning in warnings:
        for observer in told:
            observer.warned(warning)
    tested = training.test() if training.epoch and len(training.data.validation) else {}
    return Outcome(training, last, training.report(), folder, (*remarked, *warnings), tested)


def _explained(findings: Callable[[], Sequence[Finding]], run: RunFolder | None) -> list[str]:
    """What is wrong, as lines and in the run's record. No run fails that is done because a look at it does."""
    try:
        found = findings()
    except Exception as error:
        return [f"nothing looked for what may be wrong: {described(error)}"]
    if run is not None:
        run.save_findings([{**finding._asdict(), "overrides": list(finding.overrides)} for finding in found])
    return [str(finding) for finding in found]


@uncollected()
def checked_training(loaded: LoadedConfig, allow_unchecked: bool, *, debug: bool = False) -> tuple[list[str], Training]:
    """What is wrong with the ops of others that the training uses, where that is allowed, and the training.

    Those that the config names are checked before anything is built, and those that a layer or a cost of others' calls
    as they are met, whether they are registered or not. Raises RuleError where one is wrong.
    """
    check_trackers(loaded)
    choices = [*loaded.config.choices()]
    if all(choice.component.ours for choice in choices):
        return [], build(loaded, debug=debug)
    from trainer.checker.verdicts import ensure_checked  # 30 ms that only a stranger's op needs

    named = [(c.component.target, c.options) for c in choices if isinstance(c.component.target, Op)]
    verdicts = ensure_checked(named, allow_unchecked)
    training = build(loaded, debug=debug)
    known = {id(op) for op, _ in named}
    with naming_plugins(loaded.plugins):
        met = [(op, attributes) for op, attributes in _met(training) if id(op) not in known]
    verdicts += ensure_checked(met, allow_unchecked)
    return [f"{verdict.op}: {verdict.finding}" for verdict in verdicts if not verdict.ok], training


def _met(training: Training) -> list[tuple[Op, Mapping[str, object]]]:
    """Every op that the loss of two rows calls, with its attributes."""
    rows = training.data.train[:2]
    inputs = Tensor(rows.inputs) if rows.inputs.dtype.kind == "f" else rows.inputs
    named = {name: Tensor(value) for name, value in training.network.named(training.now.theta).items()}
    with np.errstate(all="ignore"):
        batch = [inputs, *rows.arrays[1:]]
        loss, _ = training.objective.loss(named, training.now.layer_state, batch, np.int64(0))
    return [(node.op, node.attributes) for node in tape(loss) if isinstance(node.op, Op)]


def _as_given(loaded: LoadedConfig) -> str | bytes:
    """The file's bytes; its text if somebody has changed the file since it was read, or there is none."""
    try:
        content = loaded.path.read_bytes()
        return content if content.decode("utf-8-sig") == loaded.text else loaded.text
    except (OSError, UnicodeDecodeError):
        return loaded.text


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Let what ends a process close the run folder as Ctrl-C does.

    What is ignored at the start stays so: that is what `nohup` does.
    """
    if threading.current_thread() is not threading.main_thread():  # Python handles signals there only
        yield
        return
    before = {each: signal.getsignal(each) for each in ENDING}
    before = {each: handler for each, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for each in before:
        signal.signal(each, _end)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(signum: int, frame: object) -> None:
    signal.signal(signum, signal.SIG_DFL)  # a second one does not wait for anything
    sys.exit(128 + signum)
