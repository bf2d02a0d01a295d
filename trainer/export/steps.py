"""The steps of `preprocess:` as nodes of ONNX: written by hand, from what scikit-learn's transformers have learnt.

All is computed in double, as in training, on the columns that a step was given. A step whose arithmetic ONNX cannot say
in a few nodes is refused by its name: a search in a table of quantiles, neighbours, splines, whatever a plugin brings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.preprocessing.saved import restored
from trainer.errors import UsageError
from trainer.export.graph import Nodes
from trainer.types import Array

if TYPE_CHECKING:
    from sklearn.decomposition import PCA, FastICA
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.impute import SimpleImputer
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.preprocessing import (
        Binarizer,
        KBinsDiscretizer,
        MinMaxScaler,
        Normalizer,
        PolynomialFeatures,
        PowerTransformer,
        RobustScaler,
        StandardScaler,
    )

    from trainer.data import Preprocessing

__all__ = ["STEPS", "preprocessed"]

Step = Callable[[Nodes, str, Any], str]


def preprocessed(g: Nodes, x: str, steps: Preprocessing) -> str:
    """The value `x`, (batch, *input_shape) in double, after all steps: (batch, *output_shape).

    Raises UsageError for a step that cannot be said in ONNX's nodes.
    """
    width = math.prod(steps.input_shape)
    if len(steps.input_shape) != 1:
        x = g.node("Reshape", x, g.integers([-1, width]))
    for step in steps.steps:
        kind = type(step.preprocessor).__name__
        if kind not in STEPS or not _is_ours(step.preprocessor):
            raise UsageError(
                f"the step {step.name} of preprocess cannot be exported; those that can are "
                f"{', '.join(sorted(map(_spelt, STEPS)))}"
            )
        x, width = _placed(g, x, width, step.columns.tolist(), STEPS[kind], step.state)
    if steps.output_shape != (width,):
        x = g.node("Reshape", x, g.integers([-1, *steps.output_shape]))
    return x


def _is_ours(preprocessor: object) -> bool:
    from trainer.data.preprocessing.transformers import PREPROCESSORS

    return type(preprocessor) in PREPROCESSORS


def _spelt(kind: str) -> str:
    from trainer.plugins.registry import snake_case

    return snake_case(kind)


def _placed(
    g: Nodes, x: str, width: int, columns: list[int], step: Step, state: Mapping[str, Array]
) -> tuple[str, int]:
    """The table after a step that is given some of its columns, and how wide it is then; as `Preprocessing` does it."""
    given = x if len(columns) == width else g.node("Gather", x, g.integers(columns), axis=1)
    estimator = restored(state)
    made = step(g, given, estimator)
    count = len(estimator.get_feature_names_out([f"c{i}" for i in columns]))
    if len(columns) == width:
        return made, count
    others = [i for i in range(width) if i not in columns]
    if count != len(columns):
        left = g.node("Gather", x, g.integers(others), axis=1)
        return g.node("Concat", left, made, axis=1), len(others) + count
    order = [width + columns.index(i) if i in columns else i for i in range(width)]
    return g.node("Gather", g.node("Concat", x, made, axis=1), g.integers(order), axis=1), width


def _shifted(g: Nodes, x: str, by: Array | None) -> str:
    return x if by is None else g.node("Sub", x, g.constant(np.asarray(by, np.float64)))


def _divided(g: Nodes, x: str, by: Array | None) -> str:
    return x if by is None else g.node("Div", x, g.constant(np.asarray(by, np.float64)))


def _product(g: Nodes, x: str, matrix: Array) -> str:
    return g.node("MatMul", x, g.constant(np.ascontiguousarray(matrix, np.float64)))


def _standard(g: Nodes, x: str, e: StandardScaler) -> str:
    x = _shifted(g, x, e.mean_ if e.with_mean else None)
    return _divided(g, x, e.scale_ if e.with_std else None)


def _min_max(g: Nodes, x: str, e: MinMaxScaler) -> str:
    x = g.node("Add", g.node("Mul", x, g.constant(e.scale_, np.float64)), g.constant(e.min_, np.float64))
    if not e.clip:
        return x
    low, high = (g.constant(bound, np.float64) for bound in e.feature_range)
    return g.node("Min", g.node("Max", x, low), high)


def _robust(g: Nodes, x: str, e: RobustScaler) -> str:
    x = _shifted(g, x, e.center_ if e.with_centering else None)
    return _divided(g, x, e.scale_ if e.with_scaling else None)


def _normalizer(g: Nodes, x: str, e: Normalizer) -> str:
    """Rows by their length; a row of zeros stays."""
    axes, keep = g.integers([1]), {"keepdims": 1}
    if e.norm == "l2":
        length = g.node("Sqrt", g.node("ReduceSum", g.node("Mul", x, x), axes, **keep))
    else:
        length = g.node("ReduceSum" if e.norm == "l1" else "ReduceMax", g.node("Abs", x), axes, **keep)
    one, zero = g.constant(1.0, np.float64), g.constant(0.0, np.float64)
    return g.node("Div", x, g.node("Where", g.node("Equal", length, zero), one, length))


def _binarizer(g: Nodes, x: str, e: Binarizer) -> str:
    return g.cast(g.node("Greater", x, g.constant(e.threshold, np.float64)), np.float64)


def _power(g: Nodes, x: str, e: PowerTransformer) -> str:
    """Each column by its own λ. Box & Cox, 1964; Yeo & Johnson, 2000, which mirrors negative numbers with 2 − λ."""
    lambdas, one = np.asarray(e.lambdas_, np.float64), g.constant(1.0, np.float64)
    if e.method == "box-cox":
        y = _powered(g, x, lambdas)
    else:
        zero = g.constant(0.0, np.float64)
        above = _powered(g, g.node("Add", g.node("Max", x, zero), one), lambdas)
        below = g.node("Neg", _powered(g, g.node("Sub", one, g.node("Min", x, zero)), 2 - lambdas))
        y = g.node("Where", g.node("Less", x, zero), below, above)
    return _standard(g, y, e._scaler) if e.standardize else y


def _powered(g: Nodes, x: str, lambdas: Array) -> str:
    """(x^λ − 1)/λ for x above 0, and log x, its limit, where λ is so small that the difference has no digits."""
    none = np.abs(lambdas) < 1e-9
    safe = np.where(none, 1.0, lambdas)
    log = g.node("Log", x)
    raised = g.node("Exp", g.node("Mul", log, g.constant(safe)))
    less = g.node("Sub", raised, g.constant(1.0, np.float64))
    return g.node("Where", g.constant(none), log, g.node("Div", less, g.constant(safe)))


def _polynomial(g: Nodes, x: str, e: PolynomialFeatures) -> str:
    """The product of each output's factors, one after the other: no power of a negative number is taken."""
    columns = []
    one = g.constant(np.ones((1, 1)))
    for powers in e.powers_:
        factors = [i for i, power in enumerate(powers) for _ in range(int(power))]
        picked = [g.node("Gather", x, g.integers([i]), axis=1) for i in factors]
        if not picked:
            first = g.node("Gather", x, g.integers([0]), axis=1)
            picked = [g.node("Add", g.node("Mul", first, g.constant(0.0, np.float64)), one)]
        y = picked[0]
        for factor in picked[1:]:
            y = g.node("Mul", y, factor)
        columns.append(y)
    return g.node("Concat", *columns, axis=1)


