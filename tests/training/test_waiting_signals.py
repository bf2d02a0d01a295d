"""Signals that wait until something is whole."""

import signal
import sys
import threading

import pytest

from trainer.engine.signals import INTERRUPTING, undivided

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="raises signals")


@pytest.fixture(autouse=True)
def interrupts():
    """Ctrl-C is KeyboardInterrupt, though whoever started the tests may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_waits_and_a_second_ctrl_c_does_not():
    before = {each: signal.getsignal(each) for each in INTERRUPTING}
    reached = []

    def work():
        with undivided():
            signal.raise_signal(signal.SIGINT)
            reached.append(1)
            signal.raise_signal(signal.SIGINT)
            reached.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [1]
    assert {each: signal.getsignal(each) for each in INTERRUPTING} == before


def test_who_is_asked_to_end_again_and_again_is_asked_once():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with undivided():
            for _ in range(3):
                signal.raise_signal(signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_has_waited_is_answered_where_it_is_asked_for():
    with undivided() as answer:
        answer()  # nothing came
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            answer()
        answer()


def test_nothing_waits_while_nothing_is_busy():
    busy = False
    with undivided(lambda: busy) as answer:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        busy = True
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            answer()


def test_a_block_within_a_block_leaves_its_signals_to_the_outer_one():
    whole = []

    def work():
        with undivided():
            with undivided():
                signal.raise_signal(signal.SIGINT)
            whole.append("outer")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert whole == ["outer"]


def test_what_is_ignored_stays_so_and_own_handlers_are_called():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with undivided():
            signal.raise_signal(signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with undivided():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_a_handler_puts_in_its_place_stays():
    def end(number, frame):
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit

    def work():
        with undivided() as answer:
            signal.raise_signal(signal.SIGTERM)
            answer()

    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(SystemExit):
            work()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_have_no_signals_to_wait_for():
    done = []

    def work():
        with undivided() as answer:
            answer()
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
