"""A trained model without its data set: what `parameters.safetensors` holds, as something that predicts.

    model = trainer.load("runs/20260131-174502-iris")
    model.predict([[5.1, 3.5, 1.4, 0.2]])              # array(['setosa'])
    model.predict_proba([[5.1, 3.5, 1.4, 0.2]])

Rows are computed in blocks of one size, the last filled up with copies of its last row: BLAS gives a row other last
bits in a product of another height, and so a row's prediction does not depend on those that come with it. Where a row's
bits depend on its place in the block as well, the network computes in double (see `products`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.prepared import LABELS
from trainer.data.preprocessing.pipeline import Preprocessing
from trainer.data.preprocessing.scaling import Scaling
from trainer.data.readers.registry import Formats
from trainer.data.spec import InputSpec, TargetSpec
from trainer.errors import DataError, ShapeError, UsageError
from trainer.experiment.components import built
from trainer.experiment.entries import entries_of
from trainer.experiment.products import PRECISE, same_in_every_place
from trainer.files import expanded
from trainer.nn.contract import Layout
from trainer.nn.network import Network
from trainer.nn.structure import Sequential
from trainer.plugins.traits import CostTraits
from trainer.runs.parameters import Saved, load_parameters
from trainer.training.threads import pinned
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.data.prepared import Prepared
    from trainer.plugins import Plugins

__all__ = ["FILE", "STAND_INS", "Model", "load", "model_facts", "model_of", "target_scaling"]

FILE = "parameters.safetensors"
MOST_ROWS = 1024  # of a block; fewer where a layer's output is large (see `Network.rows_at_once`)
# What of a config belongs to the model: the rest is about how it learns.
SECTIONS = ("plugins", "networks", "network", "cost", "tie", "freeze", "metrics", "compute")
# A config has data and a step size; one that only makes a network is given some that nobody looks at.
STAND_INS: Mapping[str, Any] = {"dataset": {"name": "linear"}, "step_size": 1.0}


def model_facts(loaded: LoadedConfig, data: Prepared) -> dict[str, Any]:
    """What is saved with the parameters of a run: the network, its cost, and how rows are read, as JSON has it."""
    resolved = loaded.resolved()
    assert data.takes is not None
    assert data.gives is not None
    reading = resolved["dataset"]
    takes = replace(data.takes, has_missing=data.takes.has_missing or reading.get("missing") == "allow")
    return {
        "name": loaded.name,
        "config": {key: resolved[key] for key in SECTIONS if key in resolved} | _predicting(resolved["network"], data),
        "reading": reading,
        "inputs": takes.plain(),
        "targets": data.gives.plain(),
        "layout": {"name": data.name, "feature_names": list(data.feature_names), "shape": list(data.input_shape)}
        | ({"entries": entries_of(data).tolist()} if _counts(resolved) else {}),
    }


def _counts(plain: object) -> bool:
    """Whether a layer of a config is to have as many entries as the data set has numbers."""
    if isinstance(plain, Mapping):
        return plain.get("entries") == "auto" or any(map(_counts, plain.values()))
    return isinstance(plain, list) and any(map(_counts, plain))


def _predicting(network: Sequence[object], data: Prepared) -> dict[str, Any]:
    """The layers with one more where the targets were standardised, which gives what is predicted in their units."""
    scaling = data.target_scaling
    if scaling is None:
        return {}
    return {"network": [*network, {"rescale": {"mean": scaling.mean.tolist(), "scale": scaling.scale.tolist()}}]}


def target_scaling(about: Mapping[str, Any]) -> Scaling | None:
    """What the targets were standardised by, of what `model_facts` wrote; None where they were not."""
    if not about["reading"].get("standardize_targets"):
        return None
    options = about["config"]["network"][-1]["rescale"]
    return Scaling(np.array(options["mean"]), np.array(options["scale"]))


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained network with all that it needs to predict.

    Attributes:
        network, parameters: f and θ, with what layers keep, by full name.
        inputs: what a row is, before scaling and preprocessing.
        targets: what is predicted of it.
        link: what makes of the network's outputs what is expected of a target (see `CostTraits`).
        scaling, preprocessing: what was fitted to the training rows, one of the two at most.
        reading: how the data set was read: the `dataset:` of the config.
        dtype: in which the network was trained, and of its outputs.
        loaded: the part of its run's config that belongs to it; the data set in it is a stand-in.
        about: what was saved beside its numbers, see `model_facts`.

    A pickle of a model holds `about` and arrays alone, and makes the model of them as `trainer.load` does.
    """

    name: str
    network: Network
    parameters: Mapping[str, Array]
    inputs: InputSpec
    targets: TargetSpec
    link: str | None
    scaling: Scaling | None
    preprocessing: Preprocessing | None
    reading: Mapping[str, Any]
    dtype: np.dtype[Any]
    loaded: LoadedConfig
    about: Mapping[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        steps = {} if self.preprocessing is None else self.preprocessing.to_arrays()
        saved = Saved(dict(self.parameters), self.scaling, {}, steps)
        return _restored, (dict(self.about), saved.arrays)

    def __repr__(self) -> str:
        what = f"{len(self.class_names)} classes" if self.class_names else "numbers"
        return f"<Model {self.name}: {' → '.join(self.network.names)}, inputs {self.inputs.shape}, predicts {what}>"

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, in the order of `predict_proba`; none where numbers are predicted."""
        return self.targets.class_names

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What the columns of the inputs are called, in order; none where they have no names."""
        return self.inputs.feature_names

    @property
    def formats(self) -> Formats:
        """The formats of files that it can be asked about, those of its plugins among them."""
        return Formats(self.loaded.plugins)

    @cached_property
    def rows(self) -> int:
        """How many rows are computed together, always: a multiple of what BLAS takes in one go."""
        rows = min(self.network.rows_at_once(self.dtype.itemsize), MOST_ROWS)
        return rows - rows % 16

    def predict(self, x: object) -> Array:
        """What the model says of each row: the name of a class, or numbers.

        Args:
            x: inputs as the data set had them, shape (n, ...), before any scaling; or the columns by name, as a mapping
                or a frame of pandas or polars.

        Returns:
            Shape (n,) of texts for classes, or (n, positions) for a class per position; numbers of shape (n,), or
            (n, k) where k > 1 are predicted; whole numbers 0 and 1, (n, k), for labels.

        Raises DataError and ShapeError for rows that are not such as the model learnt from, and DataError where what
        the network gives is no number.
        """
        outputs = self.outputs(x)
        check_outputs(outputs, lambda row: f"row {row}, counted from 0")
        return self.decided(outputs)

    def predict_proba(self, x: object) -> Array:
        """The probability of each class, shape (n, classes), in the order of `class_names`; see `predict`.

        Of labels the probability that each is 1, shape (n, k).

        Raises UsageError for a model of numbers, and of a cost whose outputs are no probabilities.
        """
        outputs = self.outputs(x)
        check_outputs(outputs, lambda row: f"row {row}, counted from 0")
        return self.probabilities(outputs)

    def outputs(self, x: object) -> Array:
        """What the network gives, shape (n, *network.output_shape): logits of the classes for most costs of classes."""
        table = self._table(x)
        with pinned(1), np.errstate(all="ignore"):
            return self.computed(table)

    def computed(self, table: Array) -> Array:
        """The network's outputs of inputs as the data set had them; the caller sees to threads and warnings."""
        pieces = [self._block(table[start : start + self.rows]) for start in range(0, len(table), self.rows)]
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.empty((0, *self.network.output_shape), self.dtype)

    def _block(self, rows: Array) -> Array:
        """At most `rows` rows, filled up to exactly so many."""
        count = len(rows)
        if count < self.rows:
            rows = np.concatenate([rows, np.broadcast_to(rows[-1:], (self.rows - count, *rows.shape[1:]))])
        x = self.prepared(rows).astype(self.computing, copy=False)
        return np.asarray(self.network.apply(self._tree, x)[0], dtype=self.dtype)[:count]

    @cached_property
    def computing(self) -> np.dtype[Any]:
        """In which the network computes what it predicts."""
        return self.dtype if same_in_every_place(self.dtype) else PRECISE

    @cached_property
    def _tree(self) -> list[dict[str, Any]]:
        return self.network.tree({name: self.computed_with(value) for name, value in self.parameters.items()})

    def computed_with(self, value: Array) -> Array:
        """A parameter in the precision of computing."""
        return value.astype(self.computing, copy=False) if value.dtype == self.dtype else value

    def prepared(self, rows: Array) -> Array:
        """Inputs as the network takes them: scaled or preprocessed, and of its dtype. Raises StepError."""
        if self.scaling is not None:
            rows = self.scaling.apply(rows)
        if self.preprocessing is not None:
            rows = self.preprocessing.apply(rows)
        return np.ascontiguousarray(rows, dtype=self.dtype)

    def decided(self, outputs: Array) -> Array:
        """Class names, labels of 0 and 1, or numbers, of the network's outputs."""
        if self.has_labels:
            return (outputs > 0).astype(np.int64)
        if self.targets.task == "regression":
            values = expected(self.link, outputs)
            return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        return np.array(self.class_names)[self.classes(outputs)]

    def classes(self, outputs: Array) -> Array:
        """The indices of the classes: of the largest output, or by the sign of a single one."""
        if not self.class_names:
            raise UsageError(f"{self.name} predicts numbers, not classes")
        self._check_classes(outputs.shape)
        return (outputs[..., 0] > 0).astype(np.int64) if outputs.shape[-1] == 1 else np.argmax(outputs, axis=-1)

    def _check_classes(self, shape: Sequence[int]) -> None:
        """A network of embeddings has outputs that stand for no class."""
        if shape[-1] not in (1, len(self.class_names)):
            raise UsageError(
                f"{self.name} gives {shape[-1]} numbers per row, which are no scores of its {len(self.class_names)} "
                f"classes: take them as they are, model.outputs(x)"
            )

    @property
    def has_labels(self) -> bool:
        """Whether a row has several targets, each 0 or 1, and an output for each."""
        kind = CostTraits.of(self.loaded.config.cost.component).targets
        return self.targets.task == "regression" and kind in LABELS

    @property
    def has_probabilities(self) -> bool:
        """Whether the outputs stand for probabilities of classes, or of labels."""
        return (bool(self.class_names) or self.has_labels) and self.link in ("softmax", "sigmoid")

    def probabilities(self, outputs: Array) -> Array:
        """Probabilities of the classes, or that each label is 1, float64, of the network's outputs."""
        if not self.class_names and not self.has_labels:
            raise UsageError(f"{self.name} predicts numbers, which have no probabilities")
        if not self.has_probabilities:
            raise UsageError(
                f"the cost of {self.name} gives its outputs no meaning as probabilities; take model.predict(x), or the "
                f"scores themselves, model.outputs(x)"
            )
        values = expected(self.link, outputs)
        if self.has_labels:
            return values
        self._check_classes(outputs.shape)
        return values if values.shape[-1] > 1 else np.concatenate([1 - values, values], axis=-1)

    def _table(self, x: object) -> Array:
        """Inputs (n, ...) in float64, of whatever they were given as."""
        from trainer.data.rows.columns import of_columns

        if isinstance(x, Mapping) or hasattr(x, "columns"):
            return of_columns(self.inputs, x, self.reading)
        array = np.asarray(x)
        if array.dtype.kind not in "biuf":
            raise DataError(f"{self.name} takes numbers, and these are of type {array.dtype}; give columns by name")
        if array.shape[1:] != self.inputs.shape or not array.ndim:
            shape = ", ".join(map(str, self.inputs.shape))
            raise ShapeError(f"{self.name} takes inputs of shape (rows, {shape}), and these are {array.shape}")
        array = array.astype(np.float64, copy=False)
        check_finite(array, self.inputs.has_missing, "the inputs")
        return array


def check_finite(values: Array, missing: bool, what: str) -> None:
    """Raise DataError at the first row with a number that is none."""
    good = np.isfinite(values) | np.isnan(values) if missing else np.isfinite(values)
    if not good.all():
        place = np.argwhere(~good)[0].tolist()
        raise DataError(f"{what}: {values[tuple(place)]} in row {place[0]}, counted from 0, is not a finite number")


def check_outputs(outputs: Array, place: Callable[[int], str]) -> None:
    """Raise DataError at the first row of which the network gives no number; `place` says where a row is."""
    good = np.isfinite(outputs).reshape(len(outputs), math.prod(outputs.shape[1:])).all(axis=1)
    if not good.all():
        raise DataError(
            f"{place(int(good.argmin()))}: the network gives no number for it; look for values far beyond those of "
            f"training"
        )


def expected(link: str | None, outputs: Array) -> Array:
    """What is expected of the targets: probabilities or means, float64 (n, k); see `CostTraits.link`.

    >>> expected("softmax", np.array([[0.0, np.log(3)]])).round(4).tolist()
    [[0.25, 0.75]]
    """
    z = outputs.astype(np.float64)
    if link == "softmax":
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True))
    if link == "sigmoid":
        return np.asarray(np.exp(-np.logaddexp(0, -z)))
    if link == "halves":
        return z[..., : math.ceil(z.shape[-1] / 2)]
    return np.exp(z) if link == "exp" else z


