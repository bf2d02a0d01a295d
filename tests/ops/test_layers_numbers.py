"""Layers against numbers worked out by hand or by another formula: what they compute, draw and keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of
from tests.ops.layer_examples import make
from trainer.nn import Dense, Draw, Flatten, LayerState, Masked, Network
from trainer.training import Training
from trainer_ops import mean_squared_error

RNG = np.random.default_rng(0)


def draw(step=0, path="0"):
    return Draw(0, np.int64(step), "float64", path)


def changed(layer, x, step=0):
    y, updates = layer.train({}, x, draw(step))
    assert updates == {}
    np.testing.assert_array_equal(layer.apply({}, x), x)  # in evaluation nothing happens
    return y


def test_weights_lie_and_fan_as_the_documentation_says():
    parameters, shape = make("conv2d", filters=8, kernel=(3, 5), groups=2).init(RNG, (10, 10, 4))
    assert {n: p.shape for n, p in parameters.items()} == {"weights": (3, 5, 2, 8), "bias": (8,)}
    assert shape == (8, 6, 8)
    assert not parameters["bias"].any()
    limit = np.sqrt(6 / (15 * 2 + 15 * 8))  # glorot of fan_in = window · channels / groups, fan_out = window · filters
    assert 0.97 * limit < np.abs(parameters["weights"]).max() < limit
    parameters, shape = make("conv2d_transpose", filters=4, stride=2, initial="he").init(RNG, (5, 5, 16))
    assert {n: p.shape for n, p in parameters.items()} == {"weights": (3, 3, 4, 16), "bias": (4,)}
    assert shape == (11, 11, 4)
    limit = np.sqrt(6 / (9 * 16))
    assert 0.97 * limit < np.abs(parameters["weights"]).max() < limit
    parameters, shape = make("depthwise_conv", multiplier=3, padding="same", bias=False).init(RNG, (5, 2))
    assert {n: p.shape for n, p in parameters.items()} == {"weights": (3, 1, 6)}
    assert shape == (5, 6)


def test_shapes_of_pools_paddings_and_upsamplings():
    def shape(name, before, /, **options):
        return make(name, **options).init(RNG, before)[1]

    assert shape("max_pool", (28, 28, 8)) == (14, 14, 8)
    assert shape("max_pool", (7, 5), window=3, stride=2, padding="same") == (4, 5)
    assert shape("average_pool", (4, 6, 6, 2), window=(4, 3, 2)) == (1, 2, 3, 2)
    assert shape("adaptive_max_pool", (7, 9, 3), size=(2, 4)) == (2, 4, 3)
    assert shape("global_average_pool", (7, 9, 3)) == (3,)
    assert shape("zero_padding", (3, 4, 2), amount=((1, 0), (2, 3))) == (4, 9, 2)
    assert shape("cropping", (9, 2), amount=2) == (5, 2)
    assert shape("upsampling", (2, 3, 4, 1), factor=(1, 2, 3)) == (2, 6, 12, 1)


def test_upsampling_repeats_or_draws_lines():
    x = np.array([[[1.0], [2.0], [4.0]]])
    assert make("upsampling").apply({}, x).ravel().tolist() == [1, 1, 2, 2, 4, 4]
    assert make("upsampling", method="linear").apply({}, x).ravel().tolist() == [1, 1.25, 1.75, 2.5, 3.5, 4]


def test_reshape_permute_pad_and_crop():
    x = RNG.normal(size=(2, 3, 4))
    np.testing.assert_array_equal(make("reshape", shape=(2, -1, 1)).apply({}, x), x.reshape(2, 2, 6, 1))
    np.testing.assert_array_equal(make("permute", axes=(1, 0)).apply({}, x), x.transpose(0, 2, 1))
    padded = make("zero_padding", amount=((1, 2),)).apply({}, x)
    assert padded.shape == (2, 6, 4)
    assert not padded[:, [0, 4, 5]].any()
    np.testing.assert_array_equal(make("cropping", amount=((1, 2),)).apply({}, padded), x)


# What is dropped, added, moved and mirrored.


def test_dropout_drops_its_part_and_keeps_the_mean():
    x = np.ones((200, 500))
    y = changed(make("dropout", rate=0.2), x)
    np.testing.assert_allclose(np.mean(y == 0), 0.2, atol=0.006)
    np.testing.assert_allclose(np.unique(y), [0, 1.25])
    assert (changed(make("dropout", rate=0.2), x, step=1) != y).any()
    np.testing.assert_array_equal(changed(make("dropout", rate=0), x), x)


def test_spatial_dropout_drops_whole_channels():
    y = changed(make("spatial_dropout", rate=0.4), np.ones((100, 3, 2, 50)))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    np.testing.assert_allclose(np.mean(y == 0), 0.4, atol=0.03)


def test_noise_is_normal():
    noise = changed(make("gaussian_noise", deviation=0.5), np.zeros((400, 500))) / 0.5
    moments = [np.mean(noise**k) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.05)
    factor = changed(make("gaussian_dropout", rate=0.2), np.full((400, 500), 2.0)) / 2
    np.testing.assert_allclose([factor.mean(), factor.var()], [1, 0.25], atol=0.005)


def test_alpha_dropout_keeps_mean_and_variance():
    x = RNG.normal(size=(400, 500))
    y = changed(make("alpha_dropout", rate=0.3), x)
    np.testing.assert_allclose([y.mean(), y.var()], [0, 1], atol=0.01)
    _, counts = np.unique(y.round(9), return_counts=True)
    np.testing.assert_allclose(counts.max() / y.size, 0.3, atol=0.005)


def test_a_shift_moves_each_example_by_draws_of_its_own():
    x = np.arange(1.0, 26).reshape(1, 5, 5, 1).repeat(400, axis=0)
    y = changed(make("random_shift", pixels=(1, 2), fill="zero"), x)
    framed = np.pad(x[0, :, :, 0], 2)
    moved = {(r, c): framed[2 - r : 7 - r, 2 - c : 7 - c].tobytes() for r in (-1, 0, 1) for c in (-2, -1, 0, 1, 2)}
    found = [next(key for key, image in moved.items() if image == one.tobytes()) for one in y[..., 0]]
    assert set(found) == set(moved)
    counts = np.array([found.count(key) for key in moved])
    assert counts.min() > 8  # 26.7 each, on average


def test_a_shift_repeats_the_edge_by_default():
    x = np.array([[[1.0], [2.0], [3.0]]]).repeat(100, axis=0)
    found = {tuple(row) for row in changed(make("random_shift", pixels=2), x)[..., 0].tolist()}
    assert found == {(1, 2, 3), (1, 1, 2), (1, 1, 1), (2, 3, 3), (3, 3, 3)}


def test_flips_mirror_half_of_the_examples():
    x = np.arange(6.0).reshape(1, 2, 3, 1).repeat(400, axis=0)
    every: dict[str, list[Any]] = {"horizontal": [1], "vertical": [0], "both": [0, 1, (0, 1)]}
    for axis, ways in every.items():
        y = changed(make("random_flip", axis=axis), x)[..., 0]
        mirrored = [x[0, ..., 0], *(np.flip(x[0, ..., 0], way) for way in ways)]
        counts = [sum(np.array_equal(one, image) for one in y) for image in mirrored]
        assert sum(counts) == 400
        np.testing.assert_allclose(counts, 400 / len(mirrored), atol=45)
    sequence = np.array([[[1.0], [2.0]]]).repeat(50, axis=0)
    assert {tuple(r) for r in changed(make("random_flip"), sequence)[..., 0].tolist()} == {(1, 2), (2, 1)}


def test_a_rotation_by_right_angles_is_exact_and_small_ones_keep_straight_lines(monkeypatch):
    x = RNG.normal(size=(1, 5, 5, 2))
    layer = make("random_rotation", degrees=180)
    for uniform, turns in {0.0: 2, 0.25: 3, 0.5: 0, 0.75: 1}.items():  # −180°, −90°, 0° and 90°
        monkeypatch.setattr(Draw, "__call__", lambda self, shape, u=uniform: np.full(shape, u))
        np.testing.assert_allclose(layer.train({}, x, draw())[0], np.rot90(x, turns, axes=(2, 1)), atol=1e-12)
    monkeypatch.setattr(Draw, "__call__", lambda self, shape: np.full(shape, 0.55))
    down, right = np.meshgrid(np.arange(5.0) - 2, np.arange(5.0) - 2, indexing="ij")
    y = layer.train({}, (2 * down - 3 * right)[None, ..., None], draw())[0][0, 1:4, 1:4, 0]
    a = np.deg2rad(18)
    rows, columns = np.cos(a) * down - np.sin(a) * right, np.sin(a) * down + np.cos(a) * right
    np.testing.assert_allclose(y, (2 * rows - 3 * columns)[1:4, 1:4], atol=1e-12)


def test_shifting_float32_computes_nothing_in_float64(monkeypatch):
    layer, dtypes = make("random_shift", pixels=2), []
    found = np.clip
    monkeypatch.setattr(np, "clip", lambda x, *limits: (dtypes.append(x.dtype), found(x, *limits))[1])
    layer.train({}, np.ones((2, 5, 1), np.float32), Draw(0, np.int64(0), "float32", "0"))
    assert dtypes == [np.float32]


# Batch norm.


def test_moving_averages_take_in_a_part_of_each_batch():
    layer = make("batch_norm", momentum=0.8)
    x = RNG.normal(2.0, 3.0, size=(6, 4, 2))
    start = {n: v.value if isinstance(v, LayerState) else v for n, v in layer.init(RNG, (4, 2))[0].items()}
    y, updates = layer.train(start, x, draw())
    np.testing.assert_allclose(y.mean((0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((0, 1)), 1, rtol=1e-5)
    np.testing.assert_allclose(updates["mean"], 0.2 * x.mean((0, 1)), rtol=1e-12)
    np.testing.assert_allclose(updates["variance"], 0.8 + 0.2 * x.var((0, 1)), rtol=1e-12)
    _, unbiased = make("batch_norm", momentum=0.8, unbiased=True).train(start, x, draw())
    np.testing.assert_allclose(unbiased["variance"], 0.8 + 0.2 * x.var((0, 1), ddof=1), rtol=1e-12)
    after = layer.apply({**start, **updates}, x)
    np.testing.assert_allclose(after, (x - updates["mean"]) / np.sqrt(updates["variance"] + 1e-5), rtol=1e-12)


@pytest.mark.parametrize("unbiased", [False, True])
def test_positions_that_do_not_exist_count_for_nothing_in_batch_norm(unbiased):
    layer = make("batch_norm", momentum=0.0, unbiased=unbiased)
    x, mask = RNG.normal(size=(4, 5, 2)), np.arange(5) < np.array([[5], [3], [1], [0]])
    parameters = {n: v.value if isinstance(v, LayerState) else v for n, v in layer.init(RNG, (5, 2))[0].items()}
    y, updates = layer.train(parameters, Masked(x, mask), draw())
    there, want_updates = layer.train(parameters, x[mask], draw())
    np.testing.assert_allclose(y.values[mask], there, rtol=1e-10)
    np.testing.assert_array_equal(y.mask, mask)
    for name, value in want_updates.items():
        np.testing.assert_allclose(updates[name], value, rtol=1e-10)
    evaluated = layer.apply({**parameters, **updates}, Masked(x, mask))
    np.testing.assert_array_equal(evaluated.mask, mask)
    np.testing.assert_array_equal(evaluated.values, layer.apply({**parameters, **updates}, x))


def test_a_batch_of_one_number_gives_the_shift_and_no_nan():
    layer = make("batch_norm", unbiased=True)
    parameters = {"scale": np.ones(1), "shift": np.full(1, 3.0), "mean": np.zeros(1), "variance": np.ones(1)}
    y, updates = layer.train(parameters, np.array([[5.0]]), draw())
    assert y.tolist() == [[3.0]]
    assert (updates["mean"], updates["variance"]) == ([0.0], [1.0])


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("positions", [0, 1])
def test_fewer_than_two_positions_leave_the_averages_of_batch_norm(positions, unbiased):
    layer = make("batch_norm", unbiased=unbiased)
    parameters = {"scale": np.ones(2), "shift": np.zeros(2), "mean": np.array([1.0, 2.0]), "variance": np.full(2, 3.0)}
    mask = np.arange(6).reshape(2, 3) < positions
    _, updates = layer.train(parameters, Masked(RNG.normal(size=(2, 3, 2)), mask), draw())
    np.testing.assert_array_equal(updates["mean"], [1.0, 2.0])
    np.testing.assert_array_equal(updates["variance"], [3.0, 3.0])


@pytest.mark.parametrize("masked", [False, True])
def test_a_batch_of_one_leaves_the_averages_under_every_executor(masked):
    shape, layers = (2,), [make("batch_norm", unbiased=True), Dense(1)]
    x, y = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 1))  # of the second batch, one row is left
    if masked:
        shape, layers = (3, 2), [make("masking"), layers[0], make("mean_over_positions"), Dense(1)]
        x = x[:, None] * (np.arange(3) < 1)[:, None]
    found = set()
    for executor in EXECUTORS:
        data = data_of(x, y)
        training = Training(
            Network(layers, shape), mean_squared_error, data, 0.1, batch_size=4, epochs=1, executor=executor,
            dtype=np.float64,
        )  # fmt: skip
        list(training.records())
        found.add((training.theta.tobytes(), *(v.tobytes() for v in training.state.layer_state.values())))
        (mean,) = (v for name, v in training.state.layer_state.items() if name.endswith("mean"))
        values = x[:, 0] if masked else x
        means = [0.1 * np.delete(values, left, axis=0).mean(0) for left in range(5)]  # whichever comes last
        assert any(np.allclose(mean, expected, rtol=1e-12) for expected in means)
    assert len(found) == 1


# Embedding.


def test_an_embedding_looks_up_and_masks():
    table = RNG.normal(size=(4, 3))
    x = np.array([[1.0, 3.0, 0.0], [2.0, 0.0, 0.0]])
    np.testing.assert_array_equal(make("embedding", entries=4, size=3).apply({"table": table}, x), table[x.astype(int)])
    y = make("embedding", entries=4, size=3, mask=0).apply({"table": table}, x)
    assert y.mask.tolist() == [[True, True, False], [True, False, False]]
    both = make("embedding", entries=4, size=3, mask=0).apply({"table": table}, Masked(x, x != 3))
    assert both.mask.tolist() == [[True, False, False], [True, False, False]]
    kept = make("embedding", entries=4, size=3).apply({"table": table}, Masked(x, x != 3))
    assert kept.mask.tolist() == [[True, False, True], [True, True, True]]


def test_masked_sequences_pass_through_embedding_normalization_and_dropout_with_the_same_bits():
    x, y = RNG.integers(0, 4, (10, 5)).astype(np.float32), RNG.normal(size=(10, 2)).astype(np.float32)
    layers = [
        make("embedding", entries=4, size=3, mask=0), make("batch_norm"), make("dropout", rate=0.2),
        make("layer_norm"), make("mean_over_positions"), Dense(2),
    ]  # fmt: skip
    found = set()
    for executor in EXECUTORS:
        data = data_of(x, y)
        training = Training(
            Network(layers, (5,)), mean_squared_error, data, 0.1, batch_size=4, epochs=3, executor=executor
        )
        list(training.records())
        found.add((training.theta.tobytes(), *(v.tobytes() for v in training.state.layer_state.values())))
    assert len(found) == 1


NOT_ENTRIES = {
    4.0: "4 (row 1, place [2] of the batch)",
    -1.0: "-1 (row 1, place [2] of the batch)",
    1.5: "1.5 (row 1, place [2] of the batch); numbers of categories must not be scaled: leave standardize out",
    np.nan: "nan (row 1, place [2] of the batch); numbers of categories must not be scaled: leave standardize out",
    1e30: "1e+30 (row 1, place [2] of the batch)",
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("value", NOT_ENTRIES)
def test_what_is_no_entry_is_an_error_under_every_executor(value, executor):
    from trainer.errors import DataError

    x, y = np.zeros((8, 3)), np.zeros((8, 2))
    x[5, 2] = value
    data = data_of(x, y)
    network = Network([make("embedding", entries=4, size=2), Flatten(), Dense(2)], (3,))
    training = Training(network, mean_squared_error, data, 0.1, batch_size=4, executor=executor, dtype=np.float64)
    training.batches = lambda epoch: [np.arange(4), np.arange(4, 8)]
    with pytest.raises(DataError) as caught:
        list(training.records())
    assert str(caught.value) == f"embedding has entries 0 to 3, and its input holds {NOT_ENTRIES[value]}"
