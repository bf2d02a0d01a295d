"""When iterations are divided among threads, told by what each would take: no clock is read here."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.compiler.executors import native_available

pytestmark = pytest.mark.skipif(not native_available(), reason="no machine")

if native_available():
    from trainer.compiler.machine import _machine as m

STEP, SECONDS = 4e-3, 20.0
COUNT = round(SECONDS / STEP)
WHOLE = np.full(COUNT, STEP)


def since(seconds: float) -> np.ndarray:
    """Which iterations begin later."""
    return np.arange(COUNT) * STEP > seconds


def judged(whole: np.ndarray, pieces: np.ndarray) -> tuple[np.ndarray, float]:
    """Which iterations are divided, and how many times as long they take as they all would whole."""
    divided = np.array(m.divided(whole.tolist(), pieces.tolist()))
    return divided, float(np.where(divided, pieces, whole).sum() / whole.sum())


def test_what_gains_is_divided():
    divided, taken = judged(WHOLE, 0.55 * WHOLE)
    assert divided.mean() > 0.98
    assert taken < 0.56


@pytest.mark.parametrize(("times", "most"), [(0.95, 0.04), (1.0, 0.02), (1.3, 0.01), (3.0, 0.005)])
def test_what_does_not_gain_costs_next_to_nothing(times, most):
    """The less is lost, the longer it is borne: then only a processor's time is."""
    two_minutes = np.tile(WHOLE, 6)  # the first of which have pauses that are short yet
    divided, taken = judged(two_minutes, times * two_minutes)
    assert divided.mean() < most
    assert taken < 1.01


@pytest.mark.parametrize("step", [5e-4, 4e-3, 27e-3])
@pytest.mark.parametrize("times", [1.2, 2.5])
def test_who_is_at_work_now_and_then_is_no_loss(times, step):
    draw = np.random.default_rng(0)
    changes = np.cumsum(draw.uniform(0.02, 0.2, 1000))
    whole = np.full(round(SECONDS / step), step)
    busy = np.searchsorted(changes, np.arange(len(whole)) * step) % 2 == 1
    _, taken = judged(whole, np.where(busy, times, 0.55) * whole)
    assert taken < 1.03


def test_threads_have_time_to_get_processors_of_their_own():
    """A system may let two threads share one until both have been at work for a while: here 50 ms, again and again."""
    divided, _ = judged(WHOLE, np.where(np.arange(COUNT) * STEP % 1 < 0.05, 1.0, 0.55) * WHOLE)
    assert divided.mean() > 0.98


def test_a_hiccup_is_forgotten_soon():
    pieces = 0.55 * WHOLE
    hiccup = COUNT // 2 + 100
    pieces[hiccup : hiccup + 3] = 5 * STEP
    divided, _ = judged(WHOLE, pieces)
    assert not divided[hiccup + 3]
    assert divided[since(hiccup * STEP + 0.1)].mean() > 0.99


def test_a_disturbed_beginning_is_not_believed_for_long():
    divided, _ = judged(WHOLE, np.where(since(2), 0.55, 1.5) * WHOLE)
    assert divided[since(4)].mean() > 0.98


def test_what_an_iteration_takes_whole_is_learnt_again():
    """Where everything takes three times as long from now on, dividing gains as before; long before the next trials."""
    slower = np.where(since(13), 3, 1)
    divided, _ = judged(slower * WHOLE, 0.6 * slower * WHOLE)
    assert divided[since(17)].mean() > 0.95


def test_seconds_are_numbers():
    with pytest.raises(TypeError):
        m.divided(["a"], [1.0])  # type: ignore[list-item]  # which is what it refuses
