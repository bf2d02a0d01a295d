"""Whose fault it is: an exception that a plugin's code raised, in a line that names the component, its file and line.

A person who writes a callback sees where it failed, and not the sixty lines of frames that led there; `--debug` shows
them, and in Python they are the cause.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

from trainer.errors import OpError, PluginError, TrainerError
from trainer.plugins.manager import Plugins
from trainer.plugins.registry import KINDS, Component, noun
from trainer.wording import described, source_of

__all__ = ["at_fault", "naming_plugins"]


@contextmanager
def naming_plugins(plugins: Plugins) -> Iterator[None]:
    """Inside, what the code of a stranger's component raises is a PluginError that names it.

    Errors that are meant for a person pass; those of the engine about a component's own code are named as well.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, TrainerError) and not isinstance(error, OpError):
            raise
        component = at_fault(error, plugins)
        if component is None:
            raise
        file = source_of(component.target)
        if isinstance(error, OpError):
            line = described(error, file).rpartition(" (")[2]
            if Path(file or "").name in str(error):
                raise
            raise type(error)(f"{_called(component)}: {error} ({line}") from error
        raise PluginError(f"{_called(component)}: {described(error, file)}") from error


def at_fault(error: BaseException, plugins: Plugins) -> Component | None:
    """The stranger's component whose code is the innermost of those that an exception came through, or None."""
    passed = {id(frame.f_code) for frame, _ in traceback.walk_tb(error.__traceback__)}
    of_code = {
        id(code): component
        for kind in KINDS
        for component in plugins.all(kind).values()
        if not component.ours
        for code in _codes(component.target)
        if id(code) in passed
    }
    for frame, _ in reversed([*traceback.walk_tb(error.__traceback__)]):
        if id(frame.f_code) in of_code:
            return of_code[id(frame.f_code)]
    return None


def _called(component: Component) -> str:
    return f"{noun(component.kind)} '{component.name}' of {component.origin}"


def _codes(target: Any) -> Iterator[CodeType]:
    """The code of a function, of an op's forward function, or of a class's methods."""
    if inspect.isclass(target):
        for one in target.__mro__:
            for value in vars(one).values():
                yield from _codes(getattr(value, "__func__", getattr(value, "fget", value)))
        return
    function = inspect.unwrap(getattr(target, "forward", getattr(target, "func", target)))
    code = getattr(function, "__code__", None)
    if code is not None:
        yield code
