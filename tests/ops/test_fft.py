"""Fourier transforms: worked by hand, against the transform's matrix, and the shapes that are cut or padded."""

import numpy as np
import pytest

from trainer import Tensor, grad, vjp
from trainer.errors import OpError


def test_rfft_by_hand() -> None:
    # y = (x0 + x1, x0 − x1) for two numbers.
    _, pullback = vjp(np.fft.rfft, np.array([3.0, 5.0]))
    assert pullback(np.array([1.0 + 0j, 10.0]))[0].tolist() == [11.0, -9.0]


def test_fft_is_its_own_transpose() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 5)) + 1j * rng.normal(size=(2, 5))
    _, pullback = vjp(np.fft.fft, x)
    np.testing.assert_allclose(pullback(dy)[0], np.fft.fft(np.eye(5)).T @ dy, rtol=1e-13)


def test_parseval() -> None:
    # Σ|y|² = n Σx², so the gradient of its half is n·x.
    x = np.arange(6.0)
    g = grad(lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2) / 2)(x)
    np.testing.assert_allclose(g, 6 * x, atol=1e-13)


@pytest.mark.parametrize("n", [4, 5, 6, 9])
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
def test_irfft_undoes_rfft_and_so_do_their_rules(n: int, norm: str | None) -> None:
    x, dy = np.random.default_rng(n).normal(size=(2, n))
    _, pullback = vjp(lambda x: np.fft.irfft(np.fft.rfft(x, norm=norm), n, norm=norm), x)
    np.testing.assert_allclose(pullback(dy)[0], dy, atol=1e-14)


def test_an_input_that_was_cut_has_gradient_zero_where_it_was() -> None:
    _, pullback = vjp(lambda x: np.fft.rfft(x, n=3), np.arange(5.0))
    assert pullback(np.ones(2, complex))[0][3:].tolist() == [0.0, 0.0]


def test_float32_stays() -> None:
    x = np.ones((4, 6), np.float32)
    for function in (np.fft.fft2, np.fft.rfft2, np.fft.rfftn, np.fft.ihfft):
        y, pullback = vjp(function, x)
        assert y.dtype == np.complex64
        assert pullback(y)[0].dtype == np.float32
    y, pullback = vjp(np.fft.irfft2, np.ones((4, 4), np.complex64))
    assert y.dtype == np.float32
    assert pullback(y)[0].dtype == np.complex64


def test_shifts_undo_each_other() -> None:
    x = np.arange(5.0)
    _, pullback = vjp(np.fft.fftshift, x)
    assert pullback(np.fft.fftshift(x))[0].tolist() == x.tolist()


def test_writing_into_an_array_is_refused() -> None:
    with pytest.raises(OpError, match=r"argument 'out' of np\.fft\.fft cannot be used on a Tensor"):
        np.fft.fft(Tensor(np.ones(3)), out=np.ones(3, complex))
