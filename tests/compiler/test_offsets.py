"""Offsets in one memory: no two values that are alive at once overlap, whatever their sizes and times."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.compiler.offsets import LITTLE, SMALL, SOON, TOO_MUCH, Stay, end_of, lines, most_at_once, offsets, placed
from trainer.engine.memory import ALIGNMENT

LONG = 3 * max(SOON)
randomly = settings(max_examples=150, deadline=None, database=None, derandomize=True)


@st.composite
def stays(draw):
    """Some stays, many of which are alike in size."""
    sizes = draw(st.lists(st.integers(0, 3 * SMALL).map(lines), min_size=1, max_size=5))
    found = []
    for _ in range(draw(st.integers(0, 30))):
        first = draw(st.integers(0, LONG))
        row = draw(st.sampled_from([0, 4, 64, 256]))
        found.append(Stay(draw(st.sampled_from(sizes)), first, first + draw(st.integers(0, LONG // 3)), row))
    return found


walls = st.lists(st.integers(1, 4 * SMALL // ALIGNMENT), max_size=3).map(
    lambda lengths: [ALIGNMENT * sum(lengths[: n + 1]) for n in range(len(lengths))]
)


def apart(one, at, other, there):
    return at + one.nbytes <= there or there + other.nbytes <= at


@randomly
@given(stays(), walls, st.sampled_from(SOON), st.booleans())
def test_no_two_that_are_there_at_once_overlap(found, walls, soon, longest_first):
    places = placed(found, walls, soon, longest_first)
    assert all(at >= 0 and at % ALIGNMENT == 0 for at in places)
    for (one, at), (other, there) in combinations(zip(found, places, strict=True), 2):
        if one.first <= other.last and other.first <= one.last:
            assert apart(one, at, other, there)


@randomly
@given(stays(), walls, st.sampled_from(SOON))
def test_nothing_lies_across_a_wall(found, walls, soon):
    for stay, at in zip(found, placed(found, walls, soon), strict=True):
        assert not any(at < wall < at + stay.nbytes for wall in walls)


@randomly
@given(stays(), st.sampled_from(SOON))
def test_a_small_one_comes_soon_to_the_place_of_another_only_where_rows_begin_as_they_did(found, soon):
    by_time = sorted(zip(found, placed(found, (), soon), strict=True), key=lambda each: each[0].first)
    for (one, at), (other, there) in combinations(by_time, 2):
        if other.nbytes <= SMALL and other.first - one.last < soon:
            alike = (one.nbytes, one.row, at) == (other.nbytes, other.row, there)
            assert alike or apart(one, at, other, there)


@randomly
@given(stays())
def test_the_most_that_is_there_at_once_is_the_least_memory(found):
    most = max((sum(s.nbytes for s in found if s.first <= now <= s.last) for now in range(2 * LONG)), default=0)
    assert most_at_once(found) == most <= end_of(found, offsets(found))


@randomly
@given(stays(), st.sampled_from([1, 50]))
def test_the_first_plan_that_does_not_take_too_much_is_taken_or_the_smallest(found, times):
    found = [stay._replace(nbytes=times * stay.nbytes) for stay in found]
    most = max(LITTLE, TOO_MUCH * most_at_once(found))
    plans = [placed(found, (), soon, longest_first) for soon in SOON for longest_first in (False, True)]
    ends = [end_of(found, plan) for plan in plans]
    good = [plan for plan, end in zip(plans, ends, strict=True) if end <= most]
    assert offsets(found) in good[:1] or (not good and end_of(found, offsets(found)) == min(ends))
