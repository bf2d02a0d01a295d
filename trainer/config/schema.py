"""What a config holds: pydantic models, whose fields are the keys and whose types are the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from trainer.config.sections import Kind, Relative, Section, SectionModel, sections
from trainer.config.sweep import SweepConfig
from trainer.data.given import GIVEN, PartName, parts_in
from trainer.data.split import TEST_FRACTION, Split
from trainer.errors import DataError
from trainer.limits import Words
from trainer.plugins.registry import Component
from trainer.wording import either

__all__ = [
    "DEFAULT_OPTIMIZER",
    "SECTIONS",
    "Chain",
    "Choice",
    "Clip",
    "Compute",
    "Config",
    "DatasetConfig",
    "PenaltyConfig",
    "SubNetwork",
    "WeightsByClass",
    "choices_within",
    "plain_options",
]

DEFAULT_OPTIMIZER = "sgd"


@dataclass(frozen=True)
class Choice:
    """One thing of many: a component and its options, however they were spelt.

    `relu`, `{dense: 64}` and `{dense: {units: 64, bias: false}}` are the three spellings.
    """

    component: Component
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the config calls it."""
        return self.component.name

    def plain(self) -> object:
        """The spelling that holds every option, defaults included, for YAML."""
        options = plain_options(self.component, self.options)
        if self.component.kind == "parts":
            return options
        return {self.name: options} if options else self.name


class Chain(tuple[Any, ...]):
    """The value of an option that holds components: choices, and chains of them where a list stands for a sequence."""

    __slots__ = ()


@dataclass(frozen=True)
class SubNetwork:
    """What the name of a sub-network stands for: its layers, the same ones wherever it is used."""

    layers: Chain


def _plain(value: object) -> object:
    if isinstance(value, Chain):
        return [_plain(item) for item in value]
    return value.plain() if isinstance(value, Choice) else value


def choices_within(value: object) -> Iterator[Choice]:
    """A choice and those in its options, or every choice in a value that holds some."""
    if isinstance(value, Choice):
        if value.component.kind != "parts":
            yield value
        yield from choices_within(list(value.options.values()))
    elif isinstance(value, BaseModel):
        yield from choices_within([getattr(value, key) for key in type(value).model_fields])
    elif isinstance(value, list | Chain | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from choices_within(item)


WeightsByClass = Annotated[
    dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]],
    Words(("a mapping of classes to numbers above 0", "mappings of classes to numbers above 0")),
]


