"""Functions of a module that is imported when one of them is first called.

Importing scipy.special costs more than importing NumPy, and most runs need nothing of it. So an op over one of its
functions is declared by name. The first call imports the module and puts the function itself in the op's place.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from trainer import Op

__all__ = ["Deferred", "Lazy", "deferred", "weak"]


class Lazy:
    """A module for rules to call into, imported when an attribute of it is first asked for.

    Its ufuncs treat Python numbers as NumPy's own do, which SciPy's do not: a number takes the precision of the arrays
    beside it, and numbers alone give a number. So float32 stays float32.

    >>> special = Lazy("scipy.special")
    >>> special.hyp2f1(0.5, 0.5, 2.0, np.float32(0.25)).dtype, special.gamma(5.0)
    (dtype('float32'), 24.0)
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying, pickling and doctest ask for what no module has
            raise AttributeError(name)
        function = getattr(import_module(self._module), name)
        value = self.__dict__[name] = weak(function) if isinstance(function, np.ufunc) else function
        return value  # the next look-up is a dict's

    def __repr__(self) -> str:
        return f"Lazy({self._module!r})"


def weak(function: np.ufunc) -> Callable[..., Any]:
    """`function` with Python numbers among its arguments that do not widen its result.

    >>> weak(np.floor)(2.5), weak(np.hypot)(3.0, np.float32(4.0))
    (2.0, np.float32(5.0))
    """

    def call(*args: Any) -> Any:
        dtypes = [a.dtype for a in args if hasattr(a, "dtype")]
        if not dtypes:
            return function(*args).item()
        if len(dtypes) < len(args):
            real = np.finfo(np.result_type(*dtypes, np.float16)).dtype
            args = tuple(np.asarray(a, real) if type(a) is float else a for a in args)
        return function(*args)

    return call


class Deferred:
    """A function that an op can have for its forward before the function's module is imported."""

    def __init__(self, module: str, name: str, doc: str) -> None:
        self.module, self.__name__, self.__doc__ = module, name, doc
        self.op: Op | None = None

    def __call__(self, *args: Any) -> Any:
        function = getattr(import_module(self.module), self.__name__)
        if self.op is not None:
            self.op.forward = function
        return function(*args)

    def __repr__(self) -> str:
        return f"<{self.module}.{self.__name__}, not imported yet>"


def deferred(module: str, family: str) -> Callable[..., Op]:
    """A function that declares element-wise ops over another package's ufuncs without importing it.

    Args:
        module: the package's module, "scipy.special".
        family: the module that declares the ops, its `__name__`.

    Returns:
        `declare(function, inputs, doc, name=None)`: the op of that function; `inputs` are the names of its arrays,
        separated by blanks, and `doc` is what it computes, to which the docstring adds whose function it is.
    """

    def declare(function: str, inputs: str, doc: str, name: str | None = None) -> Op:
        dotted = f"{module}.{function}"
        forward = Deferred(module, function, f"{doc}, as `{dotted}`.")
        forward.op = Op(
            forward,
            name=name or function,
            inputs=tuple(inputs.split()),
            implements=dotted,
            elementwise=True,
            module=family,
        )
        return forward.op

    return declare
