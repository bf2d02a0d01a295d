"""What a look at the rows finds that nobody may have meant, and what `validate` shows of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from trainer.data import Dataset, load, prepare
from trainer.data.readers.text_file import windows
from trainer.data.split import Split

ROWS = range(40)


@pytest.fixture
def remarks(tmp_path: Path):
    def remarks(text: str, **options: object) -> tuple[str, ...]:
        path = tmp_path / "d.csv"
        path.write_text(text)
        dataset = load(path, options)
        targets = "values" if dataset.task == "regression" else "classes"
        return prepare(dataset, targets=targets, split=Split(test_fraction=0)).remarks

    return remarks


def rows(header: str, *cells: Callable[[int], object]) -> str:
    """A header and forty rows of what functions of the row's number give."""
    return "\n".join([header, *(",".join(str(cell(i)) for cell in cells) for i in ROWS)])


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("customer_id", lambda i: 90_000 + 7 * i),
        ("Unnamed: 0", lambda i: 3 * i),
        ("OrderID", lambda i: 10**9 + 5 * i),
        ("whatever", lambda i: 100 - i),
        ("No", lambda i: i * i),
    ],
)
def test_an_identity_that_is_learnt_is_named(remarks, header, cell) -> None:
    listing = {"No": '["No"]', "Unnamed: 0": '["Unnamed: 0"]'}.get(header, f"[{header}]")
    said = remarks(rows(f"{header},x,y", cell, lambda i: i / 7, lambda i: i % 3 + 0.5))
    assert said == (
        (
            f"column '{header}' has another whole number in every row, as an identity has, and is learnt like a "
            f"measure; ignore: {listing} leaves it out"
        ),
    )
    hint = yaml.safe_load(said[0].split("; ")[1].removesuffix(" leaves it out"))
    assert remarks(rows(f"{header},x,y", cell, lambda i: i / 7, lambda i: i % 3 + 0.5), **hint) == ()


def test_whole_numbers_that_differ_are_no_identity_where_nothing_says_so(remarks) -> None:
    shuffled = np.random.default_rng(0).choice(10**6, len(ROWS), replace=False)
    assert remarks(rows("inhabitants,x,y", lambda i: shuffled[i], lambda i: i / 7, lambda i: i % 3)) == ()
    assert remarks(rows("width,paid,y", lambda i: i / 8, lambda i: i % 7, lambda i: i % 3)) == ()


def test_a_column_of_one_number_and_categories_of_one_row_are_named(remarks) -> None:
    text = rows("a,b,name,y", lambda i: 5, lambda i: i / 3, lambda i: f"n{i}", lambda i: i % 3)
    assert remarks(text, categorical=["name"]) == (
        "a column has the same number in every row, of which nothing can be learnt: 'a'; ignore leaves columns out",
        (
            "column 'name' has 40 categories in 40 rows, so what is learnt of one is of no use for another; "
            "ignore: [name] leaves it out"
        ),
    )
    assert remarks(text, ignore=["a", "name"]) == ()


def test_a_class_of_one_row_and_one_called_minus_one_are_named(remarks) -> None:
    text = rows("x,y", lambda i: i / 3, lambda i: "ab"[i % 2] if i else "label")
    assert remarks(text) == (
        "class 'label' has a single row, so it cannot be learnt and measured; is that line one of names?",
    )
    text = rows("x,y", lambda i: i / 3, lambda i: i % 3 - 1)
    assert remarks(text, task="classification") == (
        "'-1' is a class like the 2 others (14 rows); if it marks rows without a class leave these out",
    )
    assert remarks(rows("x,y", lambda i: i / 3, lambda i: 2 * (i % 2) - 1), task="classification") == ()


def test_pixels_of_eight_bits_are_named_unless_something_scales_them() -> None:
    rng = np.random.default_rng(0)
    pixels, targets = rng.integers(0, 256, (30, 8, 8, 1)), np.arange(30) % 2
    data = Dataset("p", pixels, targets, "classification", ("a", "b"))
    said = prepare(data, targets="classes").remarks
    assert len(said) == 1
    assert said[0].startswith("inputs are whole numbers from 0 to 255, as pixels of 8 bits are, and nothing scales")
    assert prepare(data, targets="classes", standardize=True).remarks == ()
    scaled = Dataset("p", pixels / 255, targets, "classification", ("a", "b"))
    assert prepare(scaled, targets="classes").remarks == ()


