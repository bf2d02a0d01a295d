"""Standardisation, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save

from trainer.data import Scaling
from trainer.errors import DataError, ShapeError


def matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(101, 7))
    return {
        "normal": plain,
        "far from zero": plain + 1e8,
        "many sizes": plain * 10.0 ** np.arange(-9, 12, 3),
        "constant columns": np.column_stack([plain, np.zeros(101), np.full(101, 0.1), np.full(101, 1e15)]),
        "constant up to rounding": np.column_stack([plain[:, 0], 1e6 + 1e-11 * plain[:, 1]]),
        "one row": plain[:1],
        "two rows": plain[:2],
    }


@pytest.mark.parametrize("name", matrices())
def test_the_numbers_are_those_of_scikit_learn_to_the_last_bit(name: str) -> None:
    from sklearn.preprocessing import StandardScaler

    inputs = matrices()[name]
    theirs = StandardScaler().fit(inputs)
    ours = Scaling.fit(inputs)
    np.testing.assert_array_equal(ours.mean, theirs.mean_)
    np.testing.assert_array_equal(ours.scale, theirs.scale_)
    np.testing.assert_array_equal(ours.apply(inputs), theirs.transform(inputs))
    np.testing.assert_array_equal(ours.inverse(ours.apply(inputs)), theirs.inverse_transform(theirs.transform(inputs)))


def test_a_constant_column_is_only_centred() -> None:
    scaling = Scaling.fit(np.array([[5.0], [5.0]]))
    assert scaling.scale.tolist() == [1.0]
    assert scaling.apply(np.array([[7.0]])).tolist() == [[2.0]]


def test_images_are_scaled_pixel_by_pixel() -> None:
    images = np.random.default_rng(0).normal(3, 2, size=(50, 4, 4))
    scaled = Scaling.fit(images).apply(images)
    assert scaled.shape == images.shape
    np.testing.assert_allclose(scaled.mean(axis=0), np.zeros((4, 4)), atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), np.ones((4, 4)))


def test_float32_stays_float32() -> None:
    scaling = Scaling.fit(np.array([[1.0], [3.0]]))
    assert scaling.apply(np.ones((2, 1), dtype=np.float32)).dtype == np.float32
    assert scaling.inverse(np.ones((2, 1), dtype=np.float32)).dtype == np.float32
    assert scaling.apply(np.ones((2, 1), dtype=np.int64)).dtype == np.float64


def test_it_survives_safetensors_beside_the_parameters() -> None:
    scaling = Scaling.fit(np.random.default_rng(0).normal(size=(9, 3)))
    restored = Scaling.from_arrays(load(save(scaling.to_arrays() | {"0.dense.weights": np.ones((3, 2))})))
    assert restored is not None
    np.testing.assert_array_equal(restored.mean, scaling.mean)
    np.testing.assert_array_equal(restored.scale, scaling.scale)


def test_parameters_without_a_scaling_have_none() -> None:
    assert Scaling.from_arrays({"0.dense.weights": np.ones((3, 2))}) is None


def test_half_a_scaling_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        Scaling.from_arrays({"scaling.mean": np.ones(3)})
    assert str(caught.value) == (
        "a scaling is two arrays, 'scaling.mean' and 'scaling.scale'; here is only 'scaling.mean'"
    )


@pytest.mark.parametrize("scale", [np.ones(2), np.zeros(3), np.full(3, np.nan)], ids=["shape", "zero", "nan"])
def test_arrays_that_are_no_scaling_are_refused(scale: np.ndarray) -> None:
    with pytest.raises(DataError) as caught:
        Scaling.from_arrays({"scaling.mean": np.ones(3), "scaling.scale": scale})
    assert str(caught.value) == (
        f"'scaling.mean', shape (3,), and 'scaling.scale', shape {scale.shape}, must be finite, of one shape, and "
        f"every scale above 0"
    )


def test_inputs_of_another_shape_are_refused_not_broadcast() -> None:
    scaling = Scaling.fit(np.ones((4, 3)))
    for use in (scaling.apply, scaling.inverse):
        with pytest.raises(ShapeError) as caught:
            use(np.ones((4, 1)))
        assert str(caught.value) == (
            "the scaling was fitted on inputs of shape (n, 3) and cannot be used on shape (4, 1)"
        )


def test_numbers_whose_squares_overflow_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        Scaling.fit(np.array([[1.0, 1e200], [2.0, 3e200]]))
    assert str(caught.value) == (
        "feature [1] has numbers up to 3e+200, whose squares overflow: leave standardize out and write "
        "preprocess: [max_abs_scaler, standard_scaler], which divides them first"
    )


def test_it_prints_the_shape_that_it_fits() -> None:
    assert repr(Scaling.fit(np.ones((4, 3)))) == "Scaling of inputs (3,)"


def test_a_column_that_is_constant_up_to_rounding_is_only_centred() -> None:
    column = np.where(np.arange(300) % 2, 0.1, np.nextafter(0.1, 1.0))
    scaling = Scaling.fit(np.stack([column, np.linspace(0.0, 1.0, 300)], axis=1))
    assert scaling.scale[0] == 1.0
    assert scaling.scale[1] != 1.0


def test_categories_are_left_as_they_are() -> None:
    inputs = np.stack([np.arange(9.0) % 3, np.arange(9.0)], axis=1)
    scaled = Scaling.fit(inputs, without=[0]).apply(inputs)
    np.testing.assert_array_equal(scaled[:, 0], inputs[:, 0])
    assert abs(scaled[:, 1].mean()) < 1e-15


@pytest.mark.parametrize("shape", [(1000, 1), (1000, 2), (999, 3), (1001, 7), (50, 28, 28), (5, 1), (20_000, 8)])
def test_features_have_the_same_bits_however_many_are_looked_at_together(shape, monkeypatch):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=shape) * 10.0 ** rng.integers(-5, 5, shape[1:])
    rows = np.flatnonzero(rng.random(len(inputs)) < 0.8)
    whole = Scaling.fit(inputs[rows])
    for together in (1, 5000):
        monkeypatch.setattr("trainer.data.preprocessing.scaling.TOGETHER", together)
        some = Scaling.fit(inputs, rows=rows)
        assert some.mean.tobytes() == whole.mean.tobytes()
        assert some.scale.tobytes() == whole.scale.tobytes()
