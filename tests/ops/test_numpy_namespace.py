"""All of NumPy's public functions, met by a Tensor: each is recorded, looks at shapes alone, or refuses with the fix.

There is no third state: no call gives a plain array that has silently dropped off the tape.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from trainer import Tensor
from trainer.engine.dispatch import STRUCTURAL, TABLE
from trainer.errors import TrainerError
from trainer.plugins import shared

shared().names("ops")  # everything that is installed has claimed its functions


PAGE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_numpy_page.py"))
PUBLIC = {
    name: function for name, function in PAGE["public_functions"]() if not name.endswith((".reduce", ".accumulate"))
}


def attempts(function, t):
    """Ways to call a function that could take one, two or three arrays."""
    yield (t,)
    yield (t, t)
    yield ([t, t],)
    yield (t, 1)
    yield (t, (1, 2))
    yield (t, t, t)
    if function is np.put_along_axis:
        yield (t, t, t, 0)
    if function is np.einsum:
        yield ("i,i", t, t)
    if function in (np.apply_along_axis, np.apply_over_axes):
        yield (lambda a, *axis: a, 0, t)
    if function is np.piecewise:
        yield (t, [t > 0], [1.0, 2.0])


def holds_tensor(value):
    if isinstance(value, Tensor):
        return True
    return isinstance(value, list | tuple) and any(map(holds_tensor, value))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, function in PUBLIC.items() if function not in STRUCTURAL])
def test_no_third_state(name):
    function = PUBLIC[name]
    outcomes = []
    for array in (np.array([0.25, 0.5]), np.array([[2.0, 0.5], [0.5, 1.0]])):
        for arguments in attempts(function, Tensor(array)):
            try:
                with np.errstate(all="ignore"):
                    result = function(*arguments)
            except TrainerError:
                outcomes.append("refused")
            except (TypeError, ValueError, IndexError, AttributeError, np.linalg.LinAlgError, NotImplementedError):
                outcomes.append("not a call")
            else:
                outcomes.append("recorded" if holds_tensor(result) else f"gave {type(result).__name__}")
    assert {"refused", "recorded"} & set(outcomes), outcomes
    silent = {o for o in outcomes if o.startswith("gave")}
    assert not silent, f"{function.__name__}: {silent}"


def test_unsupported_functions_say_how_to_register_a_rule():
    with pytest.raises(TrainerError, match=r"np\.union1d has no rule, so its result would drop off the tape"):
        np.union1d(Tensor(np.ones(2)), np.ones(2))


def test_what_is_structural_is_not_also_an_op():
    assert not STRUCTURAL & set(TABLE)
