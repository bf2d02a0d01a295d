"""Recurrences: the states h₁ … h_T of a network that reads a sequence position by position.

The part of each position that depends on its input alone, x W + b, is one product for all positions, made outside, and
comes here with the positions along the first axis. The loop has one product per position, and so has its rule, which
leaves to the end what it can compute for all positions at once: the cotangent of the recurrent weights is one product.

What a rule needs of each position is computed again in the backward sweep, which a compiled step recognizes as what it
has already; so a program keeps it, and the tape, step by step, does not.

Gates are stacked along the last axis. Each is s·tanh(s·a) + (1 − s) of its input a: with s = 1 that is the hyperbolic
tangent, with s = ½ the logistic function. So one call serves all of them, and their derivative is s²·(1 − tanh²).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw

__all__ = ["gru_states", "lstm_states", "rnn_states"]


def _check(name: str, gates: int, z: Array, recurrent: Array, mask: Array | None) -> None:
    units = recurrent.shape[0] if recurrent.ndim else 0
    if z.ndim != 3 or not len(z) or recurrent.shape != (units, gates * units) or z.shape[-1] != gates * units:
        wide = "units" if gates == 1 else f"{gates}·units"
        raise ShapeError(
            f"{name} takes z (positions, m, {wide}) with at least one position, and recurrent (units, {wide}); "
            f"z is {z.shape} and recurrent {recurrent.shape}"
        )
    if mask is not None and mask.shape != z.shape[:2]:
        raise ShapeError(f"{name}: mask is {mask.shape}; for z {z.shape} right would be {z.shape[:2]}")


class _Existing:
    """What is for the positions that exist and what for the others, by factors 0 and 1: exact, quicker than where."""

    def __init__(self, mask: Array | None, dtype: Any) -> None:
        self.all = mask is None
        if mask is not None:
            self.existing = mask.astype(dtype)[..., np.newaxis]
            self.missing = 1 - self.existing

    def at(self, t: int, value: Array) -> Array:
        """The value where position t exists, and 0 where it does not."""
        return value if self.all else value * self.existing[t]

    def plus(self, value: Array, t: int, old: Array | None) -> Array:
        """The value, and added to it the old one (at first 0) where position t does not exist."""
        return value if self.all or old is None else value + old * self.missing[t]

    def carried(self, t: int, new: Array, old: Array | None) -> Array:
        """The new value where position t exists, and the old one (at first 0) where it does not."""
        return self.plus(self.at(t, new), t, old)


def _after(h: Array | None, recurrent: Array) -> Array:
    """What the state before adds to a position; nothing at the first."""
    return 0 if h is None else np.matmul(h, recurrent)


def _weights_rule(states: Sequence[Any], dz: Array, recurrent: Array) -> Array:
    """Σ_t h_{t−1}ᵀ δz_t, as one product."""
    if len(states) == 1:
        return np.zeros_like(recurrent)
    h = np.stack(states[1:])
    return np.matmul(np.reshape(h, (-1, h.shape[-1])).T, np.reshape(dz[1:], (-1, dz.shape[-1])))


@lru_cache(maxsize=64)
def _gates(kinds: str, units: int, dtype: Any) -> tuple[Array, Array, Array]:
    """s, 1 − s and s² for gates of these kinds, s(igmoid) or t(anh); the same arrays each time, for a program knows
    constants by their identity."""
    s = np.repeat(np.array([{"s": 0.5, "t": 1.0}[kind] for kind in kinds], dtype), units)
    return s, 1 - s, s * s


def _split(a: Array, units: int) -> list[Array]:
    return [a[:, i : i + units] for i in range(0, a.shape[-1], units)]


# The plain recurrence.


@op
def rnn_states(
    z: Array, recurrent: Array, mask: Array | None = None, *, activation: Literal["tanh", "relu"] = "tanh"
) -> Array:
    """h_t = f(z_t + h_{t−1} U), with h₀ = 0. Elman, *Finding structure in time*, 1990.

    Args:
        z: (positions, m, units), the part of each position that depends on its input.
        recurrent: U, (units, units).
        mask: bools (positions, m), or none; where it is False the state stays what it was.
        activation: f.

    Returns:
        (positions, m, units).

    >>> rnn_states(np.array([[[1.0]], [[-3.0]], [[2.0]]]), np.array([[2.0]]), activation="relu").ravel()
    array([1., 0., 2.])
    """
    _check("rnn_states", 1, z, recurrent, mask)
    return np.stack(_rnn(z, recurrent, mask, activation)[0])


def _rnn(z: Array, recurrent: Array, mask: Array | None, activation: str) -> tuple[list[Array], list[Any], list[Array]]:
    """The states after each position, those before, and what f gave."""
    positions = _Existing(mask, z.dtype)
    h: Any = None
    after, before, given = [], [], []
    for t in range(len(z)):
        a = z[t] + _after(h, recurrent)
        f = np.tanh(a) if activation == "tanh" else np.maximum(a, 0)
        before.append(h)
        given.append(f)
        h = positions.carried(t, f, h)
        after.append(h)
    return after, before, given


@rnn_states.vjp("z", "recurrent")
def _(dy: Array, z: Array, recurrent: Array, mask: Any, *, activation: str) -> tuple[Array, Array]:
    _, before, given = _rnn(z, recurrent, mask, activation)
    positions = _Existing(mask, z.dtype)
    dh: Any = 0
    dz = []
    for t in reversed(range(len(given))):
        dh = dy[t] + dh
        f, dout = given[t], positions.at(t, dh)
        dz.append((1 - f * f) * dout if activation == "tanh" else dout * (f > 0))
        if t:
            dh = positions.plus(np.matmul(dz[-1], recurrent.T), t, dh)
    stacked = np.stack(dz[::-1])
    return stacked, _weights_rule(before, stacked, recurrent)


# Long short-term memory.


@op
def lstm_states(z: Array, recurrent: Array, mask: Array | None = None) -> Array:
    """Long short-term memory. Hochreiter & Schmidhuber, 1997, with the forget gate of Gers et al., 2000.

    With a = z_t + h_{t−1} U, whose quarters are the input, forget and output gate and the candidate,

        i, f, o = σ(aᵢ), σ(a_f), σ(a_o),   g = tanh(a_g),   c_t = f c_{t−1} + i g,   h_t = o tanh(c_t),

    from h₀ = c₀ = 0. These are PyTorch's equations; PyTorch's order of the quarters is i, f, g, o.

    Args:
        z: (positions, m, 4·units), the part of each position that depends on its input.
        recurrent: U, (units, 4·units).
        mask: bools (positions, m), or none; where it is False both states stay what they were.

    Returns:
        h, (positions, m, units).

    >>> lstm_states(np.full((2, 1, 4), 50.0), np.zeros((1, 4))).ravel() == np.tanh([1.0, 2.0])
    array([ True,  True])
    """
    _check("lstm_states", 4, z, recurrent, mask)
    return np.stack(_lstm(z, recurrent, mask)[0])


def _lstm(
    z: Array, recurrent: Array, mask: Array | None
) -> tuple[list[Array], list[Any], list[tuple[Any, list[Array], Any, Array]]]:
    """The states after each position, those before, and of each position the tanh of all gates, the gates, the cell
    before and the tanh of the cell."""
    units = recurrent.shape[0]
    s, rest, _ = _gates("ssst", units, z.dtype)
    recurrent = recurrent * s
    positions = _Existing(mask, z.dtype)
    h: Any = None
    c: Any = None
    after, before, seen = [], [], []
    for t in range(len(z)):
        a = np.tanh(s * z[t] + _after(h, recurrent))
        i, f, o, g = gates = _split(s * a + rest, units)
        new = i * g if c is None else f * c + i * g
        squashed = np.tanh(new)
        before.append(h)
        seen.append((a, gates, c, squashed))
        h, c = positions.carried(t, o * squashed, h), positions.carried(t, new, c)
        after.append(h)
    return after, before, seen


@lstm_states.vjp("z", "recurrent")
def _(dy: Array, z: Array, recurrent: Array, mask: Any) -> tuple[Array, Array]:
    _, before, seen = _lstm(z, recurrent, mask)
    square = _gates("ssst", recurrent.shape[0], z.dtype)[2]
    positions = _Existing(mask, z.dtype)
    dh: Any = 0
    dc: Any = None
    dz = []
    for t in reversed(range(len(seen))):
        a, (i, f, o, g), c, squashed = seen[t]
        dh = dy[t] + dh
        dout = positions.at(t, dh)
        dnew = (1 - squashed * squashed) * (dout * o)
        if dc is not None:
            dnew = dnew + positions.at(t, dc)
        dgates = [dnew * g, np.zeros_like(dnew) if c is None else dnew * c, dout * squashed, dnew * i]
        dz.append(np.concatenate(dgates, axis=-1) * ((1 - a * a) * square))
        if t:
            dh, dc = positions.plus(np.matmul(dz[-1], recurrent.T), t, dh), positions.plus(dnew * f, t, dc)
    stacked = np.stack(dz[::-1])
    return stacked, _weights_rule(before, stacked, recurrent)


# The gated recurrent unit.


@op
def gru_states(z: Array, recurrent: Array, bias: Array, mask: Array | None = None) -> Array:
    """Gated recurrent unit. Cho et al., 2014, with the reset after the product, as PyTorch and cuDNN have it.

    With p = h_{t−1} U, whose thirds like those of z are the reset gate, the update gate and the candidate,

        r = σ(z_r + p_r),   u = σ(z_u + p_u),   n = tanh(z_n + r (p_n + b)),   h_t = (1 − u) n + u h_{t−1},

    from h₀ = 0. These are PyTorch's equations and its order; Keras's with `reset_after=True` have the first two thirds
    the other way round.

    Args:
        z: (positions, m, 3·units), the part of each position that depends on its input.
        recurrent: U, (units, 3·units).
        bias: b, (units,).
        mask: bools (positions, m), or none; where it is False the state stays what it was.

    Returns:
        (positions, m, units).

    >>> gru_states(np.array([[[0.0, -50.0, 50.0]], [[0.0, 0.0, -50.0]]]), np.zeros((1, 3)), np.zeros(1)).ravel()
    array([1., 0.])
    """
    _check("gru_states", 3, z, recurrent, mask)
    if bias.shape != recurrent.shape[:1]:
        raise ShapeError(
            f"gru_states: bias is {bias.shape}; for recurrent {recurrent.shape} right would be {recurrent.shape[:1]}"
        )
    return np.stack(_gru(z, recurrent, bias, mask)[0])


def _gru(
    z: Array, recurrent: Array, bias: Array, mask: Array | None
) -> tuple[list[Array], list[Any], list[tuple[Array, Array, Array, Any, Array]]]:
    """The states after each position, those before, and of each position the tanh of the gates, the gates, p_n + b and
    the candidate."""
    units = recurrent.shape[0]
    recurrent = recurrent * _gates("sst", units, z.dtype)[0]
    positions = _Existing(mask, z.dtype)
    h: Any = None
    after, before, seen = [], [], []
    for t in range(len(z)):
        p = None if h is None else np.matmul(h, recurrent)
        a = np.tanh(0.5 * z[t, :, : 2 * units] + (0 if p is None else p[:, : 2 * units]))
        r, u = _split(0.5 * a + 0.5, units)
        q = bias if p is None else p[:, 2 * units :] + bias
        n = np.tanh(z[t, :, 2 * units :] + r * q)
        before.append(h)
        seen.append((a, r, u, q, n))
        h = positions.carried(t, n - u * n if h is None else n + u * (h - n), h)
        after.append(h)
    return after, before, seen


@gru_states.vjp("z", "recurrent", "bias")
def _(dy: Array, z: Array, recurrent: Array, bias: Array, mask: Any) -> tuple[Array, Array, Array]:
    _, before, seen = _gru(z, recurrent, bias, mask)
    units = recurrent.shape[0]
    positions = _Existing(mask, z.dtype)
    dh: Any = 0
    dz, dp = [], []
    for t in reversed(range(len(seen))):
        (a, r, u, q, n), h = seen[t], before[t]
        dh = dy[t] + dh
        dnew = positions.at(t, dh)
        through = dnew * u
        dn = (1 - n * n) * (dnew - through)
        du = dnew * (-n if h is None else h - n)
        both = np.concatenate([dn * q, du], axis=-1) * ((1 - a * a) * 0.25)
        dz.append(np.concatenate([both, dn], axis=-1))
        dp.append(np.concatenate([both, dn * r], axis=-1))
        if t:
            dh = positions.plus(through + np.matmul(dp[-1], recurrent.T), t, dh)
    stacked = np.stack(dp[::-1])
    dbias = np.sum(stacked[..., 2 * units :], axis=(0, 1))
    return np.stack(dz[::-1]), _weights_rule(before, stacked, recurrent), dbias


# Operations: the products, and what each gate and state takes beside them. Samples.


def _count(gates: int, others: int) -> Any:
    def count(z: tuple[int, ...], recurrent: tuple[int, ...], *rest: tuple[int, ...]) -> int:
        units = recurrent[0]
        return math.prod(z[:2]) * units * (2 * gates * units + others)

    return count


_MASK = np.array([[True, True], [True, False], [False, True]])
for _op, _number, _others in ((rnn_states, 1, 2), (lstm_states, 4, 20), (gru_states, 3, 18)):
    _op.nondifferentiable("mask").operations(_count(_number, _others))
    _bias = [(2,)] if _op is gru_states else []
    _wide = 2 * _number
    draw(
        _op,
        [(3, 2, _wide), (2, _wide), *_bias],
        [(3, 2, _wide), (2, _wide), *_bias, _MASK],
        [(1, 2, _wide), (2, _wide), *_bias],
        *([[(3, 2, 2), (2, 2), _MASK, {"activation": "relu"}]] if _op is rnn_states else []),
    )
