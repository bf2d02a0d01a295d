"""Attention layers: every position takes from the others what its query finds. Vaswani et al., 2017.

Sequences are (m, positions, features). Positions that a mask says do not exist are given no weight; what such a
position itself gives is a number like any other, which the mask keeps from mattering. An example without any position
takes nothing: zeros, and then the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from trainer.errors import ShapeError
from trainer.limits import Checked, Limits
from trainer.nn import Dense, Draw, Masked
from trainer.nn.initial import Initial
from trainer.nn.initial import draw as draw_initial
from trainer.types import Array, Shape
from trainer_ops.activations import gelu, relu, silu
from trainer_ops.attention import masked_softmax, scaled_dot_product_attention
from trainer_ops.layers.masking import check_sequences
from trainer_ops.layers.positions import angles
from trainer_ops.normalization import layer_norm
from trainer_ops.regularization import dropout

__all__ = ["LAYERS", "MultiHeadAttention", "TransformerBlock"]

Parameters = Mapping[str, Any]
Drop = Callable[[Any], Any] | None  # dropout in training; None in evaluation, and where nothing is dropped
Rate = Annotated[float, Limits(ge=0, lt=1)]


def _product(x: Any, weights: Any, bias: Any) -> Any:
    """x W + b at each position: one product of matrices."""
    h = np.reshape(x, (-1, x.shape[-1])) @ weights
    return np.reshape(h if bias is None else h + bias, (*x.shape[:-1], -1))


def _dropping(rate: float, random: Draw) -> Drop:
    return (lambda x: dropout(x, random(x.shape), rate=rate)) if rate else None


def _dropped(x: Any, drop: Drop) -> Any:
    return x if drop is None else drop(x)


@dataclass(frozen=True)
class MultiHeadAttention(Checked):
    """Self-attention: each position takes a mean of all, weighted by how well its query matches their keys.

        - multi_head_attention: 4
        - multi_head_attention: {heads: 4, causal: true}

    Args:
        heads: how many times this is done side by side, each on its share of the numbers.
        size: how many numbers queries, keys and values have in all heads together; by default as many as features.
        causal: position i takes from the positions up to i alone.
        dropout: the share of the weights that training sets to 0.
        bias: whether the two products have one, which starts at 0.
        rotary: turn queries and keys by angles that grow with the position, so that how well they match depends on how
            far apart they are. Su et al., *RoFormer*, 2021, with the pairs (i, i + half) of GPT-NeoX.
        initial: how the weights are drawn (see `trainer.nn.initial.draw`), each of the four for itself.

    Input (m, positions, n), output the same. Parameters weights (n, 3·size) and bias (3·size,), whose thirds make the
    queries, keys and values, head after head; output_weights (size, n) and output_bias (n,). PyTorch's
    MultiheadAttention with batch_first has the transposes of both.
    """

    heads: Annotated[int, Limits(ge=1)]
    size: Annotated[int, Limits(ge=1)] | None = None
    causal: bool = False
    dropout: Rate = 0.0
    bias: bool = True
    rotary: bool = False
    initial: Initial = "glorot"
    masked: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        _, n = check_sequences("multi_head_attention", input_shape)
        size = n if self.size is None else self.size
        if size % self.heads:
            of = "its features" if self.size is None else "size"
            raise ShapeError(
                f"multi_head_attention deals {of}, {size}, out to heads: {self.heads}, which does not divide them"
            )
        if self.rotary and size // self.heads % 2:
            raise ShapeError(
                f"multi_head_attention turns pairs of numbers for rotary, and each head has {size // self.heads}"
            )
        parts = [draw_initial(self.initial, rng, (n, size), n, size) for _ in range(3)]
        output = draw_initial(self.initial, rng, (size, n), size, n)
        parameters = {"weights": np.hstack(parts), "bias": np.zeros(3 * size)}
        parameters |= {"output_weights": output, "output_bias": np.zeros(n)}
        return {k: v for k, v in parameters.items() if self.bias or "bias" not in k}, input_shape

    def apply(self, parameters: Parameters, x: Any) -> Any:
        return self._of(parameters, x, None)

    def train(self, parameters: Parameters, x: Any, draw: Draw) -> tuple[Any, dict[str, Any]]:
        return self._of(parameters, x, _dropping(self.dropout, draw)), {}

    def drawn_attention(self, parameters: Parameters, x: Any) -> Array:
        values, mask = (x.values, x.mask) if isinstance(x, Masked) else (x, None)
        q, k, _ = self._heads(parameters, values)
        return np.asarray(self._weights(q, k, None if mask is None else mask[:, np.newaxis, np.newaxis, :]))

    def _of(self, parameters: Parameters, x: Any, drop: Drop) -> Any:
        values, mask = (x.values, x.mask) if isinstance(x, Masked) else (x, None)
        q, k, v = self._heads(parameters, values)
        taken = self._attend(q, k, v, None if mask is None else mask[:, np.newaxis, np.newaxis, :], drop)
        together = np.reshape(np.swapaxes(taken, 1, 2), (*values.shape[:2], -1))
        y = _product(together, parameters["output_weights"], parameters.get("output_bias"))
        return y if mask is None else Masked(y, mask)

    def _heads(self, parameters: Parameters, values: Any) -> tuple[Any, Any, Any]:
        """Queries, keys and values of each head, (m, heads, positions, size of a head)."""
        h = _product(values, parameters["weights"], parameters.get("bias"))
        h = np.transpose(np.reshape(h, (*values.shape[:2], 3, self.heads, -1)), (2, 0, 3, 1, 4))
        q, k, v = h[0], h[1], h[2]
        return (_turned(q), _turned(k), v) if self.rotary else (q, k, v)

    def _attend(self, q: Any, k: Any, v: Any, mask: Any, drop: Drop) -> Any:
        if drop is None:
            return scaled_dot_product_attention(q, k, v, mask, causal=self.causal)
        return np.matmul(drop(self._weights(q, k, mask)), v)

    def _weights(self, q: Any, k: Any, mask: Any) -> Any:
        """How much each position takes from each, (m, heads, positions, positions)."""
        if self.causal:
            lower = _lower(q.shape[-2])
            mask = lower if mask is None else np.logical_and(mask, lower)
        scores = np.matmul(q * (1 / q.shape[-1] ** 0.5), np.swapaxes(k, -1, -2))
        return masked_softmax(scores, mask)


@lru_cache(maxsize=16)
def _lower(positions: int) -> Array:
    return _shared(np.tri(positions, dtype=bool))


@lru_cache(maxsize=16)
def _waves(positions: int, size: int, dtype: str) -> tuple[Array, Array]:
    found = angles(positions, size, 10000.0)
    return _shared(np.cos(found).astype(dtype)), _shared(np.sin(found).astype(dtype))


def _shared(array: Array) -> Array:
    array.flags.writeable = False  # many calls share it
    return array


def _turned(x: Any) -> Any:
    """(…, positions, size) with the pairs (i, i + size/2) turned by the position times a frequency."""
    half = x.shape[-1] // 2
    cos, sin = _waves(*x.shape[-2:], str(x.dtype))
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


_ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "gelu": gelu,
    "exact_gelu": partial(gelu, approximate=False),
    "relu": relu,
    "silu": silu,
}


@dataclass(frozen=True)
class TransformerBlock(Checked):
    """Attention and then two dense layers on each position, both with what came in added to what comes out.

        - transformer_block: 4
        - transformer_block: {heads: 4, causal: true, dropout: 0.1}

    With `norm: before`, h = x + attention(norm(x)) and y = h + dense(norm(h)), which trains well without a warm-up
    (Xiong et al., 2020) and needs a `layer_norm` after the last block; with `norm: after`, h = norm(x + attention(x))
    and y = norm(h + dense(h)), as in Vaswani et al., 2017.

    Args:
        heads: of the attention.
        hidden: how many units the first dense layer has; by default four times the features.
        dropout: the share of numbers that training sets to 0: of the attention's weights, of what the attention and
            the dense layers give, and of the hidden units.
        norm: where the layers are normalized, before or after.
        activation: of the hidden units: gelu (by its tanh formula, as in GPT-2), exact_gelu (PyTorch's; it imports
            SciPy), relu or silu.
        causal: position i sees the positions up to i alone.
        rotary: as for `multi_head_attention`.
        epsilon: of the normalizations.
        initial: how all weights are drawn; biases start at 0.

    Input (m, positions, n), output the same; parameters attention.*, norm1.*, hidden.*, output.*, norm2.*. PyTorch's
    TransformerEncoderLayer, with `norm: before` for its norm_first.
    """

    heads: Annotated[int, Limits(ge=1)]
    hidden: Annotated[int, Limits(ge=1)] | None = None
    dropout: Rate = 0.0
    norm: Literal["before", "after"] = "before"
    activation: Literal["gelu", "exact_gelu", "relu", "silu"] = "gelu"
    causal: bool = False
    rotary: bool = False
    epsilon: Annotated[float, Limits(gt=0)] = 1e-5
    initial: Initial = "glorot"
    masked: ClassVar[bool] = True

    @cached_property
    def _attention(self) -> MultiHeadAttention:
        return MultiHeadAttention(
            self.heads, causal=self.causal, dropout=self.dropout, rotary=self.rotary, initial=self.initial
        )

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        _, n = check_sequences("transformer_block", input_shape)
        hidden = 4 * n if self.hidden is None else self.hidden
        return {
            "attention": self._attention.init(rng, input_shape)[0],
            "norm1": {"scale": np.ones(n), "shift": np.zeros(n)},
            "hidden": Dense(hidden, initial=self.initial).init(rng, (n,))[0],
            "output": Dense(n, initial=self.initial).init(rng, (hidden,))[0],
            "norm2": {"scale": np.ones(n), "shift": np.zeros(n)},
        }, input_shape

    def apply(self, parameters: Parameters, x: Any) -> Any:
        return self._of(parameters, x, None, None)

    def train(self, parameters: Parameters, x: Any, draw: Draw) -> tuple[Any, dict[str, Any]]:
        within = _dropping(self.dropout, draw.inside("attention"))
        return self._of(parameters, x, within, _dropping(self.dropout, draw)), {}

    def _of(self, parameters: Parameters, x: Any, within: Drop, drop: Drop) -> Any:
        values, mask = (x.values, x.mask) if isinstance(x, Masked) else (x, None)

        def attended(h: Any) -> Any:
            whole = h if mask is None else Masked(h, mask)
            y = self._attention._of(parameters["attention"], whole, within)
            return _dropped(y if mask is None else y.values, drop)

        def dense(h: Any) -> Any:
            between = _ACTIVATIONS[self.activation](_product(h, **parameters["hidden"]))
            return _dropped(_product(_dropped(between, drop), **parameters["output"]), drop)

        def normalized(h: Any, name: str) -> Any:
            return self._normalized(parameters, h, name)

        if self.norm == "before":
            h = values + attended(normalized(values, "norm1"))
            y = h + dense(normalized(h, "norm2"))
        else:
            h = normalized(values + attended(values), "norm1")
            y = normalized(h + dense(h), "norm2")
        return y if mask is None else Masked(y, mask)

    def _normalized(self, parameters: Parameters, h: Any, name: str) -> Any:
        own = parameters[name]
        return layer_norm(h, own["scale"], own["shift"], epsilon=self.epsilon)

    def drawn_attention(self, parameters: Parameters, x: Any) -> Array:
        values, mask = (x.values, x.mask) if isinstance(x, Masked) else (x, None)
        h = self._normalized(parameters, values, "norm1") if self.norm == "before" else values
        return self._attention.drawn_attention(parameters["attention"], h if mask is None else Masked(h, mask))


LAYERS: tuple[type, ...] = (MultiHeadAttention, TransformerBlock)
