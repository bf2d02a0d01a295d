import numpy as np

from trainer.engine.memory import LARGE, aligned, forget


def test_a_large_array_holds_zeros_or_what_it_held():
    numbers = np.random.default_rng(0).random(LARGE)
    array = numbers.copy()
    forget(array)
    assert ((array == 0) | (array == numbers)).all()
    array[:] = 3.0
    assert (array == 3.0).all()


def test_what_lies_beside_it_stays():
    block = aligned(3 * LARGE)
    block[:] = 1
    forget(block[LARGE + 5 : 2 * LARGE + 12])
    assert (block[: LARGE + 5] == 1).all()
    assert (block[2 * LARGE + 12 :] == 1).all()


def test_a_small_array_is_left_alone():
    array = np.ones(LARGE // 8 - 1)
    forget(array)
    assert array.all()