class DatasetConfig(SectionModel):
    """The data, and how they are split and changed. Keys that are not here are options of the data set itself."""

    name: str | None = Field(None, description="A data set by name.")
    path: str | None = Field(
        None,
        description="A .csv, .parquet, .arrow, .jsonl, .arff, .npz, .npy, .mat, .h5, .idx, .svm or .txt file or a "
        "folder, relative to the config.",
    )
    frame: str | None = Field(
        None,
        description="The fingerprint of columns that were in memory: in Python a frame of pandas or polars, or a "
        "mapping of names to columns, stands here.",
    )
    validation_path: Annotated[str | None, Relative()] = Field(
        None,
        description="A file or folder of the rows for validation, read by the names of those in path. A folder path "
        "that holds train, val and test needs to say nothing.",
    )
    test_path: Annotated[str | None, Relative()] = Field(
        None, description="A file or folder of the rows for the test, read by the names of those in path."
    )
    split: Literal["stratified", "random", "grouped", "ordered"] | None = Field(
        None,
        description="Which rows are the test: drawn, each class in its share (the default for classes); drawn; whole "
        "groups, of the column that group names; or the last rows (the default for a mapped set).",
    )
    test_fraction: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="Share of the rows kept for testing; by default 0.2."
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="Instead of a share: deal the rows into so many parts, of which each is the test of a run of its "
        "own.",
    )
    fold: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="Which of the folds is the test, from 0; by default trainer run takes each in turn, and "
        "everything else the first.",
    )
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="Share of the rows that are not the test kept for validation: what ends training early, or chooses "
        "an epoch, watches them, and the test is looked at once, at the end.",
    )
    stratify: bool | None = Field(None, description="true for split: stratified, false for split: random.")
    positive: Annotated[str | int | bool | None, Words(("the name of one of two classes", "names of classes"))] = Field(
        None,
        description="Which of two classes is the positive one, the second: precision, recall and f1 are about it, and "
        "a single output is its log-odds.",
    )
    standardize: bool = Field(
        False,
        description="Bring every input to mean 0 and deviation 1 in the training rows; a category's index stays.",
    )
    standardize_targets: bool = Field(
        False,
        description="Bring every target of a regression to mean 0 and deviation 1 in the training rows, for the steps "
        "and their loss alone: losses and metrics of epochs, predictions and exports are in the units of the data.",
    )
    preprocess: Annotated[list[Annotated[Choice, Kind("preprocessors")]], Field(min_length=1)] | None = Field(
        None,
        description="Steps that change the inputs one after the other, fitted to the training rows and saved with the "
        "model.",
    )
    one_hot: bool = Field(False, description="Classes as vectors of 0 and 1 instead of indices.")
    reconstruct: bool = Field(False, description="The inputs are the targets too: what an autoencoder learns.")
    class_weights: Literal["balanced"] | WeightsByClass | None = Field(
        None,
        description="How much a training row counts by its class: every class the same in all (balanced), or a number "
        "by the class's name, 1 for those not named.",
    )
    resample: Literal["oversample", "undersample"] | None = Field(
        None,
        description="Make the classes of the training rows equally large: repeat rows of the small ones, or leave out "
        "rows of the large ones.",
    )
    component: Component = Field(exclude=True)
    options: dict[str, Any] = Field(default_factory=dict, exclude=True)

    @property
    def division(self) -> Split:
        """How its rows are divided. Raises DataError where what is written contradicts itself."""
        parts, test, folds = self.part_files, self.test_fraction, self.folds
        for part, asked in (("test", "folds" if folds else "test_fraction" if test else ""), ("validation",
            "validation_fraction" if self.validation_fraction else "")):  # fmt: skip
            if part in parts and asked:
                raise DataError(f"{asked} and {parts[part]} both say which rows are for {part}: leave one out", asked)
        fraction = 0.0 if parts and test is None and folds is None else test
        return Split(self.split, self.stratify, fraction, folds, self.fold, self.validation_fraction)

    @property
    def part_files(self) -> dict[PartName, Path]:
        """The files or folders of rows for validation and for the test, where they stand apart."""
        there = parts_in(Path(self.path)) if self.path else {}
        said = {"validation": self.validation_path, "test": self.test_path}
        given = {**there, **{part: Path(path) for part, path in said.items() if path is not None}}
        return {part: given[part] for part in GIVEN if part in given}

    def plain(self) -> dict[str, Any]:
        """Everything, defaults included, for YAML."""
        plain = self.model_dump(exclude_none=True, exclude={"preprocess"})
        if self.folds is None and not self.part_files:
            plain.setdefault("test_fraction", TEST_FRACTION)
        if self.preprocess is not None:
            plain["preprocess"] = [step.plain() for step in self.preprocess]
        keys = [key for key in type(self).model_fields if key in plain]
        return {**{key: plain[key] for key in keys}, **plain_options(self.component, self.options)}