def load(run: str | os.PathLike[str], plugins: Plugins | Sequence[str] = ()) -> Model:
    """The model of a run, from its folder or from its parameters.safetensors alone; no data set is read.

    Args:
        plugins: further ones, besides those that the run's config names.

    Raises DataError where there is none or it is damaged, PluginError and ConfigError where something that it is made
    of is not installed.

        model = trainer.load("runs/20260131-174502-iris")
        model.predict(x), model.predict_proba(x), model.class_names, model.feature_names
    """
    from trainer.runs.loading import load as load_run

    path = expanded(run)
    file = path if path.is_file() else load_run(path).path / FILE
    saved = load_parameters(file)
    return _made(_about(file, saved), saved, plugins)


def _made(about: Mapping[str, Any], saved: Saved, plugins: Plugins | Sequence[str] = ()) -> Model:
    from trainer.config.loader import load as load_config

    return model_of(load_config({**about["config"], **stand_ins(about["reading"])}, (), plugins), about, saved)


def _restored(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Model:
    """The model that a pickle holds, made again."""
    return _made(about, Saved.of(arrays, {}))


def stand_ins(reading: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands in, with what metrics ask of the data set that was read so."""
    positive = {"positive": reading["positive"]} if "positive" in reading else {}
    return {**STAND_INS, "dataset": {**STAND_INS["dataset"], **positive}}


def _about(file: Path, saved: Saved) -> dict[str, Any]:
    """What was saved beside the numbers."""
    about: dict[str, Any] | None = saved.metadata.get("model")
    if about is None:
        raise DataError(
            f"{file} holds parameters alone, and neither the network that they are of nor what a row is, as the runs "
            f"of an older version do: train again"
        )
    return about


def model_of(loaded: LoadedConfig, about: Mapping[str, Any], saved: Saved) -> Model:
    """The model of what `model_facts` wrote and of what was saved beside it; `loaded` is a config of these facts'."""
    config, inputs = loaded.config, InputSpec.from_plain(about["inputs"])
    layout = about["layout"]
    entries = partial(np.asarray, layout["entries"]) if "entries" in layout else None
    names = Layout(layout["name"], tuple(layout["feature_names"]), inputs.parts, entries)
    layers = Sequential(tuple(map(built, config.network))).located(names).layers
    network = Network(layers, tuple(layout["shape"]), [choice.name for choice in config.network], tie=config.tie)
    network = network.frozen(config.freeze)
    known = {**network.named(network.initial(0)), **network.layer_state(0)}
    for name, value in known.items():
        if name not in saved.parameters or saved.parameters[name].shape != value.shape:
            there = saved.parameters[name].shape if name in saved.parameters else "missing"
            raise DataError(f"parameter '{name}' is {there} in the file, and {value.shape} in its network")
    return Model(
        name=about["name"],
        network=network,
        parameters=saved.parameters,
        inputs=inputs,
        targets=TargetSpec.from_plain(about["targets"]),
        link=CostTraits.of(config.cost.component).link,
        scaling=saved.scaling,
        preprocessing=saved.preprocessing(loaded.plugins),
        reading=about["reading"],
        dtype=np.dtype(config.compute.dtype),
        loaded=loaded,
        about=about,
    )
