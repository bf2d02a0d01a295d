"""The data sets drawn from a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trainer.data import Dataset
from trainer.errors import DataError
from trainer.rng import generator
from trainer_datasets import blobs, circles, linear, moons, spirals

ALL = [blobs, circles, linear, moons, spirals]


def make(function: Callable[..., Dataset], seed: int = 0, **options: Any) -> Dataset:
    return function(rng=generator(seed, "dataset"), **options)


@pytest.mark.parametrize("function", ALL)
def test_the_data_are_a_function_of_the_generator(function: Callable[..., Dataset]) -> None:
    first, again, other = make(function), make(function), make(function, seed=1)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert first.description == again.description
    assert not np.array_equal(first.inputs, other.inputs)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("rows", [7, 100])
def test_there_are_as_many_rows_as_asked_for_in_classes_of_equal_size(
    function: Callable[..., Dataset], rows: int
) -> None:
    dataset = make(function, rows=rows)
    assert dataset.rows == rows
    if dataset.task == "classification":
        sizes = np.bincount(dataset.targets)
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("rows", [50, 51])
def test_moons_and_circles_lie_where_scikit_learn_puts_them(rows: int) -> None:
    from sklearn.datasets import make_circles, make_moons

    for ours, theirs in [
        (make(moons, rows=rows, noise=0), make_moons(rows, shuffle=False)),
        (make(circles, rows=rows, noise=0, factor=0.3), make_circles(rows, shuffle=False, factor=0.3)),
    ]:
        np.testing.assert_allclose(ours.inputs, theirs[0], atol=1e-15)
        np.testing.assert_array_equal(ours.targets, theirs[1])


def test_noise_is_the_standard_deviation_of_what_is_added() -> None:
    added = make(moons, rows=20_000, noise=0.3).inputs - make(moons, rows=20_000, noise=0).inputs
    np.testing.assert_allclose(added.std(), 0.3, rtol=0.02)


def test_blobs_are_normal_clouds_in_the_box() -> None:
    dataset = make(blobs, rows=4000, classes=4, features=3, spread=0.5)
    assert dataset.inputs.shape == (4000, 3)
    for c in range(4):
        cloud = dataset.inputs[dataset.targets == c]
        assert np.abs(cloud.mean(axis=0)).max() < 10.1
        np.testing.assert_allclose(cloud.std(axis=0), np.full(3, 0.5), rtol=0.1)


def test_spirals_without_noise_have_a_radius_that_grows_with_the_angle() -> None:
    dataset = make(spirals, rows=300, classes=3, turns=2, noise=0)
    for arm in range(3):
        x, y = dataset.inputs[dataset.targets == arm].T
        radius = np.hypot(x, y)
        assert np.all(np.diff(radius) > 0)
        np.testing.assert_allclose(radius[-1], 1)
        angle = np.unwrap(np.arctan2(y, x))
        np.testing.assert_allclose(angle[-1] - angle[0], 2 * np.pi * 2 * (1 - radius[0]))


def test_linear_is_the_function_that_its_description_states() -> None:
    dataset = make(linear, features=3, noise=0)
    design = np.column_stack([dataset.inputs, np.ones(dataset.rows)])
    coefficients, *_ = np.linalg.lstsq(design, dataset.targets)
    np.testing.assert_allclose(design @ coefficients, dataset.targets, atol=1e-12)
    signs = ["−" if c < 0 else "+" for c in coefficients]
    a, b, c, bias = (f"{abs(value):.3g}" for value in coefficients)
    first = f"{signs[0]} {a}·x0".removeprefix("+ ")
    assert dataset.description == f"y = {first} {signs[1]} {b}·x1 {signs[2]} {c}·x2 {signs[3]} {bias} + noise"


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (moons, {"rows": 1}, "moons: 1 rows are too few; every class needs one, 2 in all"),
        (moons, {"noise": -0.1}, "moons: noise is a finite number of at least 0, not -0.1"),
        (circles, {"noise": float("inf")}, "circles: noise is a finite number of at least 0, not inf"),
        (
            circles,
            {"factor": 1.0},
            "circles: factor, the inner radius, is at least 0 and less than 1, the outer; it is 1.0",
        ),
        (blobs, {"classes": 1}, "blobs: a classification needs at least two classes, not 1"),
        (blobs, {"features": 0}, "blobs: inputs have at least one feature, not 0"),
        (blobs, {"spread": -1}, "blobs: spread is a finite number of at least 0, not -1"),
        (spirals, {"classes": 5, "rows": 4}, "spirals: 4 rows are too few; every class needs one, 5 in all"),
        (spirals, {"turns": -1}, "spirals: turns is a finite number of at least 0, not -1"),
        (linear, {"rows": 0}, "linear: 0 rows are too few; there is nothing to learn from"),
    ],
)
def test_options_out_of_range_are_refused(
    function: Callable[..., Dataset], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        make(function, **options)
    assert str(caught.value) == message
