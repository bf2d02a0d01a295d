"""Dates as columns of numbers: year, month, day, day of the week, and the hour where there is a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from trainer.types import Array
from trainer.wording import either, in_yaml

__all__ = ["Dates", "formats", "in_form", "is_date", "moment", "numbers_of", "parts_of"]

DAY = ("year", "month", "day", "weekday")
ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?")
COUNTED = re.compile(r"-?(\d{9,10}|\d{13}|\d{16}|\d{19})(\.\d*)?")  # seconds, or thousandths of them, since 1970
# What a message offers where a column is written in none but one of these.
OTHERS = (
    "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y",
    "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
TIMES = ("", " %H:%M", " %H:%M:%S")
MOST = 200  # cells that are tried in every format


class Dates(NamedTuple):
    """How a column of dates is read.

    format: as `datetime.strptime` has it; empty for ISO 8601.
    parts: what it becomes, a column of each.
    """

    format: str
    parts: tuple[str, ...]

    @classmethod
    def of_plain(cls, plain: Sequence[Any]) -> Dates:
        """From JSON."""
        return cls(str(plain[0]), tuple(plain[1]))


def moment(text: str, form: str = "") -> datetime | None:
    """The time that a text names, as it is written there, whatever its zone; None where it names none.

    >>> moment("2022-07-02"), moment("02.07.2022 13:30", "%d.%m.%Y %H:%M"), moment("2022-13-01")
    (datetime.datetime(2022, 7, 2, 0, 0), datetime.datetime(2022, 7, 2, 13, 30), None)
    """
    try:
        found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=None)


def is_date(text: str) -> bool:
    """Whether a text is a date of ISO 8601.

    >>> is_date("2022-07-02"), is_date("2022-07-02 13:30"), is_date("2022-7"), is_date("20220702")
    (True, True, False, False)
    """
    return ISO.fullmatch(text) is not None and moment(text) is not None


def formats(cells: Sequence[str]) -> list[str]:
    """The formats that all of these cells could be dates in; the empty one is ISO 8601. None of them: no dates.

    >>> formats(["02.07.2022"]), formats(["01/02/2022"]), formats(["12"])
    (['%d.%m.%Y'], ['%d/%m/%Y', '%m/%d/%Y'], [])
    """
    some = list(dict.fromkeys(cells))[:MOST]
    if not some or not all(any(character.isdigit() for character in cell) for cell in some):
        return []
    if all(map(is_date, some)):
        return [""]
    forms = (day + time for time in TIMES for day in OTHERS)
    return [form for form in forms if all(moment(cell, form) is not None for cell in some)]


def in_form(name: str | int, cells: Sequence[str]) -> str:
    """What to say of a column of dates whose different cells are not all of ISO 8601.

    >>> in_form("sold", ["02.07.2022"])
    "; say dates: {sold: '%d.%m.%Y'}"
    """
    if cells and all(map(COUNTED.fullmatch, cells)):
        return (
            "; if it counts from 1970 on, write dates in its place, as pandas.to_datetime makes them, or leave it out "
            "of dates: it is a number then"
        )
    named = in_yaml(name)
    ways = [f"dates: {{{named}: {form!r}}}" for form in formats(cells)[:3] if form]
    return f"; say {either(ways)}" if ways else f"; say in which format it is, as in dates: {{{named}: '%d.%m.%Y'}}"


def parts_of(times: Sequence[datetime | None]) -> tuple[str, ...]:
    """What a column of these times becomes."""
    timed = any(t is not None and (t.hour or t.minute or t.second or t.microsecond) for t in times)
    return (*DAY, "hour") if timed else DAY


def numbers_of(times: Sequence[datetime | None], parts: Sequence[str]) -> Array:
    """The parts of each time, float64 (n, parts): Monday is 0, 13:30 the hour 13.5. NaN where there is no time."""
    made: Mapping[str, Any] = {
        "year": lambda t: t.year,
        "month": lambda t: t.month,
        "day": lambda t: t.day,
        "weekday": lambda t: t.weekday(),
        "hour": lambda t: t.hour + t.minute / 60 + (t.second + t.microsecond / 1e6) / 3600,
    }
    gap = [np.nan] * len(parts)
    rows = [gap if t is None else [made[part](t) for part in parts] for t in times]
    return np.array(rows, dtype=np.float64).reshape(len(times), len(parts))
