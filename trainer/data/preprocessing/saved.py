"""Fitted transformers of scikit-learn as plain arrays, and back.

A fitted transformer is its attributes: arrays, numbers, texts, and now and then another transformer or a spline. The
arrays go under the attributes' names; how the rest hangs together is JSON in one more array, `about`. Nothing is
pickled: only the classes in `_MODULES` are ever made, and no code of a file's is run. The rows of training are
transformed by the restored object too, so a model that is loaded later computes from the very same numbers.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from trainer.errors import DataError
from trainer.types import Array

__all__ = ["fitted", "restored"]

ABOUT = "about"
# Where scikit-learn has the transformers, and those that it keeps inside them.
_MODULES = {
    name: f"sklearn.{module}"
    for module, names in {
        "preprocessing": "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer Binarizer "
        "QuantileTransformer PowerTransformer PolynomialFeatures KBinsDiscretizer SplineTransformer OneHotEncoder",
        "impute": "SimpleImputer KNNImputer MissingIndicator",
        "decomposition": "PCA TruncatedSVD FastICA",
        "feature_selection": "VarianceThreshold",
        "kernel_approximation": "RBFSampler",
        "random_projection": "GaussianRandomProjection",
    }.items()
    for name in names.split()
}


def fitted(name: str, parameters: Mapping[str, object], inputs: Array, rng: np.random.Generator) -> dict[str, Array]:
    """The attributes, as arrays, of scikit-learn's class `name` after fitting it to `inputs`, shape (n, columns).

    Parameters that this version of scikit-learn does not have yet are left out: they only choose what it did before.
    Raises ValueError with scikit-learn's words where it refuses or warns: a warning means that it did something else
    than it was told.
    """
    cls = _class(name)
    known = cls().get_params() if name != "GaussianRandomProjection" else cls(n_components=1).get_params()
    options = {key: value for key, value in parameters.items() if key in known}
    if "random_state" in known:
        options["random_state"] = int(rng.integers(2**31))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UserWarning)
        try:
            estimator = cls(**options).fit(inputs)
        except UserWarning as warning:
            raise ValueError(str(warning)) from None
    arrays: dict[str, Array] = {}
    about = {"scikit-learn": _version(), "estimator": _encoded(estimator, "", arrays)}
    return {**arrays, ABOUT: np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}


def restored(state: Mapping[str, Array]) -> Any:
    """The transformer of scikit-learn that `fitted` made these arrays of.

    Raises DataError where they are none, as those of another version of scikit-learn may be.
    """
    try:
        about = json.loads(state[ABOUT].tobytes())
        return _decoded(about["estimator"], state)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"a saved preprocessor cannot be read: {type(error).__name__} {error}") from None


def _class(name: str) -> Any:
    return getattr(import_module(_MODULES[name]), name)


def _version() -> str:
    from importlib.metadata import version

    return version("scikit-learn")


def _encoded(value: object, name: str, arrays: dict[str, Array]) -> object:
    """JSON for a value called `name`; a plain value is itself, any other a mapping of its kind to what it is made of.

    Arrays of numbers go to `arrays`.
    """
    if value is None or isinstance(value, bool | int | str) or (type(value) is float and math.isfinite(value)):
        return value
    if type(value) is float:
        return {"float": repr(value)}
    if isinstance(value, list):
        return [_encoded(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return {"dict": [[key, _encoded(item, f"{name}.{key}", arrays)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": _encoded([*value], name, arrays)}
    if isinstance(value, np.ndarray) and value.dtype == object:
        return {"objects": _encoded(value.tolist(), name, arrays)}
    if isinstance(value, np.ndarray | np.generic):
        arrays[name] = np.array(value, order="C")
        return {"array" if isinstance(value, np.ndarray) else "scalar": name}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"type": np.dtype(value).name}
    return _encoded_object(value, name, arrays)


def _encoded_object(value: Any, name: str, arrays: dict[str, Array]) -> object:
    kind, prefix = type(value).__name__, f"{name}." if name else ""
    if kind == "BSpline":
        parts = [value.t, value.c, int(value.k), value.extrapolate]  # what construct_fast takes
        return {"spline": _encoded(parts, name, arrays)}
    if kind not in _MODULES:
        raise ValueError(f"it keeps a {kind} in its attribute '{name}', which cannot be saved")
    attributes = {key: _encoded(item, prefix + key, arrays) for key, item in vars(value).items()}
    return {"class": kind, "attributes": attributes}


def _decoded(value: object, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return [_decoded(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "class" in value:
        cls = _class(value["class"])
        estimator = cls.__new__(cls)
        vars(estimator).update({key: _decoded(item, arrays) for key, item in value["attributes"].items()})
        return estimator
    ((kind, content),) = value.items()
    if kind in ("array", "scalar"):
        return arrays[content] if kind == "array" else arrays[content][()]
    if kind == "float":
        return float(content)
    if kind in ("dtype", "type"):
        return np.dtype(content) if kind == "dtype" else np.dtype(content).type
    items = [_decoded(item, arrays) for item in content]
    if kind == "spline":
        return import_module("scipy.interpolate").BSpline.construct_fast(*items)
    if kind == "dict":
        return dict(items)
    if kind == "objects":
        objects = np.empty(len(items), dtype=object)
        for i, item in enumerate(items):  # one by one: a slice would be taken apart into the items' own elements
            objects[i] = item
        return objects
    return tuple(items)
