"""What a config holds: pydantic models, whose fields are the keys and whose types are the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler

from trainer.plugins.registry import Component, noun

__all__ = ["DEFAULT_OPTIMIZER", "Choice", "Clip", "Compute", "Config", "DatasetConfig", "Kind", "plain_options"]

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

    def build(self) -> Any:
        """The component with its options: an instance of a class, otherwise a callable with the options bound."""
        return self.component.build(**self.options)

    def plain(self) -> Any:
        """The spelling that holds every option, defaults included, for YAML."""
        options = plain_options(self.component, self.options)
        return {self.name: options} if options else self.name


@dataclass(frozen=True)
class Kind:
    """Marks a field with the kind of component that it chooses from."""

    kind: str

    @property
    def words(self) -> tuple[str, str]:
        """For messages, `a schedule` and `schedules`."""
        one = noun(self.kind)
        return f"{'an' if one[0] in 'aeiou' else 'a'} {one}", f"{one}s"

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"x-kind": self.kind}  # `editors` puts in its place what is installed


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class DatasetConfig(_Model):
    """The data, and how they are split and scaled. Keys that are not here are options of the data set itself."""

    name: str | None = Field(None, description="A data set by name.")
    path: str | None = Field(None, description="A .csv, .npz or .npy file, relative to the config.")
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = Field(0.2, description="Share of the rows kept for testing.")
    standardize: bool = Field(False, description="Bring every input to mean 0 and deviation 1.")
    one_hot: bool = Field(False, description="Classes as vectors of 0 and 1 instead of indices.")
    stratify: bool | None = Field(
        None, description="Keep the classes' shares in both parts of the split; by default for a classification."
    )
    component: Component = Field(exclude=True)
    options: dict[str, Any] = Field(default_factory=dict, exclude=True)

    @property
    def source(self) -> Component | Path:
        """What `trainer.data.load` takes: the component, or the file."""
        return self.component if self.path is None else Path(self.path)

    def plain(self) -> dict[str, Any]:
        """Everything, defaults included, for YAML."""
        return {**self.model_dump(exclude_none=True), **plain_options(self.component, self.options)}


class Clip(_Model):
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


class Compute(_Model):
    """Precision and processors."""

    dtype: Literal["float32", "float64"] = Field(
        "float32", description="Of parameters and all that is computed from them."
    )
    executor: Literal["auto", "eager", "numpy", "native"] = Field(
        "auto", description="What runs a step: a recorded program, or the tape. The results are the same."
    )
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="Threads of matrix products; their number changes the last bits of float32 results."
    )


class Config(_Model):
    """A training run: what is learnt from what, and how."""

    name: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Of the run; by default that of the file."
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of everything random: initial values, shuffling, splits.")
    plugins: list[str] = Field(default_factory=list, description="Files beside the config, or importable modules.")
    dataset: Annotated[DatasetConfig, Kind("datasets")] = Field(description="The data, and how they are split.")
    network: Annotated[list[Annotated[Choice, Kind("layers")]], Field(min_length=1)] = Field(
        description="The layers, from input to output. Any op of one array is a layer too."
    )
    cost: Annotated[Choice, Kind("costs")] = Field(description="What is minimised, C in (1).")
    optimizer: Annotated[Choice, Kind("optimizers")] = Field(description="How a gradient updates θ; sgd is (2).")
    clip: Clip | None = Field(None, description="A limit of the gradient's length, {norm: 1.0}, or of its elements.")
    accumulate: Annotated[int, Field(ge=1)] = Field(1, description="Batches whose gradients make one update.")
    average: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="How slowly a moving average of θ forgets; it is what is evaluated and saved."
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["all"] = Field(32, description="Rows per step, m in (1).")
    step_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Annotated[Choice, Kind("schedules")] = Field(
        description="A number, ε in (2), or a schedule."
    )
    epochs: Annotated[int, Field(ge=1)] = Field(20, description="Passes over the training rows.")
    metrics: list[Annotated[Choice, Kind("metrics")]] | None = Field(
        None, description="What is reported beside the loss; by default what suits the cost."
    )
    compute: Compute = Field(
        Compute(dtype="float32", executor="auto", threads="auto"), description="Precision and processors."
    )

    def plain(self) -> dict[str, Any]:
        """Everything, defaults included, as a config that can be loaded again."""
        simple = {"name", "seed", "plugins", "clip", "accumulate", "average", "batch_size", "epochs", "compute"}
        plain = self.model_dump(include=simple, exclude_none=True)
        size = self.step_size
        plain |= {
            "dataset": self.dataset.plain(),
            "network": [layer.plain() for layer in self.network],
            "cost": self.cost.plain(),
            "optimizer": self.optimizer.plain(),
            "step_size": size.plain() if isinstance(size, Choice) else size,
        }
        if self.metrics is not None:
            plain["metrics"] = [metric.plain() for metric in self.metrics]
        return {key: plain[key] for key in type(self).model_fields if key in plain}


def plain_options(component: Component, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a component as plain data; a default that is null, or that YAML cannot write, is left to it."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    plain = {}
    for parameter in component.parameters:
        value = options.get(parameter.name, parameter.default)
        if value is None and parameter.name not in options:
            continue
        try:
            plain[parameter.name] = to_jsonable_python(value, inf_nan_mode="constants")
        except PydanticSerializationError:
            continue
    return plain
