"""scikit-learn's transformers as components: the classes that a config may name, and of each the parameters.

The names, the parameters and, unless a docstring says otherwise, the defaults are scikit-learn's, so that its
documentation is theirs. What makes no sense here is left out: `copy`, sparse results, and `random_state`, which is the
config's seed. scikit-learn is imported when one of them is fitted or used, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np

from trainer.data.preprocessing.saved import fitted, restored
from trainer.limits import Checked, Limits
from trainer.types import Array

__all__ = ["PREPROCESSORS", "Preprocessor"]

Columns = list[int | str] | None
Count = Annotated[int, Limits(ge=1)]


class Preprocessor(Protocol):
    """What a step of `preprocess:` can do; a plugin's is a frozen dataclass with these two methods.

    Both get inputs of shape (n, columns), float64, and change nothing in them. What `fit` learns from the training rows
    is plain arrays of numbers by name, which are saved with the model; `apply` is a function of them and of the inputs.
    A field `columns`, if there is one, says which columns the step is given; by default all that are numbers.
    """

    def fit(self, inputs: Array, rng: np.random.Generator) -> dict[str, Array]: ...

    def apply(self, state: Mapping[str, Array], inputs: Array) -> Array: ...


@dataclass(frozen=True)
class _Transformer(Checked):
    """A class of scikit-learn, of the same name, with its parameters.

    takes_missing: whether it accepts a NaN.
    keeps_categories: whether what it makes of a category's index is still one.
    """

    takes_missing: ClassVar[bool] = False
    keeps_categories: ClassVar[bool] = False

    def fit(self, inputs: Array, rng: np.random.Generator) -> dict[str, Array]:
        """What the class learns from `inputs`, shape (n, columns): every attribute that it sets, as arrays."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "columns"}
        return fitted(type(self).__name__, self.parameters(given, inputs), inputs, rng)

    def apply(self, state: Mapping[str, Array], inputs: Array) -> Array:
        """What the fitted class makes of `inputs`; fewer or more columns, but a row for each row."""
        return np.ascontiguousarray(restored(state).transform(inputs), dtype=np.float64)

    def names(self, state: Mapping[str, Array], names: list[str]) -> list[str]:
        """What scikit-learn calls the columns that it makes of columns with these names."""
        return [str(name) for name in restored(state).get_feature_names_out(np.array(names, dtype=object))]

    def parameters(self, given: dict[str, object], inputs: Array) -> dict[str, Any]:
        """scikit-learn's parameters from the fields'."""
        return given


@dataclass(frozen=True)
class StandardScaler(_Transformer):
    """Every column to mean 0 and standard deviation 1."""

    takes_missing = True
    with_mean: bool = True
    with_std: bool = True
    columns: Columns = None


@dataclass(frozen=True)
class MinMaxScaler(_Transformer):
    """Every column to a range; `clip` keeps test rows in it too."""

    takes_missing = True
    feature_range: tuple[float, float] = (0.0, 1.0)
    clip: bool = False
    columns: Columns = None


@dataclass(frozen=True)
class MaxAbsScaler(_Transformer):
    """Every column divided by its largest absolute value."""

    takes_missing = True
    columns: Columns = None


@dataclass(frozen=True)
class RobustScaler(_Transformer):
    """Every column less its median, divided by the distance of two quantiles: outliers count little."""

    takes_missing = True
    quantile_range: tuple[float, float] = (25.0, 75.0)
    with_centering: bool = True
    with_scaling: bool = True
    unit_variance: bool = False
    columns: Columns = None


@dataclass(frozen=True)
class Normalizer(_Transformer):
    """Every row divided by its length."""

    norm: Literal["l1", "l2", "max"] = "l2"
    columns: Columns = None


@dataclass(frozen=True)
class Binarizer(_Transformer):
    """1 above the threshold, 0 at it and below."""

    threshold: float = 0.0
    columns: Columns = None


@dataclass(frozen=True)
class QuantileTransformer(_Transformer):
    """Every column to a uniform or a normal distribution by its ranks; n_quantiles: 1,000, or a row each if fewer."""

    takes_missing = True
    n_quantiles: Count | None = None
    output_distribution: Literal["uniform", "normal"] = "uniform"
    subsample: Count | None = 10_000
    columns: Columns = None

    def parameters(self, given: dict[str, object], inputs: Array) -> dict[str, Any]:
        if self.n_quantiles is not None and self.n_quantiles > len(inputs):
            raise ValueError(f"n_quantiles is {self.n_quantiles}, and there are {len(inputs)} rows: write at most that")
        return {**given, "n_quantiles": self.n_quantiles or min(1000, len(inputs))}


@dataclass(frozen=True)
class PowerTransformer(_Transformer):
    """Every column nearer to a normal distribution by a power."""

    takes_missing = True
    method: Literal["yeo-johnson", "box-cox"] = "yeo-johnson"
    standardize: bool = True
    columns: Columns = None


