from types import SimpleNamespace

import numpy as np  # noqa: F401  loads the BLAS library
import pytest
from threadpoolctl import threadpool_info

from trainer.errors import UsageError
from trainer.nn import Dense, Network, Residual
from trainer.training import threads
from trainer.training.threads import pinned, threads_for


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_is_pinned_inside_and_restored_outside_also_after_an_error() -> None:
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), pinned(1) as used:  # noqa: PT012  what it does before is the test
        assert used.threads == 1
        assert used.pinned == bool(before)
        assert blas_threads() == [1] * len(before)
        raise ZeroDivisionError
    assert blas_threads() == before


def test_auto_is_one_thread_and_says_so() -> None:
    with pinned("auto") as used:
        assert used.threads == 1
        assert all(library["num_threads"] == 1 for library in used.libraries)


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "many"])
def test_anything_but_auto_or_a_whole_number_is_refused(number: object) -> None:
    with pytest.raises(UsageError) as caught, pinned(number):
        pass
    assert str(caught.value) == f'threads must be "auto" or a whole number of at least 1, not {number!r}'


@pytest.mark.parametrize(
    ("layers", "shape", "rows", "wanted"),
    [
        ([Dense(256)], (64,), 32, 1),  # half a million multiply-adds
        ([Dense(256)], (784,), 128, 6),
        ([Dense(1024), Dense(10)], (1024,), 256, 64),
        ([Residual((Dense(512),))], (512,), 64, 4),
    ],
)
def test_threads_go_by_the_largest_product_and_the_processors(layers, shape, rows, wanted, monkeypatch) -> None:
    training = SimpleNamespace(network=Network(layers, shape), batch_size=rows)
    monkeypatch.setattr(threads, "processors", lambda: 64)
    assert threads_for(training) == wanted
    monkeypatch.setattr(threads, "processors", lambda: 2)
    assert threads_for(training) == min(wanted, 2)
