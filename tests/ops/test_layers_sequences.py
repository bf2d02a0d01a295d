"""Layers for sequences: padding changes nothing, what a state starts from, and messages for what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer import grad
from trainer.errors import ShapeError, TrainerError, UsageError
from trainer.nn import Dense, Draw, Masked, Network
from trainer.nn.calls import evaluate, train
from trainer_ops import gru_states, lstm_states, rnn_states
from trainer_ops.layers import LAYERS
from trainer_ops.layers.attention import MultiHeadAttention, TransformerBlock, _lower, _waves
from trainer_ops.layers.convolution import Conv1d
from trainer_ops.layers.masking import LastPosition, Masking, MaxOverPositions, MeanOverPositions
from trainer_ops.layers.normalization import LayerNorm, RmsNorm
from trainer_ops.layers.positions import LearnedPositions, SinusoidalPositions, _sinusoids
from trainer_ops.layers.recurrent import Gru, Lstm, Rnn
from trainer_ops.layers.regularization import AlphaDropout, Dropout, GaussianDropout, GaussianNoise, SpatialDropout

ONE = np.array([[False, False, False], [True, False, False]])  # the first example has no position

ROWS: list[Any] = [
    Rnn(3),
    Rnn(3, activation="relu", reverse=True),
    Gru(3, bidirectional=True),
    Lstm(3),
    Lstm(3, reverse=True),
    MeanOverPositions(),
    MaxOverPositions(),
    LastPosition(),
]
SEQUENCES = [
    Rnn(3, sequences=True, reverse=True),
    Gru(3, sequences=True),
    Lstm(3, sequences=True, bidirectional=True),
    MultiHeadAttention(2),
    MultiHeadAttention(2, causal=True, rotary=True),
    TransformerBlock(2),
    TransformerBlock(2, norm="after", causal=True),
    LearnedPositions(),
    SinusoidalPositions(),
]


def normal(*shape):
    return np.random.default_rng(8).normal(size=shape)


def drawn(layer, shape):
    rng = np.random.default_rng(9)
    parameters, output = layer.init(np.random.default_rng(0), shape)

    def moved(tree):  # biases too, so that none is 0
        return {k: moved(v) if isinstance(v, dict) else v + rng.normal(size=v.shape) / 4 for k, v in tree.items()}

    return moved(parameters), output


@pytest.mark.parametrize("layer", ROWS, ids=repr)
def test_padding_changes_nothing_in_a_row_per_example(layer):
    parameters, _ = drawn(layer, (5, 4))
    x = normal(2, 5, 4)
    mask = np.arange(5) < np.array([[3], [3]])
    y = layer.apply(parameters, Masked(x, mask))
    np.testing.assert_allclose(y, layer.apply(parameters, x[:, :3]), rtol=1e-13)
    np.testing.assert_allclose(layer.apply(parameters, Masked(x, mask | True)), layer.apply(parameters, x), rtol=1e-13)


@pytest.mark.parametrize("layer", SEQUENCES, ids=repr)
def test_padding_changes_nothing_at_the_positions_that_exist(layer):
    parameters, _ = drawn(layer, (5, 4))
    x = normal(2, 5, 4)
    mask = np.arange(5) < np.array([[3], [3]])
    y = evaluate(layer, parameters, Masked(x, mask))
    assert isinstance(y, Masked)
    assert y.mask is mask
    np.testing.assert_allclose(y.values[:, :3], layer.apply(parameters, x[:, :3]), rtol=1e-13)


@pytest.mark.parametrize("layer", ROWS[:5], ids=repr)
def test_positions_in_the_middle_that_do_not_exist_are_passed_over(layer):
    parameters, _ = drawn(layer, (4, 2))
    x = normal(1, 4, 2)
    y = layer.apply(parameters, Masked(x, np.array([[True, False, True, True]])))
    np.testing.assert_allclose(y, layer.apply(parameters, x[:, [0, 2, 3]]), rtol=1e-13)


@pytest.mark.parametrize("layer", ROWS, ids=repr)
def test_an_example_without_positions_gives_zeros(layer):
    parameters, _ = drawn(layer, (3, 4))
    y = layer.apply(parameters, Masked(normal(2, 3, 4), ONE))
    assert (y[0] == 0).all()
    assert (y[1] != 0).any()


@pytest.mark.parametrize("layer", [*ROWS, *SEQUENCES], ids=repr)
def test_gradients_are_finite_without_positions_and_are_those_of_what_exists(layer):
    parameters, _ = drawn(layer, (3, 4))
    x = normal(2, 3, 4)

    def total(x, mask):
        y = evaluate(layer, parameters, Masked(x, mask))
        if isinstance(y, Masked):
            y = np.where(mask[..., None], y.values, 0)
        return np.sum(y * y)

    g = grad(total)(x, ONE)
    assert np.isfinite(g).all()
    assert (g[~ONE] == 0).all()


def test_attention_takes_nothing_where_there_is_nothing():
    layer = MultiHeadAttention(2)
    parameters, _ = drawn(layer, (3, 4))
    y = layer.apply(parameters, Masked(normal(2, 3, 4), ONE))
    np.testing.assert_array_equal(y.values[0], np.broadcast_to(parameters["output_bias"], (3, 4)))


def test_masking_tells_padding_from_positions():
    x = np.array([[[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [0.0, 0.0]]])
    masked = Masking().apply({}, x)
    assert masked.values is x
    np.testing.assert_array_equal(masked.mask, [[True, False, True, False]])
    before = Masked(x, np.array([[True, True, False, True]]))
    np.testing.assert_array_equal(Masking().apply({}, before).mask, [[True, False, False, False]])
    np.testing.assert_array_equal(Masking(2.0).apply({}, np.full((1, 2, 1), 2.0)).mask, [[False, False]])


def test_rows_over_positions_by_hand():
    x = np.array([[[1.0], [5.0], [-2.0]]])
    mask = np.array([[True, False, True]])
    assert [layer.apply({}, x).item() for layer in ROWS[5:]] == [4 / 3, 5.0, -2.0]
    assert [layer.apply({}, Masked(x, mask)).item() for layer in ROWS[5:]] == [-0.5, 1.0, -2.0]
    assert LastPosition().apply({}, Masked(x, np.array([[True, True, False]]))).item() == 5.0


def test_a_mask_goes_through_layers_that_know_none_up_to_one_that_ends_it():
    layers = [Masking(), Dense(3), Lstm(2, sequences=True), Dense(4), TransformerBlock(2), MeanOverPositions()]
    network = Network(layers, (5, 2))
    theta = network.initial(0) + normal(network.size) / 4
    x = normal(2, 5, 2)
    x[:, 3:] = 0
    np.testing.assert_allclose(network.predict(theta, x), network.predict(theta, x[:, :3]), rtol=1e-12)


POSITIONWISE: list[Any] = [
    LayerNorm(),
    LayerNorm(axis=(-1,)),
    RmsNorm(),
    Dropout(),
    SpatialDropout(),
    GaussianNoise(0.5),
    GaussianDropout(),
    AlphaDropout(),
    LearnedPositions(),
    SinusoidalPositions(),
]


def test_the_layers_here_that_treat_every_position_on_its_own_are_these():
    assert {layer for layer in LAYERS if hasattr(layer, "positionwise")} == {type(layer) for layer in POSITIONWISE}
    assert all(layer.positionwise for layer in POSITIONWISE)
    assert not LayerNorm(axis=(-2, -1)).positionwise
    assert not RmsNorm(axis=(-1, -2)).positionwise


@pytest.mark.parametrize("layer", POSITIONWISE, ids=repr)
def test_what_padding_holds_reaches_no_position_in_training(layer):
    parameters, _ = drawn(layer, (5, 4))
    x, mask = normal(3, 5, 4), np.arange(5) < np.array([[3], [5], [1]])
    other = np.where(mask[..., None], x, 7.0)
    one, two = (train(layer, parameters, Masked(v, mask), Draw(0, np.int64(1), "float64", "0"))[0] for v in (x, other))
    assert one.mask is mask
    np.testing.assert_array_equal(one.values[mask], two.values[mask])


@pytest.mark.parametrize(
    "last", [Lstm(2), Gru(2, bidirectional=True), MeanOverPositions(), MaxOverPositions()], ids=repr
)
def test_padding_changes_nothing_behind_a_network_of_layers_for_every_position(last):
    layers = [Masking(), Dense(4), *POSITIONWISE[:-2], SinusoidalPositions(), MultiHeadAttention(2), RmsNorm(), last]
    network = Network(layers, (5, 2))
    theta = network.initial(0) + normal(network.size) / 4
    x = normal(3, 5, 2)
    x[:, 3:] = 0
    np.testing.assert_allclose(network.predict(theta, x), network.predict(theta, x[:, :3]), rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "name"),
    [(Conv1d(2), "conv1d"), (LayerNorm(axis=(-2, -1)), "layer_norm"), (RmsNorm(axis=(-2, -1)), "rms_norm")],
    ids=["conv1d", "layer_norm", "rms_norm"],
)
def test_a_layer_that_would_mix_padding_with_positions_is_refused_behind_a_mask(layer, name):
    parameters, _ = layer.init(np.random.default_rng(0), (5, 2))
    with pytest.raises(ShapeError) as caught:
        evaluate(layer, parameters, Masking().apply({}, normal(2, 5, 2)))
    assert str(caught.value).startswith(f"{name} would take positions that a mask leaves out")


def test_constants_that_calls_share_cannot_be_written_to():
    for array in (_sinusoids(3, 4, 10.0, "float64"), _lower(3), *_waves(3, 4, "float32")):
        assert not array.flags.writeable


@pytest.mark.parametrize(("layer", "gates"), [(Rnn(4), 1), (Gru(4), 3), (Lstm(4), 4)], ids=["rnn", "gru", "lstm"])
def test_recurrent_weights_start_orthogonal_and_biases_at_zero_but_for_the_forget_gate(layer, gates):
    parameters, _ = layer.init(np.random.default_rng(3), (5, 3))
    assert parameters["weights"].shape == (3, 4 * gates)
    assert (np.abs(parameters["weights"]) <= (6 / 7) ** 0.5).all()
    for gate in np.split(parameters["recurrent"], gates, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(4), atol=1e-12)
    bias = np.zeros(4 * gates)
    if gates == 4:
        bias[4:8] = 1
    np.testing.assert_array_equal(parameters["bias"], bias)


def test_reading_in_both_directions_is_reading_in_each():
    both, one, other = (Lstm(2, sequences=True, **o) for o in ({"bidirectional": True}, {}, {"reverse": True}))
    parameters, shape = drawn(both, (4, 3))
    assert shape == (4, 4)
    x = normal(2, 4, 3)
    y = both.apply(parameters, x)
    np.testing.assert_array_equal(y[..., :2], one.apply(parameters["forward"], x))
    np.testing.assert_array_equal(y[..., 2:], other.apply(parameters["reverse"], x))


def test_a_causal_layer_does_not_look_ahead():
    for layer in (MultiHeadAttention(2, causal=True), TransformerBlock(2, causal=True), Gru(3, sequences=True)):
        parameters, _ = drawn(layer, (5, 4))
        x = normal(1, 5, 4)
        later = x.copy()
        later[:, 3:] += 1
        np.testing.assert_allclose(layer.apply(parameters, later)[:, :3], layer.apply(parameters, x)[:, :3], rtol=1e-13)
        assert not np.allclose(layer.apply(parameters, later)[:, 3:], layer.apply(parameters, x)[:, 3:])


def test_rotary_attention_depends_on_distances_alone():
    layer = MultiHeadAttention(2, rotary=True)
    parameters, _ = drawn(layer, (6, 8))
    x = normal(1, 4, 8)
    shifted = np.concatenate([np.zeros((1, 2, 8)), x], axis=1)
    mask = np.array([[False, False, True, True, True, True]])
    y = layer.apply(parameters, Masked(shifted, mask)).values[:, 2:]
    np.testing.assert_allclose(y, layer.apply(parameters, x), rtol=1e-12)
    turned = layer.apply(parameters, x[:, ::-1])[:, ::-1]
    assert not np.allclose(turned, layer.apply(parameters, x))  # which it would be without


def test_sinusoids_are_those_of_the_paper():
    layer = SinusoidalPositions()
    y = layer.apply({}, np.zeros((1, 7, 5)))[0]
    for p in range(7):
        expected = [np.sin(p), np.cos(p), np.sin(p / 10000**0.4), np.cos(p / 10000**0.4), np.sin(p / 10000**0.8)]
        np.testing.assert_allclose(y[p], expected, rtol=1e-13)
    assert layer.apply({}, np.zeros((1, 7, 5), np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "layer", [MultiHeadAttention(2, dropout=0.5), TransformerBlock(2, dropout=0.5)], ids=["attention", "block"]
)
def test_dropout_is_there_in_training_alone_and_keeps_the_mean(layer):
    parameters, _ = drawn(layer, (4, 8))
    x = normal(1, 4, 8)
    calm, _ = layer.init(np.random.default_rng(0), (4, 8))

    def trained(step, parameters=parameters, layer=layer):
        return layer.train(parameters, x, Draw(0, np.int64(step), "float64", "0"))[0]

    np.testing.assert_array_equal(trained(1), trained(1))
    assert not np.allclose(trained(1), trained(2))
    if isinstance(layer, MultiHeadAttention):  # linear in its weights
        mean = np.mean([trained(step, calm) for step in range(3000)], axis=0)
        np.testing.assert_allclose(mean, layer.apply(calm, x), atol=0.15)
    without = type(layer)(2)
    np.testing.assert_array_equal(trained(1, layer=without), without.apply(parameters, x))


def test_dropout_leaves_out_the_same_weights_of_a_masked_and_of_a_causal_attention():
    layer = MultiHeadAttention(2, dropout=0.5, causal=True)
    parameters, _ = drawn(layer, (4, 8))
    x = normal(1, 4, 8)
    random = Draw(0, np.int64(1), "float64", "0")
    y, _ = layer.train(parameters, Masked(x, np.array([[True, True, False, False]])), random)
    later = x.copy()
    later[:, 2:] = 7
    z, _ = layer.train(parameters, Masked(later, y.mask), Draw(0, np.int64(1), "float64", "0"))
    np.testing.assert_array_equal(y.values[:, :2], z.values[:, :2])


SHAPE = "takes sequences, (positions, features) per example, and an example is"
MISFITS = [
    (Lstm(3), (8,), f"lstm {SHAPE} (8,); put 'reshape: [8, 1]' before it for 8 positions of one number"),
    (Gru(3), (), f"gru {SHAPE} ()"),
    (Rnn(3), (4, 2, 3), f"rnn {SHAPE} (4, 2, 3); put 'reshape: [4, 6]' before it for 4 positions"),
    (Lstm(3), (0, 3), f"lstm {SHAPE} (0, 3)"),
    (Masking(), (8,), f"masking {SHAPE} (8,); put 'reshape: [8, 1]' before it for 8 positions of one number"),
    (
        MeanOverPositions(), (8,),
        f"mean_over_positions {SHAPE} (8,); put 'reshape: [8, 1]' before it for 8 positions of one number",
    ),
    (LastPosition(), (), f"last_position {SHAPE} ()"),
    (SinusoidalPositions(), (2, 2, 2, 2), f"sinusoidal_positions {SHAPE} (2, 2, 2, 2)"),
    (LearnedPositions(longest=4), (5, 2), "learned_positions has longest: 4, and the sequences here have 5"),
    (
        MultiHeadAttention(3), (5, 4),
        "multi_head_attention deals its features, 4, out to heads: 3, which does not divide them",
    ),
    (
        MultiHeadAttention(3, size=8), (5, 4),
        "multi_head_attention deals size, 8, out to heads: 3, which does not divide them",
    ),
    (
        MultiHeadAttention(2, rotary=True), (5, 6),
        "multi_head_attention turns pairs of numbers for rotary, and each head has 3",
    ),
    (
        TransformerBlock(3), (5, 4),
        "multi_head_attention deals its features, 4, out to heads: 3, which does not divide them",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape", "message"), MISFITS)
def test_what_does_not_fit_is_told(layer, shape, message):
    with pytest.raises(ShapeError) as caught:
        layer.init(np.random.default_rng(0), shape)
    assert str(caught.value) == message


WRONG = [
    (
        lambda: Lstm(3, reverse=True, bidirectional=True),
        "lstm: bidirectional reads in both directions already; leave reverse out",
    ),
    (lambda: Gru(0), "Gru: units is 0; it must be at least 1"),
    (
        lambda: MultiHeadAttention(2, dropout=1.0),
        "MultiHeadAttention: dropout is 1.0; it must be at least 0 and less than 1",
    ),
    (lambda: TransformerBlock(0), "TransformerBlock: heads is 0; it must be at least 1"),
    (lambda: SinusoidalPositions(1.0), "SinusoidalPositions: base is 1.0; it must be greater than 1"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_options_are_told(make, message):
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == message


STATES = "(positions, m, {0}) with at least one position, and recurrent (units, {0})"
CALLS = [
    (
        rnn_states, [(2, 3, 4), (4, 5)],
        f"rnn_states takes z {STATES.format('units')}; z is (2, 3, 4) and recurrent (4, 5)",
    ),
    (
        lstm_states, [(0, 3, 8), (2, 8)],
        f"lstm_states takes z {STATES.format('4·units')}; z is (0, 3, 8) and recurrent (2, 8)",
    ),
    (
        gru_states, [(3, 6), (2, 6), (2,)],
        f"gru_states takes z {STATES.format('3·units')}; z is (3, 6) and recurrent (2, 6)",
    ),
    (
        gru_states, [(1, 3, 6), (2, 6), (6,)],
        "gru_states: bias is (6,); for recurrent (2, 6) right would be (2,)",
    ),
    (
        lstm_states, [(1, 3, 8), (2, 8), (3, 1)],
        "lstm_states: mask is (3, 1); for z (1, 3, 8) right would be (1, 3)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("function", "shapes", "message"), CALLS)
def test_states_of_wrong_shapes_are_told(function, shapes, message):
    with pytest.raises(TrainerError) as caught:
        function(*map(np.ones, shapes))
    assert message in str(caught.value)
