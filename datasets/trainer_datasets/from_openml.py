"""Any data set of openml.org, by scikit-learn's `fetch_openml`; the cache keeps it.

The columns are read with the parser that needs no pandas, categories as indices, and take their roles here as a CSV
file's do: OpenML says which columns hold categories and which is the target.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from importlib.metadata import version as installed
from typing import Any, Literal

import numpy as np

from trainer.data import Dataset, cached
from trainer.data.dataset import Task, class_indices
from trainer.data.readers.features import Encoding, Feature, encode_features
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import did_you_mean, in_yaml
from trainer_datasets.fetched import fetching

__all__ = ["openml"]

LARGEST = 10**8  # numbers that a sparse data set may have when its zeros are written out


def openml(
    which: int | str,
    *,
    version: int | None = None,
    target: str | list[str] | None = None,
    task: Task | None = None,
    encode: Encoding = "one_hot",
    ignore: list[str] | None = None,
    missing: Literal["error", "allow"] = "error",
) -> Dataset:
    """A data set of openml.org, by number or by name.

    which: its number, as in openml.org/d/61, or its name. version: of a name that has several.
    target: the target column, or several columns of numbers. Default: what OpenML says.
    task: "classification" or "regression". Default: by whether the target's values are categories.
    encode: columns of categories as "one_hot", 0 or 1 for each, or as "index", for an embedding.
    ignore: columns to leave out. missing: "allow" makes a missing number NaN, for an imputer to fill in, and a missing
        category one of its own, "?"; "error" refuses both.

    Fetched from the internet once. Source: J. Vanschoren, J. van Rijn, B. Bischl & L. Torgo, *OpenML: networked science
    in machine learning* (2014).
    """
    if isinstance(which, int) and version is not None:
        raise DataError(f"openml: a version belongs to a name, and {which} is a number, which has one; leave it out")
    options = {"which": which, "version": version, "target": target, "task": task, "encode": encode}
    options |= {"ignore": ignore, "missing": missing}
    digest = hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]

    def make() -> Dataset:
        columns = _Columns(_fetch(which, version))
        return columns.dataset(target, task, encode, ignore or [], missing == "allow")

    return cached(f"openml-{digest}-scikit-learn-{installed('scikit-learn')}", make)


def _fetch(which: int | str, version: int | None) -> Any:
    """All columns of a data set, the target among them."""
    import sklearn.datasets

    called = f"{which!r} of openml.org" if version is None else f"{which!r}, version {version}, of openml.org"
    asked = {"data_id": which} if isinstance(which, int) else {"name": which, "version": version or "active"}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Multiple active versions")
        warnings.filterwarnings("ignore", message="Version .* of dataset|OpenML r")  # in the data set's description
        try:
            return fetching(
                called,
                lambda: sklearn.datasets.fetch_openml(
                    **asked, target_column=None, as_frame=False, parser="liac-arff", cache=False
                ),
            )
        except UserWarning as warning:
            found = [line.split()[2].rstrip(",") for line in str(warning).splitlines() if line.startswith("- version")]
            raise DataError(
                f"{called} has several versions, {' and '.join(found)} among them; say version: {found[0]}"
            ) from None
        except DataError:
            raise
        except Exception as error:
            # Anyone may upload to OpenML, so whatever the parsers raise is the data's fault.
            if type(error).__name__ == "OpenMLError":
                raise DataError(f"there is no {called}; look for it at openml.org/search?type=data") from None
            if "STRING attributes" in str(error):
                raise DataError(
                    f"{called} has columns of free text, which are neither numbers nor categories"
                ) from None
            raise DataError(f"{called} cannot be read: {error}") from None


class _Columns:
    """The columns of one data set: numbers, or indices of categories, with NaN where a value is missing."""

    def __init__(self, bunch: Any) -> None:
        self.name = str(bunch.details["name"])
        self.default_target = [
            name for name in str(bunch.details.get("default_target_attribute") or "").split(",") if name
        ]
        warned = [text for key in ("error", "warning") if (text := bunch.details.get(key))]
        inactive = [f"this version is {bunch.details['status']}"] if bunch.details["status"] != "active" else []
        self.description = "; ".join([f"{self.name} of openml.org, number {bunch.details['id']}", *inactive, *warned])
        data = bunch.data
        if not isinstance(data, np.ndarray):
            if np.prod(data.shape) > LARGEST:
                raise DataError(
                    f"{self.name} of openml.org is sparse, of shape {data.shape}: too large without its zeros"
                )
            data = data.toarray()
        self.values: dict[str, Array] = dict(zip(bunch.feature_names, data.T, strict=True))
        self.categories: dict[str, list[str]] = bunch.categories

    def dataset(
        self, target: str | list[str] | None, task: Task | None, encode: Encoding, ignore: list[str], missing: bool
    ) -> Dataset:
        """The columns in their roles."""
        targets = self.default_target if target is None else [target] if isinstance(target, str) else target
        if not targets:
            raise DataError(
                f"{self.name} of openml.org has no target of its own; say target: NAME, one of {', '.join(self.values)}"
            )
        for name in (*targets, *ignore):
            if name not in self.values:
                hint = did_you_mean(name, self.values, f"it has {', '.join(self.values)}")
                raise DataError(f"{self.name} of openml.org has no column {name!r}; {hint}")
        inputs = [name for name in self.values if name not in targets and name not in ignore]
        if not inputs:
            raise DataError(f"{self.name} of openml.org has no column of inputs beside target and ignore")
        features = encode_features([self._feature(name, missing, ignore) for name in inputs], encode, self.name)
        values, class_names = self._targets(targets, task)
        return Dataset(
            self.name,
            features.inputs,
            values,
            "classification" if class_names else "regression",
            class_names,
            features.names,
            self.description,
            categories=features.categories,
            has_missing=missing,
        )

    def _feature(self, name: str, missing: bool, ignored: list[str]) -> Feature:
        if not missing:
            filled = ", which makes them a category" if name in self.categories else " and preprocess: [simple_imputer]"
            listed = ", ".join(map(in_yaml, [*ignored, name]))
            self._check_present(name, f"say missing: allow{filled}, or leave the column out, ignore: [{listed}]")
        return Feature(name, *self._indices(name)) if name in self.categories else Feature(name, self.values[name])

    def _targets(self, names: list[str], task: Task | None) -> tuple[Array, tuple[str, ...]]:
        texts = [name for name in names if name in self.categories]
        asked = task is not None
        if task is None:
            task = "classification" if texts and len(names) == 1 else "regression"
        if task == "classification":
            if len(names) > 1:
                raise DataError(f"{self.name}: a classification has one target column, not {len(names)}")
            self._check_present(names[0], "there is no class to learn")
            if texts:
                return self._indices(names[0])
            return class_indices([f"{value:.15g}" for value in self.values[names[0]].tolist()])
        if texts:
            way = f"for classes say target: {in_yaml(texts[0])} alone" + ", without task: regression" * asked
            raise DataError(
                f"{self.name}: target {texts[0]!r} holds categories, and a regression's targets are numbers; {way}"
            )
        for name in names:
            self._check_present(name, "there is no number to learn")
        values = np.stack([self.values[name] for name in names], axis=1)
        return (values[:, 0] if len(names) == 1 else values), ()

    def _indices(self, name: str) -> tuple[Array, tuple[str, ...]]:
        """Indices of the categories that occur, sorted; OpenML's own order is that of the declaration."""
        declared = self.categories[name]
        return class_indices(["?" if np.isnan(code) else declared[int(code)] for code in self.values[name]])

    def _check_present(self, name: str, way_out: str) -> None:
        absent = np.isnan(self.values[name])
        if absent.any():
            raise DataError(
                f"{self.name}: column {name!r} has no value in row {int(absent.argmax())} ({np.count_nonzero(absent)} "
                f"of them in all); {way_out}"
            )
