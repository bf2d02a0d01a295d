import math

import pytest

from trainer.cli.terminal.curve import draw_curve

TWENTY: dict[str, list[float]] = {
    "epoch": list(range(1, 21)),
    "train_loss": [2.2 * math.exp(-e / 4) + 0.01 for e in range(1, 21)],
    "test_loss": [2.4 * math.exp(-e / 4.4) + 0.03 for e in range(1, 21)],
}


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [36, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int, unicode: bool) -> None:
    lines = draw_curve(TWENTY, width=width, unicode=unicode).splitlines()
    assert lines
    assert max(map(len, lines)) <= width


def test_a_terminal_too_narrow_gets_no_curve() -> None:
    assert draw_curve(TWENTY, width=30) == ""


def test_without_unicode_it_is_plain_ascii_without_colour() -> None:
    text = draw_curve(TWENTY, width=80, unicode=False)
    assert text.isascii()
    assert "\x1b" not in text
    assert "o train   x test" in text


def test_with_unicode_it_is_braille() -> None:
    text = draw_curve(TWENTY, width=80)
    assert any("\u2800" < letter <= "\u28ff" for letter in text)
    assert "\u2800" not in text
    assert "\x1b" not in text


def test_the_legend_has_the_colours_of_the_curves() -> None:
    assert "\x1b[94m━━ train\x1b[0m   \x1b[33m━━ test\x1b[0m" in draw_curve(TWENTY, width=80, colour=True)


def test_the_curve_falls_from_the_first_line_to_the_last() -> None:
    rows = draw_curve(TWENTY, width=60, unicode=False).splitlines()[1:-2]
    columns = [[row[7:].find("x"), row[7:].rfind("x")] for row in rows if "x" in row[7:]]
    assert columns == sorted(columns)


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"epoch": [1], "train_loss": [0.5]},
        {"epoch": [1, 2], "train_loss": [0.5, math.nan]},
        {"epoch": [1, 2], "train_loss": [math.inf, math.nan]},
    ],
)
def test_fewer_than_two_finite_losses_are_no_curve(metrics: dict[str, list[float]]) -> None:
    assert draw_curve(metrics, width=80) == ""


def test_a_gap_in_the_losses_is_bridged_and_a_missing_end_left_out() -> None:
    text = draw_curve({"epoch": [1, 2, 3, 4], "train_loss": [4, math.nan, 2, math.inf]}, width=40, unicode=False)
    widest = max(row.rfind("o") for row in text.splitlines()[1:])
    assert 20 < widest < 32
