"""What both estimators share: the parameters, which are a config's keys, and how rows in memory become a training.

A fitted estimator holds arrays and plain data alone (the parameters, where the training stands, what a row is), so that
its pickle does too; the network is made of them when it is first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from trainer.config import LoadedConfig
from trainer.config import load as load_config
from trainer.data.dataset import Dataset
from trainer.data.prepared import LABELS
from trainer.data.preprocessing.scaling import Scaling
from trainer.errors import DivergedError
from trainer.experiment.builder import Builder
from trainer.experiment.model import STAND_INS, Model, model_facts, model_of, stand_ins, target_scaling
from trainer.plugins import shared
from trainer.plugins.traits import CostTraits
from trainer.runs.parameters import Saved
from trainer.training import Epoch, Training, TrainingState
from trainer.training.evaluation import Measure
from trainer.training.threads import pinned
from trainer.types import Array

__all__ = ["FLOATS", "TrainerEstimator"]

FLOATS = (np.float64, np.float32)  # that inputs may be; what is neither becomes the first
OUTPUTS = "outputs"  # in a network: as many as the targets want
NETWORK = ({"dense": 100}, "relu", {"dense": OUTPUTS})
_OF_DATA = ("standardize", "standardize_targets", "preprocess", "class_weights", "resample", "validation_fraction")


class TrainerEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A network that is trained as a config says, on rows that are in memory.

    Args:
        network: the layers as in YAML. `"outputs"` in the place of a number is how many the targets want: one per
            class, one for two classes under a cost of 0 and 1 or of signs, or one per number to predict.
        cost: None for softmax cross-entropy of classes, or the mean squared error of numbers.
        optimizer, step_size, batch_size, epochs, seed, penalty, clip, accumulate, average, stop, metrics, networks,
            freeze, tie, start_from, plugins: as in a config.
        compute: as in a config; but the precision is that of the inputs of the first `fit`, if nothing is said.
        callbacks: as in a config; functions of (record, training) as well (see `trainer.training.Callback`).
        evaluate: as in a config; None for what is asked for, see `history_`.
        standardize, standardize_targets, preprocess, class_weights, resample, validation_fraction: as in a config's
            `dataset`. With `validation_fraction` and `stop={"patience": 10}` training ends where those rows say so.
            With `preprocess` the inputs may have nan, as what is missing; a step has to fill it in.
        warm_start: whether `fit` begins with the parameters of the last one.

    Attributes:
        parameters_: the parameters by name, as `parameters.safetensors` has them.
        history_: what was measured after each epoch, lists by the names of the columns of metrics.csv. Where nothing
            asks for more (evaluate, metrics, rows for validation, stop, callbacks, a schedule), "train_loss" alone, the
            mean loss of the epoch's batches, each before its update.
        n_iter_: how many epochs were trained.
        n_features_in_, feature_names_in_: of the inputs, as everywhere in scikit-learn.
    """

    _cost: ClassVar[str]
    _NOT_SAVED: ClassVar[tuple[str, ...]] = ("_model",)

    def __init__(
        self,
        network: Sequence[object] = NETWORK,
        *,
        cost: object = None,
        optimizer: object = "adam",
        step_size: object = 0.001,
        batch_size: int | str = 32,
        epochs: int = 100,
        seed: int = 0,
        standardize: bool = False,
        standardize_targets: bool = False,
        preprocess: Sequence[object] | None = None,
        class_weights: str | Mapping[object, float] | None = None,
        resample: str | None = None,
        validation_fraction: float = 0.0,
        stop: Mapping[str, object] | None = None,
        callbacks: Sequence[object] = (),
        penalty: object = (),
        clip: Mapping[str, float] | None = None,
        accumulate: int = 1,
        average: float | None = None,
        metrics: Sequence[object] | None = None,
        evaluate: Mapping[str, object] | None = None,
        networks: Mapping[str, object] | None = None,
        freeze: Sequence[str] = (),
        tie: Mapping[str, str] | None = None,
        start_from: object = None,
        compute: Mapping[str, object] | None = None,
        plugins: Sequence[str] = (),
        warm_start: bool = False,
    ) -> None:
        self.network = network
        self.cost = cost
        self.optimizer = optimizer
        self.step_size = step_size
        self.batch_size = batch_size
        self.epochs = epochs
        self.seed = seed
        self.standardize = standardize
        self.standardize_targets = standardize_targets
        self.preprocess = preprocess
        self.class_weights = class_weights
        self.resample = resample
        self.validation_fraction = validation_fraction
        self.stop = stop
        self.callbacks = callbacks
        self.penalty = penalty
        self.clip = clip
        self.accumulate = accumulate
        self.average = average
        self.metrics = metrics
        self.evaluate = evaluate
        self.networks = networks
        self.freeze = freeze
        self.tie = tie
        self.start_from = start_from
        self.compute = compute
        self.plugins = plugins
        self.warm_start = warm_start

    def _fit(self, dataset: Dataset, dtype: np.dtype[np.generic]) -> Self:
        """Train from the beginning, or from the last parameters where `warm_start` says so."""
        loaded = self._loaded(dataset, dtype)
        training = Builder(loaded, dataset).training()
        if self.warm_start and hasattr(self, "parameters_"):
            theta, layers = training.network.divided(self.parameters_, training.dtype)
            training.resume(replace(training.state, theta=theta, layer_state=layers))
        self.history_: dict[str, list[float]] = {}
        return self._trained(loaded, training)

    def _partial_fit(self, dataset: Dataset, dtype: np.dtype[Any]) -> Self:
        """One epoch on these rows, from where training stands; what was fitted to the first rows stays."""
        loaded = self._loaded(dataset, dtype, whole=False)
        if not hasattr(self, "state_"):
            self.history_ = {}
            training = Builder(loaded, dataset).training()
        else:
            saved = self._saved()
            fitted = saved.scaling, saved.preprocessing(loaded.plugins), target_scaling(self.about_)
            training = Builder(loaded, dataset, fitted).training()
            training.resume(replace(TrainingState.from_arrays(*self.state_), ended=None))
        training.epochs = training.epoch + 1
        return self._trained(loaded, training)

    def _trained(self, loaded: LoadedConfig, training: Training) -> Self:
        training.callbacks = [*training.callbacks, *(each for each in self.callbacks if callable(each))]
        if not self._measures(training) and training.data.target_scaling is None:
            training.measure = Measure("running")
        with pinned(loaded.config.compute.threads):
            for record in training.records():
                for part, numbers in record.numbers.items() if isinstance(record, Epoch) else ():
                    for name, value in numbers.items():
                        self.history_.setdefault(f"{part}_{name}", []).append(value)
        parameters = training.parameters
        for name, array in parameters.items():
            if not np.isfinite(array).all():
                raise DivergedError(f"'{name}' is not finite after the last step; take a smaller step_size")
        data = training.data
        self.parameters_ = parameters
        self.about_ = model_facts(loaded, data)
        self.fitted_ = {
            **(data.scaling.to_arrays() if data.scaling is not None else {}),
            **(data.preprocessing.to_arrays() if data.preprocessing is not None else {}),
        }
        self.state_ = training.state.to_arrays()
        self.n_iter_ = training.epoch
        self.__dict__.pop("_model", None)
        if data.target_scaling is None:  # else the network that predicts has a layer more than the config
            self._model = model_of(loaded, self.about_, self._saved())
        return self

    def _measures(self, training: Training) -> bool:
        """Whether anybody asks for an epoch's numbers, which take a pass of their own over the rows."""
        watches = training.stopping.watches or not isinstance(training.step_size, int | float)
        asked = self.evaluate is not None or self.metrics is not None
        return bool(asked or self.callbacks or watches or len(training.data.validation))

    def _loaded(self, dataset: Dataset, dtype: np.dtype[Any], *, whole: bool = True) -> LoadedConfig:
        """The config that the parameters are, for these rows; without what is about more than one epoch of them."""
        given = {key: getattr(self, key) for key in self.get_params(deep=False) if key != "warm_start"}
        settings = {key: given.pop(key) for key in _OF_DATA}
        if isinstance(settings["class_weights"], Mapping):
            settings["class_weights"] = {str(name): weight for name, weight in settings["class_weights"].items()}
        if len(dataset.class_names) == 2:
            settings["positive"] = dataset.class_names[1]  # as everywhere in scikit-learn
        if not whole:
            settings["validation_fraction"], given["stop"] = 0.0, None
        given["compute"] = {"dtype": str(dtype), **(given["compute"] or {})}
        given["cost"] = self._cost if given["cost"] is None else given["cost"]
        given["evaluate"] = self.evaluate or {}
        given["callbacks"] = [each for each in given["callbacks"] if not callable(each)]
        config = _written({**given, "dataset": {**STAND_INS["dataset"], **settings, "test_fraction": 0.0}})
        wanted = len(dataset.class_names) or math.prod(dataset.targets.shape[1:])
        loaded = self._load({**config, "network": _with_outputs(config["network"], wanted)})
        if dataset.class_names and CostTraits.of(loaded.config.cost.component).targets in LABELS:
            return self._load({**config, "network": _with_outputs(config["network"], 1)})
        return loaded

    def _load(self, config: Mapping[str, object]) -> LoadedConfig:
        """Found among what is installed, which one process collects once; a config's own plugins are its own."""
        return load_config(config) if self.plugins else load_config(config, plugins=shared())

    def _rows(self, X: Array, y: Array, sample_weight: object) -> dict[str, Any]:
        """What a Dataset has of these rows; those that count nothing are left out."""
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            counting = weights > 0
            if not counting.any():
                raise ValueError("every sample_weight is 0, so no row counts")
            X, y, weights = X[counting], y[counting], weights[counting]
        names = tuple(map(str, getattr(self, "feature_names_in_", ())))
        missing = self.preprocess is not None
        return {"inputs": X, "targets": y, "weights": weights, "feature_names": names, "has_missing": missing}

    def _saved(self) -> Saved:
        steps = {name: array for name, array in self.fitted_.items() if not name.startswith("scaling.")}
        return Saved(self.parameters_, Scaling.from_arrays(self.fitted_), {}, steps)

    @property
    def model(self) -> Model:
        """What was learnt, without scikit-learn; see `trainer.load`."""
        check_is_fitted(self, "parameters_")
        if "_model" not in self.__dict__:
            config = {**self.about_["config"], **stand_ins(self.about_["reading"])}
            self._model = model_of(self._load(config), self.about_, self._saved())
        return self._model

    def _outputs(self, X: object) -> Array:
        X = self._inputs(X)
        with pinned(1), np.errstate(all="ignore"):
            return self.model.computed(X)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in self._NOT_SAVED}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.preprocess is not None
        return tags

    def _inputs(self, X: object) -> Array:
        """Rows to predict, which are such as those of `fit`."""
        check_is_fitted(self, "parameters_")
        return np.asarray(validate_data(self, X, reset=False, dtype=FLOATS, ensure_all_finite=self._finite))

    @property
    def _finite(self) -> bool | str:
        """Which numbers the inputs may hold, as scikit-learn's validation wants it said."""
        return True if self.preprocess is None else "allow-nan"


def _written(value: object) -> Any:
    """A parameter as YAML has it: without NumPy's numbers, tuples, and keys that say nothing."""
    if isinstance(value, Mapping):
        return {str(key): _written(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _with_outputs(network: object, count: int) -> Any:
    """The layers with a number where they say "outputs".

    >>> _with_outputs([{"dense": 8}, "relu", {"dense": {"units": "outputs", "bias": False}}], 3)
    [{'dense': 8}, 'relu', {'dense': {'units': 3, 'bias': False}}]
    """
    if isinstance(network, dict):
        return {key: _with_outputs(item, count) for key, item in network.items()}
    if isinstance(network, list):
        return [_with_outputs(item, count) for item in network]
    return count if isinstance(network, str) and network == OUTPUTS else network
