"""Threads work ahead: in order, with the first error there is, and without a trace of them afterwards."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from trainer.data.ahead import in_order


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def take_all(values, take):
    with closing(values):
        for value in values:
            take(value)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_is_made_comes_in_the_order_of_the_items(threads):
    def slow_at_first(item):
        time.sleep(0.002 * (item < 3))
        return item * item

    assert list(in_order(slow_at_first, range(20), threads)) == [i * i for i in range(20)]
    assert list(in_order(slow_at_first, [], threads)) == []


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_an_error_comes_after_all_that_was_made_before_it(threads):
    def items():
        yield from range(6)
        raise OSError("no more items")

    def work(item):
        time.sleep(0.001)
        return 1 / (item - wrong)

    wrong = 4
    made = []
    with pytest.raises(ZeroDivisionError):
        take_all(in_order(work, items(), threads), made.append)
    assert len(made) == 4
    wrong = 99
    made = []
    with pytest.raises(OSError, match="no more items"):
        take_all(in_order(work, items(), threads), made.append)
    assert len(made) == 6


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_taken_than_some_items_ahead(threads):
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    with_gaps = in_order(lambda i: i, items(), threads)
    assert next(with_gaps) == 0
    assert len(taken) <= threads + 1
    with_gaps.close()


def test_who_stops_early_ends_the_items_and_what_is_not_begun():
    ended, begun = [], []

    def items():
        try:
            yield from range(1000)
        finally:
            ended.append(True)

    for value in in_order(lambda i: begun.append(i) or i, items(), 2):
        if value == 3:
            break
    assert ended == [True]
    assert len(begun) < 10


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_one_within_another_ends_with_it(stop):
    inner = in_order(lambda i: i + 1, iter(range(1000)), 2)

    def enough(value):
        if value > 20:
            raise stop

    with pytest.raises(stop):
        take_all(in_order(lambda i: 2 * i, inner, 2), enough)
    assert next(inner, None) is None
