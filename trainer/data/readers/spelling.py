"""How cells of text spell numbers, and which of them say that a value is missing.

What people write is not what Python reads: 1.234,5 and 1,234.5, 12 %, $5. Which of them is meant cannot be told from a
cell, so nothing but plain numbers is read unless somebody says it, and a message names every reading that fits.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import product
from typing import Any, Self

import numpy as np

from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import cut, either, in_yaml

__all__ = [
    "ANY_CASE",
    "MENDING",
    "MISSING_MARKS",
    "Spelling",
    "is_sign_of_nothing",
    "mostly_different",
    "readings",
    "shown",
]

MENDING = (
    "fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or "
    "[simple_imputer, standard_scaler] in place of standardize"
)

# pandas' list, and "?", which collections of data sets write; those of the first line in any case.
ANY_CASE = ("", "?", "na", "n/a", "nan", "null")
EXACT = ("None", "NaT", "<NA>", "#N/A", "#N/A N/A", "#NA", "-nan", "-NaN", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")
MISSING_MARKS = (*ANY_CASE, *EXACT)

SPACES = " \u00a0\u202f\u2009"
MARKS = "%‰"  # beside the signs of currencies
SIGNS = ("missing", "unknown", "none", "nil", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!")  # Excel's too
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Spelling:
    """How the numbers of a file are written.

    decimal: the mark before decimals.
    thousands: the mark between groups of digits; none where it is empty. A space stands for every kind of space.
    units: texts beside a number that mean nothing more, as in `units: ["%", "$"]`: 12 % is 12.
    missing_values: the cells that say that a value is missing, in place of the usual ones; numbers match by value.

    Raises DataError for marks that no number could be written with.

    >>> Spelling(decimal=",", thousands=".", units=("€",)).parse("1.234,5 €")
    1234.5
    >>> Spelling().parse("1,234") is None, Spelling(missing_values=("-999",)).is_missing("-999.0")
    (True, True)
    """

    decimal: str = "."
    thousands: str = ""
    units: tuple[str, ...] = ()
    missing_values: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for option, mark in (("decimal", self.decimal), ("thousands", self.thousands)):
            if len(mark) > 1 or mark.isalnum() or mark in ("+", "-", '"') or (option == "decimal" and not mark.strip()):
                raise DataError(f"{option} is one mark, such as ',', not {mark!r}", option)
        if self.decimal == self.thousands:
            raise DataError(f"decimal and thousands are both {self.decimal!r}; a mark is one of the two", "thousands")
        for unit in self.units:
            if not unit.strip() or any(character.isdigit() for character in unit):
                raise DataError(f"units are texts beside numbers, such as '%' or 'kg', not {unit!r}", "units")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """By the options of a reader, as a config has them."""
        given = options.get("missing_values")
        missing = None if given is None else tuple(str(mark).strip() for mark in given)
        units = options.get("units") or ()
        units = (units,) if isinstance(units, str) else tuple(units)
        return cls(options.get("decimal") or ".", options.get("thousands") or "", units, missing)

    @cached_property
    def _marks(self) -> tuple[frozenset[str], frozenset[float]]:
        given = self.missing_values or ()
        numbers = (self.parse(mark) for mark in given)
        return frozenset(given), frozenset(value for value in numbers if value is not None)

    @cached_property
    def _number(self) -> re.Pattern[str]:
        """What is a number, its digits in groups or not."""
        group = f"[{SPACES}]" if self.thousands == " " else re.escape(self.thousands)
        whole = rf"\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+" if self.thousands else r"\d+"
        return re.compile(rf"((?:{whole})?)(?:{re.escape(self.decimal)}(\d*))?([eE][+-]?\d+)?")

    @property
    def marked_numbers(self) -> frozenset[float]:
        """The numbers that say that a value is missing."""
        return self._marks[1]

    def is_missing(self, cell: str) -> bool:
        """Whether a cell says that its value is missing."""
        if self.missing_values is None:
            return cell.lower() in ANY_CASE or cell in EXACT
        texts, numbers = self._marks
        return cell in texts or (bool(numbers) and self.parse(cell) in numbers)

    def parse(self, cell: str) -> float | None:
        """The number that a cell spells, infinite and NaN included, or None.

        Python reads '1_000' as a number; in a data file it is a word.
        """
        text = self.python(cell)
        try:
            return None if text is None or "_" in text else float(text)
        except ValueError:
            return None

    def python(self, cell: str) -> str | None:
        """A cell as Python spells the number, where it is one; None for what this spelling has no number for."""
        if self.decimal == "." and not self.thousands and not self.units:
            return cell
        sign, rest = (cell[0], cell[1:].strip()) if cell[:1] in ("+", "-") else ("", cell)
        rest = self._without_units(rest)
        if not sign and rest[:1] in ("+", "-"):
            sign, rest = rest[0], rest[1:]
        found = self._number.fullmatch(rest)
        if found is None or not (found[1] or found[2]):
            return None
        whole, decimals, exponent = (found[i] or "" for i in (1, 2, 3))
        digits = "".join(character for character in whole if character.isdigit())
        return f"{sign}{digits}.{decimals}{exponent}"

    def _without_units(self, text: str) -> str:
        for unit in self.units:
            if text.startswith(unit):
                text = text[len(unit) :].strip()
            elif text.endswith(unit):
                text = text[: -len(unit)].strip()
        return text

    def numbers(self, cells: Sequence[str]) -> Array | None:
        """What `parse` makes of every cell, many times faster where numbers are plain; None if one is no number."""
        texts: Sequence[str | None] = cells
        if self.decimal != "." or self.thousands or self.units:
            texts = [self.python(cell) for cell in cells]
            if None in texts:
                return None
        try:
            values = None if "_" in "".join(cells) else np.array(list(map(float, texts)))  # type: ignore[arg-type] # none is None
        except ValueError:
            return None
        if values is not None and self._marks[1] and np.isin(values, [*self._marks[1]]).any():
            return None  # some say that they are missing
        return values

    def exactly(self, cell: str) -> object:
        """What two spellings of one number have in common, as exact as they are written; None for what is none.

        >>> Spelling().exactly("1.0") == Spelling().exactly("1"), Spelling().exactly("007"), Spelling().exactly("x")
        (True, None, None)
        """
        text = self.python(cell) or ""
        if re.match(r"[+-]?0\d", text) or not PLAIN.fullmatch(text):
            return None  # digits after a zero make a code
        try:
            return Decimal(text)
        except InvalidOperation:  # an exponent beyond all bounds
            return None


def is_sign_of_nothing(cell: str) -> bool:
    """Whether somebody may have written a cell for a value that there is not.

    >>> is_sign_of_nothing("-"), is_sign_of_nothing("#DIV/0!"), is_sign_of_nothing("12"), is_sign_of_nothing("- -")
    (True, True, False, False)
    """
    word = cell.lower()
    return " " not in cell and (word in SIGNS or not any(character.isalnum() for character in cell))


def readings(cells: Sequence[str], given: Spelling) -> list[tuple[Spelling, str]]:
    """The spellings by which all of these cells are numbers, though they are not as they stand, and how to say each.

    Empty where they are numbers already, or none has a digit or fits.

    >>> [said for _, said in readings(["1,234", "5,678"], Spelling())]
    ["thousands: ','", "decimal: ','"]
    """
    some = [cell for cell in cells if given.parse(cell) is None]
    if not some or not all(any(character.isdigit() for character in cell) for cell in some[:50]):
        return []
    units = _units(some)
    marks = {character for cell in some for character in cell if not character.isalnum()}
    if units is None or any(cell.count("\n") for cell in some):
        return []
    spaces = "".join(dict.fromkeys(space for space in SPACES if space in marks))
    decimals = [",", "."] if "," in marks else ["."]
    found: list[tuple[Spelling, str]] = []
    for thousands, decimal in product(["", ",", ".", "'", "’", *([" "] if spaces else [])], decimals):
        if thousands == decimal or (not thousands and given.thousands == decimal):
            continue  # which would need the other mark taken back
        if thousands not in ("", " ") and thousands not in marks:
            continue
        spelling = Spelling(decimal, thousands, units, given.missing_values)
        if all(spelling.parse(cell) is not None for cell in cells):
            found.append((spelling, _said(spelling, given)))
    fewest = min((said.count(":") for _, said in found), default=0)
    simple = [(spelling, said) for spelling, said in found if said.count(":") == fewest and said]
    return sorted(simple, key=lambda one: one[0].decimal != ".")


def _said(spelling: Spelling, given: Spelling) -> str:
    """The options, as a config has them in braces, where they have to be said or are others than those that were."""
    parts = [f"thousands: {spelling.thousands!r}"] if spelling.thousands else []
    parts += [f"decimal: {spelling.decimal!r}"] if spelling.decimal != "." or given.decimal != "." else []
    parts += [f"units: [{', '.join(map(repr, spelling.units))}]"] if spelling.units else []
    return ", ".join(parts)


def _units(cells: Sequence[str]) -> tuple[str, ...] | None:
    """The signs of currencies and per cent among the cells; None where there is a letter, or another sign."""
    found: dict[str, None] = {}
    for cell in cells:
        for character in cell:
            if character in MARKS or unicodedata.category(character) == "Sc":
                found[character] = None
            elif not (character.isdigit() or character in "+-.,'’" or character in SPACES):
                return None
    return tuple(found)


def why_near(cell: str, found: Sequence[tuple[Spelling, str]]) -> str:
    """What a cell is by each of the spellings that fit, and how to say so."""
    ways = [f"{said} if it is {_value(spelling, cell)}" for spelling, said in found]
    return f"{shown(cell)} is a number as people write it: say {either(ways)}"


def _value(spelling: Spelling, cell: str) -> str:
    value = spelling.parse(cell)
    assert value is not None
    return f"{value:.15g}" if math.isfinite(value) else str(value)


def shown(cell: str) -> str:
    """A cell in a message, cut short."""
    if not cell:
        return "an empty cell"
    return repr(cut(cell, 40))


def why_date(cell: str, name: str | int, forms: Sequence[str]) -> str:
    """That a cell is a date, and what to say for its parts as columns, or to leave it out."""
    named = in_yaml(name)
    ways = [f"dates: [{named}]" if not form else f"dates: {{{named}: {form!r}}}" for form in forms[:3]]
    return (
        f"{shown(cell)} is a date: say {either(ways)} for year, month, day and weekday as columns, or ignore: [{named}]"
    )


def mostly_different(distinct: int, rows: int) -> bool:
    """Whether so many different texts among so many rows are no categories.

    >>> mostly_different(541, 600), mostly_different(30, 600), mostly_different(5, 5)
    (True, False, False)
    """
    return rows >= 20 and distinct >= 0.9 * rows
