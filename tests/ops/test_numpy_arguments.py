"""Arguments of NumPy's functions that say more than an op's own: values are NumPy's, slopes those of differences."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops import op_checking
from trainer import Tensor, vjp
from trainer.errors import OpError

X = np.array([[0.5, -1.5, 2.0, 0.25], [3.0, 0.75, -2.5, 1.0], [1.5, -0.5, 0.125, 2.25]])
V = X[0]
W = np.array([[0.5, 1.5, 1.0, 0.25], [2.0, 0.75, 0.5, 1.25], [1.0, 0.5, 3.0, 0.125]])
MASK = W < 1.75
CASES = {
    "diff prepend": (lambda x: np.diff(x, prepend=2.0), [X]),
    "diff append": (lambda x, a: np.diff(x, axis=0, append=a), [X, V[None] * 3]),
    "diff both, plain array": (lambda p, a: np.diff(V, 2, prepend=p, append=a), [X[1], X[2]]),
    "ediff1d": (lambda x, e, b: np.ediff1d(x, to_end=e, to_begin=b), [X, V[:2], V[:3] * 2]),
    "interp period": (lambda x, fp: np.interp(x, [10.0, 130.0, -100.0], fp, period=360), [X * 100, V[:3]]),
    "interp period, knots": (lambda xp: np.interp([5.0, 1.3, -0.4], xp, V, period=7.0), [np.array([0.5, 3, 1.75, 6])]),
    "cov fweights": (lambda x: np.cov(x, fweights=[1, 2, 0, 3]), [X]),
    "cov aweights": (lambda x, y: np.cov(x, y, aweights=[0.5, 2.0, 0.1, 3.0], fweights=[1, 2, 1, 3]), [X, V]),
    "cov bias": (lambda x: np.cov(x, bias=True, aweights=[0.5, 2.0, 0.1, 3.0]), [X]),
    "sum initial": (lambda x: np.sum(x, 0, initial=3.0), [X]),
    "prod initial": (lambda x: np.prod(x, 1, initial=3.0), [X]),
    "add.reduce initial": (lambda x: np.add.reduce(x, initial=3.0), [X]),
    "multiply.reduce initial": (lambda x: np.multiply.reduce(x, 1, initial=3.0), [X]),
    "max initial": (lambda x: np.max(x, 1, initial=1.75), [X]),
    "sum dtype": (lambda x: np.sum(x, 0, dtype=complex).real, [X]),
    "cumsum dtype": (lambda x: np.cumsum(x, 0, dtype=complex).real, [X]),
    "cumprod dtype": (lambda x: np.cumprod(x, 1, dtype=complex).real, [X]),
    "trace dtype": (lambda x: np.trace(x, 1, dtype=complex).real, [X]),
    "i0": (np.i0, [X]),
    "pad ramp": (lambda x: np.pad(x, ((2, 1), (0, 3)), "linear_ramp", end_values=((1.0, 2.0), (3.0, 4.0))), [X]),
    "pad mean": (lambda x: np.pad(x, 2, "mean", stat_length=((1, 2), (3, 2))), [X]),
    "pad median": (lambda x: np.pad(x, (1, 2), "median"), [X]),
    "pad maximum": (lambda x: np.pad(x, 1, "maximum", stat_length=2), [X]),
    "pad minimum": (lambda x: np.pad(x, {-1: (1, 2)}, "minimum"), [X]),
    "pad reflect, odd": (lambda x: np.pad(x, ((7, 4), (1, 9)), "reflect", reflect_type="odd"), [X]),
    "pad symmetric, odd": (lambda x: np.pad(x, ((7, 4), (0, 9)), "symmetric", reflect_type="odd"), [X]),
    "pad one, odd": (lambda x: np.pad(x[:1, :1], 2, "reflect", reflect_type="odd"), [X]),
    "quantile weights": (lambda x: np.quantile(x, [0.3, 0.8], weights=W, method="inverted_cdf"), [X]),
    "quantile weights of an axis": (
        lambda x: np.quantile(x, 0.6, axis=1, weights=W[0], method="inverted_cdf", keepdims=True),
        [X],
    ),
    "percentile weights": (lambda x: np.percentile(x, 40, axis=0, weights=W, method="inverted_cdf"), [X]),
    "nanquantile weights": (lambda x: np.nanquantile(x, 0.4, weights=W, method="inverted_cdf"), [X]),
    "nansum initial": (lambda x: np.nansum(x, 0, initial=3.0, where=MASK), [X]),
    "nanprod initial": (lambda x: np.nanprod(x, 1, initial=3.0, where=MASK), [X]),
    "nanmax where": (lambda x: np.nanmax(x, 0, where=MASK, initial=-9.0), [X]),
    "nanmin initial": (lambda x: np.nanmin(x, 1, initial=-1.75), [X]),
    "nanmean where": (lambda x: np.nanmean(x, 1, where=MASK, keepdims=True), [X]),
    "nanvar correction": (lambda x: np.nanvar(x, 0, correction=1, where=MASK), [X]),
    "nanstd ddof": (lambda x: np.nanstd(x, ddof=2, where=MASK), [X]),
    "nansum dtype": (lambda x: np.nansum(x, 0, dtype=complex).real, [X]),
    "nancumsum dtype": (lambda x: np.nancumsum(x, 0, dtype=complex).real, [X]),
    "polyval at a number": (lambda p: np.polyval(p, 2.0), [V]),
}


@pytest.mark.parametrize("case", CASES)
def test_an_argument_means_what_it_means_to_numpy(case):
    f, arrays = CASES[case]
    rng = np.random.default_rng(0)
    recorded = f(*map(Tensor, arrays))
    np.testing.assert_allclose(recorded.value, f(*arrays), rtol=1e-15, atol=1e-15)
    y, pullback = vjp(f, *arrays)
    c, v = rng.normal(size=np.shape(y)), [rng.normal(size=a.shape) for a in arrays]
    along = sum(np.sum(g * d) for g, d in zip(pullback(c), v, strict=True))
    np.testing.assert_allclose(along, np.sum(c * op_checking.central(f, arrays, v)), rtol=1e-7)
    for k, x in enumerate(arrays):  # one live array beside plain ones

        def alone(x, k=k):
            return f(*[x if i == k else a for i, a in enumerate(arrays)])

        np.testing.assert_allclose(vjp(alone, x)[1](c)[0], pullback(c)[k], rtol=1e-12)


REFUSED = {
    "piecewise": (lambda t: np.piecewise(t, [t > 0], [1.0, 2.0]), "np.where or np.select"),
    "apply_along_axis": (lambda t: np.apply_along_axis(np.sum, 0, t), r"np\.stack"),
    "roots": (lambda t: np.roots(t[0]), "companion"),
    "polyfit": (lambda t: np.polyfit(V, t[0], 1), r"np\.linalg\.lstsq"),
    "poly": (lambda t: np.poly(t[0]), r"np\.polymul"),
    "copyto": (lambda t: np.copyto(np.zeros(X.shape), t), r"np\.where"),
    "put_along_axis": (lambda t: np.put_along_axis(t, np.array([[0]]), 1.0, 0), "scatter_along_axis"),
    "add.reduceat": (lambda t: np.add.reduceat(t, [0, 1]), "segment_sum"),
    "add.at": (lambda t: np.add.at(np.zeros(X.shape), 0, t), "scatter_add"),
    "full": (lambda t: np.full((2, 3), t[0, 0]), r"np\.broadcast_to\(t, shape\)"),
    "trim_zeros": (lambda t: np.trim_zeros(t[0]), r"t\[first:last\]"),
    "logaddexp.reduce": (lambda t: np.logaddexp.reduce(t), "logsumexp"),
    "pad mode": (lambda t: np.pad(t, 1, mode="empty"), "has the modes .* as np.concatenate of its parts"),
    "pad argument": (lambda t: np.pad(t, 1, mode="mean", end_values=1.0), r"'mean' \(with stat_length\)"),
    "pad function": (lambda t: np.pad(t, 1, mode=lambda *_: None), "got mode=a function"),
    "quantile of a Tensor": (lambda t: np.quantile(V, t[0, 0] / 4), "argument 'q'|attribute 'q'"),
    "concatenate dtype": (lambda t: np.concatenate([t, t], dtype=np.float32), r"np\.astype"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_op_says_what_to_write(case):
    call, fix = REFUSED[case]
    with pytest.raises(OpError, match=fix):
        call(Tensor(X))
