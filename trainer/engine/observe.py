"""Watching what is recorded, at no cost to those who do not.

While a block is open, the class's `Op.record` is one that calls the block's observer after each call; afterwards it is
the plain one again. A context variable tells the blocks of different threads apart.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from trainer.engine.node import recording_all
from trainer.engine.op import Op

__all__ = ["Observer", "observed"]

# Called with the op, its arguments as they were given, its attributes, and the Tensor (or tuple of them) that came out.
Observer = Callable[[Op, Sequence[Any], dict[str, Any], Any], None]

_observers: ContextVar[tuple[Observer, ...]] = ContextVar("observers", default=())
_lock = threading.Lock()
_open = 0
_record = Op.record


@contextmanager
def observed(observer: Observer, *, strict: bool = False) -> Iterator[None]:
    """Call `observer` after every recorded call that this thread (or context) makes inside the block.

    With `strict` the record is to be complete: backward sweeps are recorded even where nobody asked for a higher order,
    and `t.value`, which would freeze a number into the record, is refused.
    """
    global _open
    with _lock:
        _open += 1
        Op.record = _observed_record  # type: ignore[assignment, method-assign]  # see above
    token = _observers.set((*_observers.get(), observer))
    strictly = recording_all.set(strict or recording_all.get())
    try:
        yield
    finally:
        recording_all.reset(strictly)
        _observers.reset(token)
        with _lock:
            _open -= 1
            if not _open:
                Op.record = _record  # type: ignore[method-assign]


def _observed_record(op: Op, args: Sequence[object], attributes: dict[str, object]) -> object:
    result = _record(op, args, attributes)
    frame = sys._getframe(2)  # one further out than `record` looks, since this function stands between
    for output in result if isinstance(result, tuple) else (result,):
        node = output._node
        node.code, node.instruction = frame.f_code, frame.f_lasti
        if isinstance(result, tuple):
            parent = node.parents[0]
            parent.code, parent.instruction = frame.f_code, frame.f_lasti
    for observer in _observers.get():
        observer(op, args, attributes, result)
    return result