def test_validate_shows_how_a_table_was_understood(tmp_path, capsys) -> None:
    from trainer.cli.commands.validate import command

    text = rows(
        "id,city,sold,garden,price,kind",
        lambda i: 3 * i,
        lambda i: ("Rome", "Oslo", "")[i % 3],
        lambda i: f"{i % 28 + 1:02}.02.2024",
        lambda i: "no" if i % 2 else "yes",
        lambda i: f"{i + 100}|5",
        lambda i: "ab"[i % 2],
    )
    tmp_path.joinpath("h.csv").write_text(text.replace(",", ";").replace("|", ","))
    tmp_path.joinpath("h.yaml").write_text(
        "dataset: {path: h.csv, dates: {sold: '%d.%m.%Y'}, categorical: auto, decimal: ',', ignore: [id], "
        "missing: allow}\nnetwork: [dense: 2]\ncost: softmax_cross_entropy\nstep_size: 0.1\nepochs: 1\n"
    )
    command(tmp_path / "h.yaml")
    shown = capsys.readouterr().out
    assert "classes   a 20, b 20\n" in shown
    start = shown.index("line 1 names")
    assert shown[start : shown.index("Scalar")].rstrip().splitlines() == [
        "line 1 names the columns; cells are separated by ';'; 40 rows:",
        "",
        "column  role     read as                          missing  first rows",
        "id      ignored                                         0  0, 3, 6",
        "city    input    3 categories, a column each           13  Rome, Oslo, ?",
        "sold    input    date: year, month, day, weekday        0  2024-02-01, 2024-02-02, 2024-02-03",
        "garden  input    0 or 1                                 0  1, 0, 1",
        "price   input    number                                 0  100.5, 101.5, 102.5",
        "kind    target   2 classes                              0  a, b, a",
    ]


def test_validate_says_that_there_is_no_header(tmp_path, capsys) -> None:
    from trainer.cli.commands.validate import command

    tmp_path.joinpath("h.csv").write_text("".join(f"{i / 7:.2f},{i % 5},{'ab'[i % 2]}\n" for i in ROWS))
    tmp_path.joinpath("h.yaml").write_text(
        "dataset: h.csv\nnetwork: [dense: 2]\ncost: softmax_cross_entropy\nstep_size: 0.1\nepochs: 1\n"
    )
    command(tmp_path / "h.yaml")
    assert "\nno header; cells are separated by ','; 40 rows:\n" in capsys.readouterr().out


# Rows that belong together.


def windows_of(stride: int) -> Dataset:
    text = "".join(chr(ord("a") + i * i % 23) for i in range(3000))
    return windows("t.txt", text, length=32, stride=stride)


@pytest.mark.parametrize("options", [{}, {"by": "grouped"}, {"folds": 4}, {"by": "grouped", "folds": 4, "fold": 2}])
def test_windows_that_overlap_stay_together_and_nothing_is_said(options):
    assert prepare(windows_of(1), targets="classes", split=Split(**options)).remarks == ()


@pytest.mark.parametrize("options", [{}, {"validation_fraction": 0.25}, {"folds": 4}])
@pytest.mark.parametrize("stride", [1, 31])
def test_windows_that_are_drawn_one_by_one_are_said_to_be_torn(stride, options):
    data = windows_of(stride)
    (line,) = prepare(data, targets="classes", split=Split(by="random", **options)).remarks
    groups = len(np.unique(data.groups))
    assert line.startswith("split: random puts rows of ")
    assert f" of {groups} groups into training and into the rows that it is measured with" in line
    assert line.endswith("leave it out, or say split: grouped, and a group stays together")


def test_an_order_tears_the_group_at_its_cut_alone():
    (line,) = prepare(windows_of(1), targets="classes", split=Split(by="ordered", test_fraction=0.21)).remarks
    assert line.startswith("split: ordered puts rows of 1 of ")


def test_windows_that_touch_may_be_drawn():
    assert prepare(windows_of(32), targets="classes", split=Split(by="random")).remarks == ()