class Clip(SectionModel):
    """How long a gradient may be, in one of three ways."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Every element at most so large."
    )
    norm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="The whole gradient at most so long."
    )
    parameter_norm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="The gradient of each parameter at most so long."
    )

    def problem(self) -> str:
        given = [key for key in type(self).model_fields if getattr(self, key) is not None]
        found = " and ".join(given) or "none"
        return "" if len(given) == 1 else f"clip takes one of {either(type(self).model_fields)}, found {found}"


class StopConfig(SectionModel):
    """When training ends before its epochs are over, and which parameters it hands back."""

    patience: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Epochs in a row without a better number after which training ends."
    )
    target: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Training ends when the number is at least as good."
    )
    steps: Annotated[int, Field(ge=1)] | None = Field(None, description="Training ends after so many steps.")
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Training ends after so long."
    )
    watched: str = Field("loss", description="The number that is watched: loss, or a metric.")
    part: Literal["train", "validation", "test"] | None = Field(
        None,
        description="The rows that it is taken from; by default validation, or the test, if there are any.",
    )
    better: Literal["lower", "higher"] | None = Field(
        None, description="Which number is better; by default a lower loss, and of a metric what its author says."
    )
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="How much better than the best a number has to be to count."
    )
    best: bool | None = Field(
        None, description="Hand back the parameters of the best epoch, not of the last; by default with patience."
    )

    def problem(self) -> str:
        limits = (self.patience, self.target, self.steps, self.seconds)
        return "" if self.best or any(limit is not None for limit in limits) else "stop says nothing"


class EvaluateConfig(SectionModel):
    """What is measured after an epoch, and how often."""

    train: Literal["full", "running", "off"] | Annotated[int, Field(ge=1)] = Field(
        "full",
        description="The training rows: all, so many of them, the mean loss of the epoch's batches as they came "
        "(running), or none (off).",
    )
    every: Annotated[int, Field(ge=1)] = Field(
        1, description="After every so many epochs, and the last; what watches the numbers waits for them."
    )


class CheckpointConfig(SectionModel):
    """When the state of a run is written, from which it goes on after a stop; at every stop it is, too."""

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        10.0, description="After so long; null for not by time."
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(None, description="After every so many epochs.")
    steps: Annotated[int, Field(ge=1)] | None = Field(
        None, description="After every so many steps, or a few more: a program that runs ahead is not interrupted."
    )
    keep: Annotated[int, Field(ge=2)] = Field(2, description="How many of the last are kept.")


class LogConfig(SectionModel):
    """What a run writes down besides its epochs."""

    steps: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="A line of metrics.jsonl after every so many steps: loss, step size, the norms of the gradient, of "
        "the update and of θ, seconds.",
    )
    tensorboard: bool = Field(
        False, description="The numbers as events for TensorBoard, too, in the run's folder; of the tensorboard extra."
    )
    mlflow: str | None = Field(
        None, min_length=1, description="A server or store of MLflow that gets them, too: http://host:5000."
    )
    trackers: list[Annotated[Choice, Kind("trackers")]] = Field(
        default_factory=list, description="What else is told the numbers: trackers that plugins bring."
    )

    def plain(self) -> dict[str, Any]:
        """As data; trackers by name, with their options, where there are any."""
        plain = self.model_dump(exclude_none=True, exclude={"trackers"})
        return plain | ({"trackers": [tracker.plain() for tracker in self.trackers]} if self.trackers else {})


class StartConfig(SectionModel):
    """Parameters to begin with, by name."""

    path: Annotated[str, Relative()] = Field(description="A run folder or a .safetensors file, relative to the config.")
    parameters: list[str] = Field(
        default_factory=lambda: ["*"], description="Patterns of the names that are taken; by default all that fit."
    )


class PenaltyConfig(SectionModel):
    """A price of large parameters, l1 · Σ|w| + l2 · ½ Σw², added to the loss of every step."""

    l1: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(0.0, description="The price of a sum of sizes.")
    l2: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="The price of half a sum of squares, PyTorch's weight decay."
    )
    parameters: str = Field("*", description="A pattern of the names that it is for, such as '*.weights'.")

    def problem(self) -> str:
        return "" if self.l1 or self.l2 else "a penalty needs l1 or l2"


class Compute(SectionModel):
    """Precision and processors."""

    dtype: Literal["float32", "float64"] = Field(
        "float32", description="Of parameters and all that is computed from them."
    )
    executor: str = Field(
        "auto",
        description="Who runs a step: the tape (eager), or an executor of its program, by default the quickest. The "
        "results are the same.",
    )
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto",
        description="Among how many processors the native executor divides its work: by default those that the process "
        "was given. No bit depends on it, and what is not quicker in pieces is not divided.",
    )
    memory: Literal["less", "balanced"] = Field(
        "balanced",
        description="Of a step's program: with less it computes again what is cheap, such as the windows of a "
        "convolution, instead of keeping it from the forward pass to the backward one. The results are the same.",
    )
    shards: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Into how many pieces a batch is cut, whose gradients are added up: what up to so many ranks "
        "(mpiexec -n N trainer run CONFIG) share. The bits depend on it, and not on the ranks.",
    )


Layer = Annotated[Choice, Kind("layers", "ops")]


class Config(SectionModel):
    """A training run: what is learnt from what, and how."""

    name: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Of the run; by default that of the file."
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of everything random: initial values, shuffling, splits.")
    seeds: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="A run for each of so many seeds, from seed on: trainer run and trainer sweep say the mean and how "
        "far runs are from it.",
    )
    plugins: list[str] = Field(default_factory=list, description="Files beside the config, or importable modules.")
    dataset: Annotated[DatasetConfig, Kind("datasets"), Section("iris")] = Field(
        description="The data, and how they are split."
    )
    networks: Annotated[dict[str, list[Layer]], Section("{tower: [dense: 8, relu]}")] = Field(
        default_factory=dict,
        description="Sub-networks by name; used as layers, they have the same parameters wherever they stand.",
    )
    network: Annotated[list[Layer], Field(min_length=1), Section("[dense: 3]")] = Field(
        description="The layers, from input to output. Any op of one array is a layer too."
    )
    cost: Annotated[Choice, Kind("costs"), Section("softmax_cross_entropy")] = Field(
        description="What is minimised, C in (1)."
    )
    optimizer: Annotated[Choice, Kind("optimizers")] = Field(description="How a gradient updates θ; sgd is (2).")
    start_from: Annotated[StartConfig | None, Section("runs/20260131-174502-mlp", short="path")] = Field(
        None, description="Parameters to begin with instead of drawn ones: a run folder or a .safetensors file."
    )
    freeze: list[str] = Field(
        default_factory=list, description="Patterns of parameters' names that are not learnt, such as '0.*'."
    )
    tie: dict[str, str] = Field(
        default_factory=dict,
        description="Parameters that are no others than these, {3.weights: 0.table.T}; .T transposes.",
    )
    penalty: Annotated[list[PenaltyConfig], Section("{l2: 1e-4}")] = Field(
        default_factory=list, description="Prices of large parameters: {l2: 1e-4, parameters: '*.weights'}, or several."
    )
    clip: Annotated[Clip | None, Section("{norm: 1.0}")] = Field(
        None, description="A limit of the gradient's length, {norm: 1.0}, or of its elements."
    )
    accumulate: Annotated[int, Field(ge=1)] = Field(1, description="Batches whose gradients make one update.")
    average: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="How slowly a moving average of θ forgets; it is what is evaluated and saved."
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["all"] = Field(32, description="Rows per step, m in (1).")
    step_size: Annotated[
        Annotated[float, Field(gt=0, allow_inf_nan=False)] | Annotated[Choice, Kind("schedules")], Section("0.1")
    ] = Field(description="A number, ε in (2), or a schedule.")
    epochs: Annotated[int, Field(ge=1)] = Field(20, description="Passes over the training rows.")
    stop: Annotated[StopConfig | None, Section("{patience: 10}")] = Field(
        None, description="When to end early, {patience: 10}; the best epoch's parameters are handed back."
    )
    checkpoint: Annotated[CheckpointConfig | Literal[False], Section("{seconds: 60}")] = Field(
        CheckpointConfig.model_construct(),
        description="How often a run writes down where it stands, to go on from there after a stop; false for never.",
    )
    callbacks: list[Annotated[Choice, Kind("callbacks")]] = Field(
        default_factory=list, description="What is told every step and epoch, and may end the training."
    )
    metrics: list[Annotated[Choice, Kind("metrics")]] | None = Field(
        None, description="What is reported beside the loss; by default what suits the cost."
    )
    log: Annotated[LogConfig, Section("{steps: 10}")] = Field(
        LogConfig.model_construct(), description="What is written down of steps."
    )
    evaluate: Annotated[EvaluateConfig, Section("{train: running}")] = Field(
        EvaluateConfig.model_construct(), description="What is measured after an epoch, and how often."
    )
    compute: Annotated[Compute, Section("{dtype: float64}")] = Field(
        Compute.model_construct(), description="Precision and processors."
    )

    sweep: Annotated[SweepConfig | None, Section("{parameters: {step_size: [0.01, 0.1]}}")] = Field(
        None, description="The trials of trainer sweep; trainer run trains the config as it stands."
    )

    def choices(self) -> Iterator[Choice]:
        """Every choice, also those within layers and costs."""
        yield from choices_within([getattr(self, key) for key in type(self).model_fields])

    def plain(self) -> dict[str, Any]:
        """Everything that one run is made of, defaults included, as a config that can be loaded again.

        What asks for several runs is no part of any of them.
        """
        chosen: dict[str, Any] = {
            "networks": {name: [layer.plain() for layer in layers] for name, layers in self.networks.items()}
        }
        for key in type(self).model_fields:
            value = getattr(self, key)
            if isinstance(value, Choice | DatasetConfig | LogConfig):
                chosen[key] = value.plain()
            elif isinstance(value, list) and any(isinstance(item, Choice) for item in value):
                chosen[key] = [item.plain() for item in value]
            elif isinstance(value, CheckpointConfig):  # whose `seconds: null` is not the default
                chosen[key] = value.model_dump(exclude_none=value.seconds is not None)
        plain = self.model_dump(exclude_none=True, exclude={*chosen, "seeds", "sweep"}) | chosen
        return {
            key: plain[key] for key, empty in _empty().items() if key in plain and (plain[key] or plain[key] != empty)
        }


@cache
def _empty() -> Mapping[str, Any]:
    """What each key of a config is where nothing is said; to be looked at, for there is one."""
    return {key: field.get_default(call_default_factory=True) for key, field in Config.model_fields.items()}


# Every section by its key: those of a config, and of a data set those that name components too.
SECTIONS: Mapping[str, Section] = sections(Config)
SECTIONS = {**SECTIONS, **{key: row for outer in SECTIONS.values() for key, row in outer.inner.items() if row.kinds}}


def plain_options(component: Component, options: Mapping[str, object]) -> dict[str, Any]:
    """All options of a component as plain data; a default that is null, or that YAML cannot write, is left to it."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    plain = {}
    for parameter in component.parameters:
        value = _plain(options.get(parameter.name, parameter.default))
        if value is None and parameter.name not in options:
            continue
        try:
            plain[parameter.name] = to_jsonable_python(value, inf_nan_mode="constants")
        except PydanticSerializationError:
            continue
    return plain
