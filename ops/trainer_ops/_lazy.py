"""Functions of a module that is imported when one of them is first called.

Importing scipy.special costs more than importing NumPy, and most runs need nothing of it. So an op over one of its
functions is declared by name. The first call imports the module and puts the function itself in the op's place.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from trainer import Op, op

__all__ = ["Deferred", "Lazy", "deferred"]


class Lazy:
    """A module, imported when an attribute of it is first asked for.

    >>> special = Lazy("scipy.special")
    >>> float(special.gamma(5.0))
    24.0
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying, pickling and doctest ask for what no module has
            raise AttributeError(name)
        value = self.__dict__[name] = getattr(import_module(self._module), name)  # the next look-up is a dict's
        return value

    def __repr__(self) -> str:
        return f"Lazy({self._module!r})"


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


def deferred(module: str, name: str, inputs: str, doc: str) -> Op:
    """The element-wise op of a ufunc of another package, declared without importing it.

    Args:
        inputs: the names of its arrays, separated by blanks.
        doc: what it computes; the docstring adds whose function it is.

    >>> tgamma = deferred("scipy.special", "gamma", "x", "Γ(x)")
    Traceback (most recent call last):
    ...
    trainer.errors.RuleError: scipy.special.gamma already has rules
    """
    dotted = f"{module}.{name}"
    forward = Deferred(module, name, f"{doc}, as `{dotted}`.")
    forward.op = op(forward, inputs=tuple(inputs.split()), implements=dotted, elementwise=True)
    forward.op.module = "trainer_ops.special"
    return forward.op
