import pytest

from trainer.cli.terminal.tables import fitted_table, plain_table

HEADER = ["name", "options", "number", "what"]
ROWS = [
    ["short", "-", "1", "A word."],
    ["a_rather_long_name", "first=1.0, second=(1, 2, 3), third='four'", "1,234", "Many words. " * 12],
]


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("width", [60, 80, 120, 400])
def test_a_table_fits_the_terminal_and_keeps_its_first_column(width: int, wrap: bool) -> None:
    lines = fitted_table(HEADER, ROWS, {2}, width, wrap=wrap).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("a_rather_long_name  ") for line in lines)
    assert any("1,234  Many words." in line for line in lines) or "    Many words. Many words." in "\n".join(lines)
    if not wrap:
        assert len(lines) in (3, 6)


def test_where_there_is_room_nothing_is_cut() -> None:
    assert fitted_table(HEADER, ROWS, {2}, 400, wrap=False) == plain_table(HEADER, ROWS, {2})


def test_a_table_without_rows_is_its_header() -> None:
    assert plain_table(HEADER, []) == "name  options  number  what"
    assert fitted_table(HEADER, [], (), 80, wrap=True) == "name  options  number  what"
