"""Initial values: the statistics that their names promise, and words for names and options that there are not."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest

from trainer.config import load
from trainer.errors import ConfigError, UsageError
from trainer.nn import Dense, initial
from trainer.nn.initial import draw

IN, OUT = 300, 500
LIMIT = 4 / math.sqrt(2 * IN * OUT)  # four standard errors of a deviation of so many numbers


def drawn(name, shape=(IN, OUT)):
    return draw(name, np.random.default_rng(0), shape, shape[0], shape[-1])


VARIANCES = {
    "glorot": 2 / (IN + OUT), "he": 2 / IN, "lecun": 1 / IN,
}  # fmt: skip


@pytest.mark.parametrize("source", VARIANCES)
def test_the_uniform_ones_have_the_variance_of_their_source_and_its_limits(source):
    values = drawn(source)
    limit = math.sqrt(3 * VARIANCES[source])
    assert np.abs(values).max() <= limit
    assert np.abs(values).max() > 0.999 * limit
    np.testing.assert_allclose(values.std(), math.sqrt(VARIANCES[source]), rtol=LIMIT)
    np.testing.assert_allclose(np.histogram(values, 20, (-limit, limit))[0] / (IN * OUT / 20), 1, atol=0.06)
    np.testing.assert_array_equal(drawn(f"{source}_uniform"), values)


@pytest.mark.parametrize("source", VARIANCES)
def test_the_normal_ones_have_the_variance_of_their_source_after_the_cut(source):
    values = drawn(f"{source}_normal")
    deviation = math.sqrt(VARIANCES[source])
    np.testing.assert_allclose(values.std(), deviation, rtol=LIMIT)
    cut = 2 * deviation / 0.87962566103423978  # Keras' constant: the deviation of a normal number within ±2
    assert 0.99 * cut < np.abs(values).max() <= cut
    kurtosis = np.mean((values / deviation) ** 4)
    np.testing.assert_allclose(kurtosis, 2.365, atol=0.03)  # 1.8 if they were uniform, 3 without the cut


def test_those_with_options_have_them():
    values = drawn({"normal": {"deviation": 0.2, "mean": 1.0}})
    np.testing.assert_allclose([values.mean(), values.std()], [1.0, 0.2], rtol=LIMIT)
    assert np.abs(values - 1).max() > 0.8
    values = drawn({"truncated_normal": {"deviation": 0.2, "mean": 1.0}})
    np.testing.assert_allclose([values.mean(), values.std()], [1.0, 0.2 * 0.8796], rtol=LIMIT)
    assert 0.39 < np.abs(values - 1).max() <= 0.4
    values = drawn({"uniform": {"limit": 0.2, "mean": 1.0}})
    np.testing.assert_allclose([values.mean(), values.std()], [1.0, 0.2 / math.sqrt(3)], rtol=LIMIT)
    assert 0.19 < np.abs(values - 1).max() <= 0.2
    np.testing.assert_array_equal(drawn({"constant": -2}, (2, 3)), np.full((2, 3), -2.0))
    np.testing.assert_array_equal(drawn("zeros", (2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(drawn("ones", (2, 3)), np.ones((2, 3)))


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("normal", {"normal": {"deviation": 0.05, "mean": 0.0}}),
        ({"normal": 0.3}, {"normal": {"deviation": 0.3}}),
        ({"normal": None}, "normal"),
        ("truncated_normal", {"truncated_normal": 0.05}),
        ("uniform", {"uniform": 0.05}),
        ("constant", "zeros"),
        ("orthogonal", {"orthogonal": {"gain": 1}}),
    ],
)
def test_what_is_left_out_has_the_default_that_the_documentation_states(short, long):
    np.testing.assert_array_equal(drawn(short), drawn(long))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 3, 2, 7)])
def test_orthogonal_rows_or_columns_are_orthonormal_and_their_signs_even(shape):
    matrix = drawn({"orthogonal": 2.0}, shape).reshape(-1, shape[-1])
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(product, 4 * np.eye(min(rows, columns)), atol=1e-12)
    rng = np.random.default_rng(1)
    corners = [draw("orthogonal", rng, (2, 2), 2, 2)[0, 0] for _ in range(400)]
    assert abs(np.mean(corners)) < 4 * math.sqrt(0.5 / 400)


def test_every_name_can_be_drawn_and_is_a_function_of_the_generator():
    for name in get_args(initial._Name):
        assert drawn(name, (3, 4)).dtype == np.float64
        assert drawn(name, (3, 4)).shape == (3, 4)
        np.testing.assert_array_equal(drawn(name, (3, 4)), drawn(name, (3, 4)))


WRONG = {
    "glorott": "there are no initial values named 'glorott'; did you mean 'glorot'?",
    "xyz": "there are no initial values named 'xyz'; there are: zeros, ones, glorot, glorot_uniform, glorot_normal, "
    "he, he_uniform, he_normal, lecun, lecun_uniform, lecun_normal, orthogonal, normal, truncated_normal, uniform, "
    "constant",
    "{normal: {std: 1}}": "initial values 'normal' take deviation and mean, not 'std'",
    "{orthogonal: {scale: 1}}": "initial values 'orthogonal' take gain, not 'scale'",
    "{he: 2}": "initial values 'he' have no options; write 'he' alone",
    "{zeros: 0}": "initial values 'zeros' have no options; write 'zeros' alone",
    "{normal: wide}": "deviation of initial values 'normal' is a number, not 'wide'",
    "{normal: -1}": "deviation of initial values 'normal' is at least 0, not -1",
    "{constant: true}": "value of initial values 'constant' is a number, not True",
    "{normal: 1, he: 2}": "initial values are a name, or one name with its options: {normal: 0.02}, not "
    "{'normal': 1, 'he': 2}",
}


@pytest.mark.parametrize("written", WRONG)
def test_what_is_wrong_is_said_in_python_and_in_a_config(written, tmp_path):
    import yaml

    with pytest.raises(UsageError) as caught:
        Dense(3, initial=yaml.safe_load(written)).init(np.random.default_rng(0), (2,))
    assert str(caught.value) == WRONG[written]
    if written.startswith("{"):
        assert said(written, tmp_path) == f"dense.initial: {WRONG[written]}, found a mapping"


def said(written, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(
        "dataset: digits\ncost: softmax_cross_entropy\nstep_size: 0.1\n"
        f"network:\n  - dense: {{units: 3, initial: {written}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(file)
    return str(caught.value).splitlines()[0].partition("bad.yaml:")[2].partition(": ")[2]


def test_a_config_lists_the_names_for_what_is_neither_a_name_nor_a_mapping(tmp_path):
    names = (
        "'zeros', 'ones', 'glorot', 'glorot_uniform', 'glorot_normal', 'he', 'he_uniform', 'he_normal', 'lecun', "
        "'lecun_uniform', 'lecun_normal', 'orthogonal', 'normal', 'truncated_normal', 'uniform' or 'constant' or a "
        "name with its options, such as {normal: 0.02}"
    )
    assert said("Hee", tmp_path) == f"dense.initial expects {names}, found the text 'Hee'; did you mean 'he'?"
    assert said("3", tmp_path) == f"dense.initial expects {names}, found 3"


def test_orthogonal_is_of_matrices():
    with pytest.raises(UsageError) as caught:
        drawn("orthogonal", (3,))
    assert str(caught.value) == ("initial: orthogonal makes matrices, and this parameter has shape (3,); take normal")
