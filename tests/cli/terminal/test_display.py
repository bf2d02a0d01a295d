import io
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from trainer.cli.terminal.abilities import is_terminal, is_unicode, may_colour
from trainer.cli.terminal.display import BarDisplay, LineDisplay
from trainer.training import Epoch, Step

COLUMNS = ["epoch", "train", "loss", "train", "accuracy", "test", "loss", "test", "accuracy", "rows/s"]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def training(epochs: int, rows: int = 64) -> Any:
    """What a display reads of a Training."""
    now = SimpleNamespace(epoch=0, batches=0)
    data = SimpleNamespace(train=range(rows), target_scaling=None)
    return SimpleNamespace(epochs=epochs, batch_size=32, now=now, data=data)


def epoch(number: int, test: bool = True) -> Epoch:
    values = {"loss": 1 / number, "accuracy": 1 - 0.5 / number}
    return Epoch(number, 10 * number, 0.1, values, values if test else {}, 0.25 * number, 40_000.0)


@pytest.mark.parametrize("epochs", [1, 2, 19, 20, 21, 39, 1000, 1009])
def test_any_number_of_epochs_prints_about_twenty_lines_the_first_and_the_last_among_them(epochs: int) -> None:
    lines: list[str] = []
    display = LineDisplay(lines.append)
    display.began(training(epochs), None)
    for number in range(1, epochs + 1):
        display.epoch(epoch(number))
    display.ended()
    assert len(lines) <= 23
    assert lines[0].split() == [*COLUMNS, "left"]
    assert lines[1].split()[0] == f"1/{epochs}"
    assert lines[-1].split()[0] == f"{epochs}/{epochs}"
    assert len({len(line) for line in lines}) == 1


def test_a_line_says_what_came_out_and_how_long_it_will_take() -> None:
    lines: list[str] = []
    display = LineDisplay(lines.append)
    display.began(training(9), None)
    display.epoch(epoch(1))
    assert lines[1].split() == ["1/9", "1.000", "0.5000", "1.000", "0.5000", "40,000", "2.0", "s"]


def test_without_test_rows_there_are_no_test_columns() -> None:
    lines: list[str] = []
    display = LineDisplay(lines.append)
    display.began(training(9), None)
    display.epoch(epoch(1, test=False))
    assert "test" not in lines[0]


def bar(width: int, monkeypatch: pytest.MonkeyPatch, epochs: int = 3) -> str:
    import rich.console

    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        rich.console, "Console", lambda **options: Console(file=stream, width=width, force_terminal=True, **options)
    )
    clock = count(0.0, 0.5)
    monkeypatch.setattr("trainer.cli.terminal.display.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    display = BarDisplay()
    display.began(training(epochs), None)
    for number in range(1, epochs + 1):
        display.step(Step(2 * number - 1, number, 32, 0.75))
        display.step(Step(2 * number, number, 32, 0.5))
        display.epoch(epoch(number))
    display.ended()
    return stream.getvalue()


def test_the_bar_shows_rate_loss_accuracy_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    text = bar(100, monkeypatch)
    for word in ("epoch 1/3", "epoch 3/3", "loss 0.7500", "test accuracy 0.8333", "rows/s", " left", "in 4 s"):
        assert word in text


def test_the_bar_on_a_narrow_terminal_shows_the_accuracy_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    text = bar(50, monkeypatch)
    assert "test accuracy 0.8333" in text
    assert "rows/s  test" not in text


def test_a_step_that_is_not_shown_costs_a_look_at_the_clock(
    monkeypatch: pytest.MonkeyPatch, calls: Callable[[Callable[[], object]], int]
) -> None:
    monkeypatch.setattr("trainer.cli.terminal.display._EVERY", 3600)
    display = BarDisplay()
    display.began(training(10, rows=1_000_000), None)
    record = Step(1, 1, 1, 0.5)
    assert calls(lambda: display.step(record)) > 20  # drawn
    assert calls(lambda: display.step(record)) <= 5


def test_a_dumb_terminal_a_pipe_and_no_color_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert (is_terminal(Terminal()), may_colour(Terminal()), is_unicode(Terminal())) == (True, True, True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert (is_terminal(Terminal()), may_colour(Terminal())) == (True, False)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert (is_terminal(Terminal()), may_colour(Terminal()), is_unicode(Terminal())) == (False, False, False)
    monkeypatch.setenv("TERM", "xterm")
    assert not is_terminal(io.StringIO())
