import math
import random

import pytest

from trainer.runs.scale import scale_for


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        ([1.0, 0.1], False),
        ([1.0, 0.01], True),
        ([1.0, 0.0], False),
        ([1.0, -0.001], False),
        ([1.0, 0.01, math.nan, math.inf], True),
        ([], False),
    ],
)
def test_the_axis_is_logarithmic_where_positive_values_span_decades(values: list[float], logarithmic: bool) -> None:
    assert scale_for(values).logarithmic is logarithmic


def test_any_values_get_a_few_increasing_ticks_inside_an_axis_that_holds_them() -> None:
    draw = random.Random(0)  # noqa: S311  no secrets here
    for _ in range(2000):
        low = draw.choice([-1, 1, 1, 1]) * 10 ** draw.uniform(-12, 12)
        values = [low * 10 ** draw.uniform(0, draw.choice([0.001, 0.5, 2, 10, 30])) for _ in range(draw.randint(1, 5))]
        scale = scale_for(values)
        assert scale.low < min(values) or scale.low <= min(values) == 0
        assert max(values) < scale.high
        assert 1 <= len(scale.ticks) <= 8, (values, scale)
        assert list(scale.ticks) == sorted(set(scale.ticks))
        assert scale.low <= scale.ticks[0] <= scale.ticks[-1] <= scale.high
        assert all(0 <= scale.position(value) <= 1 for value in values)
        assert len({scale.label(tick) for tick in scale.ticks}) == len(scale.ticks), (values, scale)


def test_a_loss_near_zero_is_read_against_zero_and_one_far_from_it_is_not() -> None:
    assert scale_for([1.0, 0.2]).low == 0
    assert scale_for([100.0, 99.0]).low > 90


def test_one_value_lies_in_the_middle() -> None:
    assert scale_for([100.0]).position(100.0) == pytest.approx(0.5, abs=0.2)
    assert scale_for([0.0]).position(0.0) == pytest.approx(0.5, abs=0.2)