def _bins(g: Nodes, x: str, e: KBinsDiscretizer) -> str:
    """How many inner edges are not above x; one-hot, whether that is the bin's number."""
    columns = []
    for i, edges in enumerate(e.bin_edges_):
        column = g.node("Gather", x, g.integers([i]), axis=1)
        reached = g.node("GreaterOrEqual", column, g.constant(np.asarray(edges[1:-1], np.float64)[None]))
        number = g.node("ReduceSum", g.cast(reached, np.float64), g.integers([1]), keepdims=1)
        if e.encode != "ordinal":
            number = g.cast(g.node("Equal", number, g.constant(np.arange(len(edges) - 1.0)[None])), np.float64)
        columns.append(number)
    return g.node("Concat", *columns, axis=1)


def _imputer(g: Nodes, x: str, e: SimpleImputer) -> str:
    missing = g.node("IsNaN", x)
    filled = g.node("Where", missing, g.constant(np.asarray(e.statistics_, np.float64)), x)
    if not e.add_indicator:
        return filled
    lacking = g.node("Gather", g.cast(missing, np.float64), g.integers(e.indicator_.features_.tolist()), axis=1)
    return g.node("Concat", filled, lacking, axis=1)


def _pca(g: Nodes, x: str, e: PCA) -> str:
    y = _product(g, _shifted(g, x, e.mean_), e.components_.T)
    return _divided(g, y, np.sqrt(e.explained_variance_)) if e.whiten else y


def _ica(g: Nodes, x: str, e: FastICA) -> str:
    return _product(g, _shifted(g, x, e.mean_ if e.whiten else None), e.components_.T)


def _chosen(g: Nodes, x: str, e: VarianceThreshold) -> str:
    return g.node("Gather", x, g.integers(np.flatnonzero(e.get_support()).tolist()), axis=1)


def _rbf(g: Nodes, x: str, e: RBFSampler) -> str:
    angle = g.node("Add", _product(g, x, e.random_weights_), g.constant(e.random_offset_, np.float64))
    return g.node("Mul", g.node("Cos", angle), g.constant(math.sqrt(2 / e.n_components), np.float64))


STEPS: dict[str, Step] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": lambda g, x, e: _divided(g, x, e.scale_),
    "RobustScaler": _robust,
    "Normalizer": _normalizer,
    "Binarizer": _binarizer,
    "PowerTransformer": _power,
    "PolynomialFeatures": _polynomial,
    "KBinsDiscretizer": _bins,
    "SimpleImputer": _imputer,
    "PCA": _pca,
    "TruncatedSVD": lambda g, x, e: _product(g, x, e.components_.T),
    "FastICA": _ica,
    "VarianceThreshold": _chosen,
    "RBFSampler": _rbf,
    "GaussianRandomProjection": lambda g, x, e: _product(g, x, e.components_.T),
}