@dataclass(frozen=True)
class PolynomialFeatures(_Transformer):
    """The products of columns up to a degree, and a column of ones."""

    degree: Annotated[int, Limits(ge=0)] = 2
    interaction_only: bool = False
    include_bias: bool = True
    columns: Columns = None


@dataclass(frozen=True)
class KBinsDiscretizer(_Transformer):
    """Every column cut into intervals: a column of 0 and 1 for each, or with `ordinal` the interval's number."""

    n_bins: Annotated[int, Limits(ge=2)] = 5
    encode: Literal["onehot", "ordinal"] = "onehot"
    strategy: Literal["uniform", "quantile", "kmeans"] = "quantile"
    columns: Columns = None

    def parameters(self, given: dict[str, object], inputs: Array) -> dict[str, Any]:
        given["encode"] = "onehot-dense" if self.encode == "onehot" else "ordinal"
        return {**given, "quantile_method": "averaged_inverted_cdf"}


@dataclass(frozen=True)
class SplineTransformer(_Transformer):
    """Every column as the values of overlapping smooth bumps, B-splines."""

    n_knots: Annotated[int, Limits(ge=2)] = 5
    degree: Annotated[int, Limits(ge=0)] = 3
    knots: Literal["uniform", "quantile"] = "uniform"
    extrapolation: Literal["error", "constant", "linear", "continue", "periodic"] = "constant"
    include_bias: bool = True
    columns: Columns = None


class _Imputer(_Transformer):
    takes_missing = True


@dataclass(frozen=True)
class SimpleImputer(_Imputer):
    """Missing values filled in with the column's mean, median or most frequent value, or with a constant."""

    keeps_categories = True
    strategy: Literal["mean", "median", "most_frequent", "constant"] = "mean"
    fill_value: float | None = None
    add_indicator: bool = False
    columns: Columns = None


@dataclass(frozen=True)
class KNNImputer(_Imputer):
    """Missing values filled in with the mean of the nearest rows; the training rows are saved with the model."""

    n_neighbors: Count = 5
    weights: Literal["uniform", "distance"] = "uniform"
    add_indicator: bool = False
    columns: Columns = None


class _Decomposition(_Transformer):
    def parameters(self, given: dict[str, object], inputs: Array) -> dict[str, Any]:
        wanted, most = given["n_components"], min(inputs.shape)
        if isinstance(wanted, float) and wanted >= 1:
            raise ValueError(f"n_components is {wanted}; it is a whole number, or below 1 a share of the variance")
        if wanted is not None and wanted > most:
            raise ValueError(f"n_components is {wanted}, and there are {most} at most")
        return given


@dataclass(frozen=True)
class PCA(_Decomposition):
    """The directions of greatest variance: so many, or (below 1) as many as hold that share of it."""

    n_components: Annotated[int | float, Limits(gt=0)] | None = None
    whiten: bool = False
    svd_solver: Literal["auto", "full", "covariance_eigh", "arpack", "randomized"] = "auto"
    columns: Columns = None


@dataclass(frozen=True)
class TruncatedSVD(_Decomposition):
    """The greatest singular directions, without centring."""

    n_components: Count = 2
    algorithm: Literal["arpack", "randomized"] = "randomized"
    n_iter: Count = 5
    columns: Columns = None


@dataclass(frozen=True)
class FastICA(_Decomposition):
    """Independent components."""

    n_components: Count | None = None
    algorithm: Literal["parallel", "deflation"] = "parallel"
    max_iter: Count = 200
    tol: Annotated[float, Limits(gt=0)] = 1e-4
    columns: Columns = None


@dataclass(frozen=True)
class VarianceThreshold(_Transformer):
    """Leaves out the columns whose variance is not above the threshold; by default those that are constant."""

    takes_missing = True
    keeps_categories = True
    threshold: Annotated[float, Limits(ge=0)] = 0.0
    columns: Columns = None


@dataclass(frozen=True)
class RBFSampler(_Transformer):
    """Random features whose products approximate a Gaussian kernel."""

    n_components: Count = 100
    gamma: Annotated[float, Limits(gt=0)] | Literal["scale"] = 1.0
    columns: Columns = None


@dataclass(frozen=True)
class GaussianRandomProjection(_Transformer):
    """Random directions; scikit-learn's default of their number is for thousands of columns, so here it is required."""

    n_components: Count
    columns: Columns = None


PREPROCESSORS: tuple[type[_Transformer], ...] = (
    StandardScaler,
    MinMaxScaler,
    MaxAbsScaler,
    RobustScaler,
    Normalizer,
    Binarizer,
    QuantileTransformer,
    PowerTransformer,
    PolynomialFeatures,
    KBinsDiscretizer,
    SplineTransformer,
    SimpleImputer,
    KNNImputer,
    PCA,
    TruncatedSVD,
    FastICA,
    VarianceThreshold,
    RBFSampler,
    GaussianRandomProjection,
)
