"""What an op's message says to write in place of what was given is written, and works."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.hints import Advice
from trainer import Tensor
from trainer.errors import TrainerError
from trainer_ops.convolution import conv1d, conv2d
from trainer_ops.costs import mean_squared_error, softmax_cross_entropy
from trainer_ops.embeddings import embedding
from trainer_ops.likelihoods import negative_log_likelihood
from trainer_ops.pooling import max_pool

IMAGES = np.arange(5.0 * 8 * 8).reshape(5, 8, 8)
FILTERS = np.ones((3, 3, 1, 4))
COLOURS = np.ones((3, 3, 3, 4))
SIGNAL, TAPS = np.ones((2, 6, 1)), np.ones((3, 1, 1))
SCORES = np.log([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
CLASSES = np.array([1.0, 0.0, 1.0])
INDEX = np.array([2.0, 0.0])
T = Tensor(np.arange(4.0))

ADVICE = [
    Advice(
        lambda: conv2d(IMAGES, FILTERS),
        "; add an axis of channels: x[..., None]",
        (lambda: conv2d(IMAGES[..., None], FILTERS),),
    ),
    Advice(
        lambda: conv2d(np.ones((8, 8, 3)), COLOURS),
        "; one example is a batch of one: x[None]",
        (lambda: conv2d(np.ones((8, 8, 3))[None], COLOURS),),
    ),
    Advice(
        lambda: max_pool(np.ones((5, 28))),
        "max_pool takes (n, *spatial, channels), and x is (5, 28); add an axis of channels: x[..., None]",
        (lambda: max_pool(np.ones((5, 28))[..., None]),),
    ),
    Advice(
        lambda: conv1d(SIGNAL, TAPS, padding="full"),
        "padding='full' is not known; write 'same', 'valid', a number, or one per axis",
        tuple(partial(conv1d, SIGNAL, TAPS, padding=p) for p in ("same", "valid", 2, (2,))),
    ),
    Advice(
        lambda: conv2d(IMAGES[..., None], FILTERS, stride=(1, 1, 1)),
        "stride=(1, 1, 1) gives 3 numbers for 2 spatial axes; write one, or 2",
        (
            lambda: conv2d(IMAGES[..., None], FILTERS, stride=1),
            lambda: conv2d(IMAGES[..., None], FILTERS, stride=(1, 1)),
        ),
    ),
    Advice(
        lambda: mean_squared_error(SCORES[:, :1], CLASSES),
        "; reshape the targets to (3, 1): targets[:, None]",
        (lambda: mean_squared_error(SCORES[:, :1], CLASSES[:, None]),),
    ),
    Advice(
        lambda: negative_log_likelihood(SCORES, CLASSES),
        "targets of shape (3,) are class numbers, which are integers, and these are float64; write targets.astype(int)",
        (lambda: negative_log_likelihood(SCORES, CLASSES.astype(int)),),
    ),
    Advice(
        lambda: softmax_cross_entropy(SCORES, CLASSES),
        "targets of shape (3,) are class numbers, which are integers, and these are float64; "
        "write targets.astype(int), or give probabilities of shape (3, 2)",
        (
            lambda: softmax_cross_entropy(SCORES, CLASSES.astype(int)),
            lambda: softmax_cross_entropy(SCORES, np.eye(2)[[1, 0, 1]]),
        ),
    ),
    Advice(
        lambda: embedding(np.eye(3), INDEX),
        "embedding counts rows with integers, and the index is float64; write index.astype(int)",
        (lambda: embedding(np.eye(3), INDEX.astype(int)),),
    ),
    Advice(
        lambda: np.pad(T, 1, "empty"),
        ". Write another frame as np.concatenate of its parts",
        (lambda: np.concatenate([[7.0], T, [7.0]]),),
    ),
]


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said[:60] for each in ADVICE])
def test_what_a_message_says_to_write_works(advice: Advice) -> None:
    for made in advice.followed(TrainerError):
        assert np.isfinite(np.asarray(getattr(made, "value", made))).all()
