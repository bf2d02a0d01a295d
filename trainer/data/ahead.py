"""Work that threads do ahead, handed on in order.

It pays where the work lets go of Python's lock, as reading by pyarrow and NumPy's own loops do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order"]

Item = TypeVar("Item")
Made = TypeVar("Made")


def in_order(work: Callable[[Item], Made], items: Iterable[Item], threads: int) -> Generator[Made, None, None]:
    """What `work` makes of each item, in the order of the items, of which some more than `threads` are held at once.

    Raises what `items` or `work` raises, after all that was made before it: with however many threads it is the same
    error. Whoever stops early, by an exception or by `close`, waits for the work that has begun, and leaves no thread.

    >>> list(in_order(abs, [3, -1, -2], threads=2))
    [3, 1, 2]
    """
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        failed = None
        iterator = iter(items)
        while failed is None:
            try:
                waiting.append(pool.submit(work, next(iterator)))
            except StopIteration:
                break
            except Exception as error:
                failed = error
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if failed is not None:
            raise failed
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(items, Generator):
            items.close()
