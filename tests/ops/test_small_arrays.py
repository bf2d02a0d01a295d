"""Arrays of no axes, of no elements and of one: an op that takes one has a gradient for it, of its shape."""

from __future__ import annotations

import numpy as np
import pytest

import trainer_ops
from trainer import Tensor, vjp
from trainer.errors import TrainerError

OPS = [op for op in (*trainer_ops.ops(), *trainer_ops.COSTS) if op.differentiable and (op.required == 1 or op.variadic)]
SHAPES = ((), (0,), (1,), (0, 3), (3, 0), (1, 1))


@pytest.mark.parametrize("one", OPS, ids=[op.name for op in OPS])
@pytest.mark.filterwarnings("ignore")
def test_what_an_op_computes_of_a_small_array_it_differentiates(one):
    for shape in SHAPES:
        x = np.full(shape, 1.5)
        try:
            one.forward(x)
        except (TrainerError, TypeError, ValueError, IndexError, np.linalg.LinAlgError):
            continue  # there is no such value
        y, pullback = vjp(one, x)
        single = not isinstance(y, tuple | list)
        (g,) = pullback(np.ones_like(y) if single else tuple(map(np.ones_like, y)))
        assert g.shape == shape


REDUCTIONS = """
    sum mean prod max min ptp var std median cumsum cumprod cumulative_sum cumulative_prod
    nansum nanmean nanprod nanmax nanmin nanvar nanstd nanmedian nancumsum nancumprod
""".split()  # noqa: SIM905  a table of names reads better without quotes


@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_array_of_no_axes_is_reduced_over_the_axes_that_numpy_takes(name):
    function = getattr(np, name)
    for axis in (None, 0, -1, ()):
        try:
            want = function(np.array(1.5), axis=axis)
        except (TypeError, ValueError) as error:
            with pytest.raises((TrainerError, type(error))):
                function(Tensor(1.5), axis=axis)
            continue
        y, pullback = vjp(lambda x, axis=axis: function(x, axis=axis), np.array(1.5))
        np.testing.assert_array_equal(y, want)
        (g,) = pullback(np.ones_like(y))
        # A spread of one number is 0 whatever it is.
        assert g == (name not in ("ptp", "var", "std", "nanvar", "nanstd"))
