"""What a CSV file means, rule by rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.data import Dataset, load, read_csv
from trainer.errors import DataError


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_the_last_column_is_the_target_and_text_makes_classes(write) -> None:
    dataset = read_csv(write("width,height,kind\n1,2,rose\n3,4.5,daisy\n5,6e1,rose\n"))
    assert dataset.inputs.tolist() == [[1, 2], [3, 4.5], [5, 60]]
    assert dataset.targets.tolist() == [1, 0, 1]
    assert dataset.class_names == ("daisy", "rose")
    assert dataset.feature_names == ("width", "height")
    assert (dataset.name, dataset.task) == ("data.csv", "classification")
    assert dataset.targets.dtype == np.int64


def test_numbers_as_targets_are_a_regression_however_few_are_distinct(write) -> None:
    dataset = read_csv(write("x,y\n1,0\n2,1\n3,0\n"))
    assert dataset.task == "regression"
    assert dataset.targets.tolist() == [0, 1, 0]
    assert dataset.targets.dtype == np.float64


def test_task_makes_classes_of_numbers_in_the_order_of_their_size(write) -> None:
    dataset = read_csv(write("x,y\n1,10\n2,9\n3,10\n"), task="classification")
    assert dataset.class_names == ("9", "10")
    assert dataset.targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize("target", ["kind", 1, -2])
def test_the_target_column_goes_by_name_or_by_index(write, target: str | int) -> None:
    dataset = read_csv(write("width,kind,height\n1,a,2\n3,b,4\n"), target=target)
    assert dataset.inputs.tolist() == [[1, 2], [3, 4]]
    assert dataset.feature_names == ("width", "height")


def test_a_first_line_with_a_number_in_it_is_data(write) -> None:
    dataset = read_csv(write("1,a\n2,b\n"))
    assert dataset.inputs.tolist() == [[1], [2]]
    assert dataset.feature_names == ()


def test_header_overrules_the_first_line(write) -> None:
    path = write("2019,2020\n1,2\n3,4\n")
    assert read_csv(path).rows == 3
    dataset = read_csv(path, header=True, target="2019")
    assert dataset.rows == 2
    assert dataset.feature_names == ("2020",)


def test_a_declared_header_may_name_a_column_like_a_missing_value(write) -> None:
    assert read_csv(write("Na,y\n1,2\n3,4\n"), header=True).feature_names == ("Na",)


def test_space_empty_lines_a_byte_order_mark_and_windows_line_ends_mean_nothing(write) -> None:
    dataset = read_csv(write("\ufeffx , y\r\n\r\n 1, a \r\n2 ,b\r\n\r\n"))
    assert dataset.inputs.tolist() == [[1], [2]]
    assert dataset.class_names == ("a", "b")
    assert dataset.feature_names == ("x",)


def test_quoted_cells_may_hold_the_delimiter_and_line_ends(write) -> None:
    dataset = read_csv(write('x,y\n1,"a, or b"\n2,"c\nd"\n'))
    assert dataset.class_names == ("a, or b", "c\nd")


def test_an_error_after_a_cell_of_two_lines_names_the_line_that_the_row_starts_on(write) -> None:
    path = write('y,x\n"a\nb",1\nc,\n')
    with pytest.raises(DataError, match=r"data\.csv:4: column 'x': an empty cell"):
        read_csv(path, target="y")


def test_another_delimiter_can_be_said(write) -> None:
    assert read_csv(write("x\ty\n1\t2\n3\t4\n"), delimiter="\t").inputs.tolist() == [[1], [3]]


def test_none_is_a_fine_name_for_a_class(write) -> None:
    assert read_csv(write("x,y\n1,none\n2,severe\n")).class_names == ("none", "severe")


def test_long_cells_and_many_columns_are_cut_short_in_a_message(write) -> None:
    with pytest.raises(DataError) as caught:
        read_csv(write("x,y\n" + "z" * 1000 + ",1\n"))
    assert str(caught.value).endswith(
        f"data.csv:2: column 'x': '{'z' * 37}...' is not a finite number; put one there, or say categorical: [x] if "
        f"the column names categories"
    )
    with pytest.raises(DataError, match=r"it has c0, .*, c11 and 88 more$"):
        read_csv(write(",".join(f"c{j}" for j in range(100)) + "\n" + ",".join("1" * 100) + "\n"), target="zzz")


def test_load_reads_a_path_by_its_suffix(write) -> None:
    path = write("x,y\n1,a\n2,b\n")
    assert isinstance(load(str(path), {"target": "y"}), Dataset)
    shouting = path.rename(path.with_suffix(".CSV"))
    assert load(shouting).rows == 2


HOUSES = "size,city,street,price,count\n70,Rome,a,3,1\n50,Oslo,b,2,2\n90,Rome,a,4,0.5\n"


@pytest.mark.parametrize("categorical", ["auto", ["city"], "city", [1]])
def test_categories_become_columns_of_0_and_1_in_the_place_of_theirs(write, categorical) -> None:
    dataset = read_csv(
        write(HOUSES), target="price", categorical=categorical, ignore=["street", "count"] if categorical else None
    )
    assert dataset.inputs.tolist() == [[70, 0, 1], [50, 1, 0], [90, 0, 1]]
    assert dataset.feature_names == ("size", "city=Oslo", "city=Rome")
    assert dataset.categories == {"city": ("Oslo", "Rome")}


def test_categories_become_indices_for_an_embedding(write) -> None:
    dataset = read_csv(
        write(HOUSES), target="price", categorical="auto", encode="index", group="street", weight="count"
    )
    assert dataset.inputs.tolist() == [[70, 1], [50, 0], [90, 1]]
    assert dataset.feature_names == ("size", "city")
    assert dataset.groups.tolist() == [0, 1, 0]
    assert dataset.weights.tolist() == [1, 2, 0.5]
    assert dataset.targets.tolist() == [3, 2, 4]


def test_the_target_is_the_last_column_without_another_role(write) -> None:
    dataset = read_csv(write(HOUSES), weight="count", ignore="street", categorical=["city"])
    assert dataset.targets.tolist() == [3, 2, 4]


def test_numbers_name_categories_where_it_is_said_and_columns_without_a_header_go_by_index(write) -> None:
    dataset = read_csv(write("1,10,0\n2,9,1\n"), categorical=[1])
    assert dataset.inputs.tolist() == [[1, 0, 1], [2, 1, 0]]
    assert dataset.feature_names == ("0", "1=9", "1=10")
    assert dataset.categories == {"1": ("9", "10")}


def test_several_targets_are_numbers_side_by_side_in_the_order_asked_for(write) -> None:
    dataset = read_csv(write("a,x,b\n1,2,3\n4,5,6\n"), target=["b", "a"])
    assert dataset.targets.tolist() == [[3, 1], [6, 4]]
    assert dataset.inputs.tolist() == [[2], [5]]
    assert read_csv(write("x,y\n1,a\n2,b\n"), target=["y"]).class_names == ("a", "b")


def test_missing_numbers_are_nan_where_that_is_allowed(write) -> None:
    dataset = read_csv(write("x,z,y\n1,2,3\n,4,5\nNA,?,6\n"), missing="allow")
    np.testing.assert_array_equal(dataset.inputs, [[1, 2], [np.nan, 4], [np.nan, np.nan]])
    assert dataset.has_missing
    assert not read_csv(write("x,y\n1,2\n3,4\n"), missing="allow").has_missing


def test_a_missing_category_is_one_of_its_own_where_that_is_allowed(write) -> None:
    dataset = read_csv(write("city,y\nRome,1\n,2\nNA,3\n"), categorical="auto", missing="allow")
    assert dataset.categories == {"city": ("?", "Rome")}
    assert dataset.inputs.tolist() == [[0, 1], [1, 0], [1, 0]]
    assert not dataset.has_missing


def test_a_number_costs_about_a_call(write, calls) -> None:
    table = np.arange(100_000.0).reshape(5000, 20) / 7
    path = write("\n".join(",".join(map(repr, row)) for row in table.tolist()))
    assert calls(lambda: read_csv(path)) < 1.5 * table.size
    np.testing.assert_array_equal(read_csv(path).inputs, table[:, :-1])
