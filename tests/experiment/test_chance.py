"""A number that chose the epoch is no estimate: labels by chance are learnt by chance where other rows choose."""

from __future__ import annotations

import runpy
from pathlib import Path

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "chance.py"), run_name="chance")


def test_what_is_reported_of_random_labels_is_chance_where_other_rows_choose():
    mean, chance, error = TOOL["against_chance"](range(10))
    assert abs(mean - chance) < 2 * error
    chosen, _, error = TOOL["against_chance"](range(10), None)
    assert chosen - chance > 2 * error
