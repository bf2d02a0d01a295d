"""The types that every room speaks of, said once."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

__all__ = ["Array", "ArrayLike", "Shape"]

Shape = tuple[int, ...]
Array = npt.NDArray[Any]  # of any shape and dtype
ArrayLike = Any  # an array, a NumPy scalar or a Tensor: what a forward function or a rule is given
