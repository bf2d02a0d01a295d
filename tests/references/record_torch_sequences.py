"""Makes torch_sequences.json: what networks of PyTorch's layers for sequences do in 50 steps. Run by hand:

    pip install torch==2.13.0
    python tests/references/record_torch_sequences.py

40 sequences of 4 positions with 4 features each, and classes to tell them by, in float64. In the masked cases only the
first positions of each exist, and the others are zeros; PyTorch is told by packed sequences or a key_padding_mask. Each
case starts from parameters that are drawn here in the layout of this project, whose names they have, and are converted
to PyTorch's. Its curve is the loss of each batch of 8 before its update. test_torch_sequences.py trains the same
networks, and holds what it calls a case's name against the curve of that name.

Where PyTorch has two biases whose sum alone matters, the second stays 0: both would be learnt, and the sum at twice the
speed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

TARGET = Path(__file__).with_name("torch_sequences.json")
ROWS, POSITIONS, FEATURES, UNITS, BATCH, STEP_SIZE = 40, 4, 4, 3, 8, 0.3

Shapes = dict[str, tuple[int, ...]]
Values = dict[str, np.ndarray[Any, Any]]
Tensor: TypeAlias = torch.Tensor


def data() -> dict[str, Any]:
    """Sequences, how long they are, classes and batches, in few digits."""
    rng = np.random.default_rng(21)
    x = rng.normal(size=(ROWS, POSITIONS, FEATURES)).round(3)
    lengths = rng.integers(1, POSITIONS + 1, ROWS)
    score = np.cumsum(x, axis=1)[np.arange(ROWS), lengths - 1] @ rng.normal(size=(FEATURES, 3))
    return {
        "inputs": x.tolist(),
        "lengths": lengths.tolist(),
        "classes": score.argmax(1).tolist(),
        "position_classes": rng.integers(0, 3, (ROWS, POSITIONS)).tolist(),
        "batches": [b.tolist() for _ in range(10) for b in rng.permutation(ROWS).reshape(-1, BATCH)],
    }


DATA = data()
X, LENGTHS = torch.tensor(DATA["inputs"], dtype=torch.float64), torch.tensor(DATA["lengths"])
EXISTS = torch.arange(POSITIONS)[None] < LENGTHS[:, None]
PADDED = X * EXISTS[..., None]


def drawn(rng: np.random.Generator, shapes: Shapes) -> Values:
    """Initial values by name: weights such that nothing saturates, biases small, scales near 1."""
    values = {}
    for name, shape in shapes.items():
        centre = 1.0 if name.endswith("scale") else 0.0
        values[name] = (centre + rng.normal(size=shape) / math.sqrt(max(shape[0], 4))).round(3)
    return values


def given(module: Any, **values: Any) -> None:
    """Set parameters of a module; a 0 means that it stays 0."""
    for name, value in values.items():
        parameter = getattr(module, name)
        with torch.no_grad():
            parameter.copy_(torch.as_tensor(value, dtype=torch.float64) if np.ndim(value) else torch.zeros(()))
        parameter.requires_grad_(bool(np.ndim(value)))


def linear(values: Values, name: str) -> nn.Linear:
    weights = values[f"{name}.weights"]
    module = nn.Linear(*weights.shape)
    given(module, weight=weights.T, bias=values[f"{name}.bias"])
    return module


# Recurrent layers.

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def recurrent_shapes(kind: str, path: str, features: int = FEATURES) -> Shapes:
    wide = GATES[kind] * UNITS
    shapes: Shapes = {f"{path}.weights": (features, wide), f"{path}.recurrent": (UNITS, wide), f"{path}.bias": (wide,)}
    return shapes | ({f"{path}.recurrent_bias": (UNITS,)} if kind == "gru" else {})


def set_recurrent(module: Any, kind: str, values: Values, path: str, suffix: str = "_l0") -> None:
    """The candidate of an lstm stands before the output gate in PyTorch, behind it here."""
    order = np.arange(GATES[kind] * UNITS)
    if kind == "lstm":
        order = order.reshape(4, UNITS)[[0, 1, 3, 2]].ravel()
    own = {name: values[f"{path}.{name}"][..., order] for name in ("weights", "recurrent", "bias")}
    given(module, **{"weight_ih" + suffix: own["weights"].T, "weight_hh" + suffix: own["recurrent"].T})
    given(module, **{"bias_ih" + suffix: own["bias"], "bias_hh" + suffix: 0})
    if kind == "gru":
        gates = np.zeros(2 * UNITS)
        given(module, **{"bias_hh" + suffix: np.concatenate([gates, values[f"{path}.recurrent_bias"]])})
        learnt = torch.tensor(np.concatenate([gates, np.ones(UNITS)]))
        getattr(module, "bias_hh" + suffix).register_hook(lambda gradient: gradient * learnt)


class Recurrent(nn.Module):
    """Recurrent layers one after the other; the last gives its last state, or the mean of all that exist."""

    def __init__(self, kind: str, values: Values, *, layers: int = 1, last: bool = True, reverse: bool = False,
                 both: bool = False, masked: bool = False, activation: str = "tanh") -> None:  # fmt: skip
        super().__init__()
        self.last, self.reverse, self.masked = last, reverse, masked
        start = int(masked)  # after masking
        make = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind]
        options = {"nonlinearity": activation} if kind == "rnn" else {}
        self.layers = nn.ModuleList()
        for i in range(layers):
            features = FEATURES if i == 0 else UNITS
            module = make(features, UNITS, batch_first=True, bidirectional=both, **options)
            for way, suffix in (("forward", "_l0"), ("reverse", "_l0_reverse")) if both else (("", "_l0"),):
                set_recurrent(module, kind, values, f"{start + i}.{way}".rstrip("."), suffix)
            self.layers.append(module)
        head = start + layers + (not last)
        self.head = linear(values, str(head))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        h = torch.flip(x, (1,)) if self.reverse else x
        for layer in self.layers:
            packed = pack_padded_sequence(h, lengths, batch_first=True, enforce_sorted=False) if self.masked else h
            h, state = layer(packed)
            if self.masked:
                h, _ = pad_packed_sequence(h, batch_first=True, total_length=POSITIONS)
        state = state[0] if isinstance(state, tuple) else state
        row = torch.cat(tuple(state), -1) if self.last else h.sum(1) / (lengths[:, None] if self.masked else POSITIONS)
        return self.head(row)


def recurrent_case(kind: str, *, layers: int = 1, last: bool = True, both: bool = False, masked: bool = False,
                   **options: Any) -> tuple[Shapes, Callable[[Values], nn.Module], bool]:  # fmt: skip
    shapes: Shapes = {}
    for i in range(layers):
        for way in (".forward", ".reverse") if both else ("",):
            shapes |= recurrent_shapes(kind, f"{i + masked}{way}", FEATURES if i == 0 else UNITS)
    head = masked + layers + (not last)
    shapes |= {f"{head}.weights": (UNITS * (1 + both), 3), f"{head}.bias": (3,)}
    options = {"layers": layers, "last": last, "both": both, "masked": masked, **options}
    return shapes, lambda values: Recurrent(kind, values, **options), masked


# Attention.


def attention_shapes(path: str, bias: bool = True) -> Shapes:
    n = FEATURES
    shapes: Shapes = {f"{path}.weights": (n, 3 * n), f"{path}.bias": (3 * n,)}
    shapes |= {f"{path}.output_weights": (n, n), f"{path}.output_bias": (n,)}
    return {name: shape for name, shape in shapes.items() if bias or "bias" not in name}


def set_attention(module: nn.MultiheadAttention, values: Values, path: str) -> None:
    given(module, in_proj_weight=values[f"{path}.weights"].T)
    given(module.out_proj, weight=values[f"{path}.output_weights"].T)
    if f"{path}.bias" in values:
        given(module, in_proj_bias=values[f"{path}.bias"])
        given(module.out_proj, bias=values[f"{path}.output_bias"])


TANH_GELU = partial(F.gelu, approximate="tanh")
FUTURE = torch.triu(torch.ones(POSITIONS, POSITIONS, dtype=torch.bool), 1)


class Attention(nn.Module):
    """One attention, or one transformer block; then the mean over the positions that exist, or a class for each."""

    def __init__(self, values: Values, *, masked: bool = False, causal: bool = False, bias: bool = True,
                 block: dict[str, Any] | None = None, each: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.masked, self.causal, self.block, self.each = masked, causal, block, each
        path = str(int(masked))
        if block is None:
            self.layer: Any = nn.MultiheadAttention(FEATURES, 2, batch_first=True, bias=bias)
            set_attention(self.layer, values, path)
        else:
            self.layer = nn.TransformerEncoderLayer(FEATURES, 2, 6, dropout=0.0, batch_first=True, **block)
            set_attention(self.layer.self_attn, values, f"{path}.attention")
            for name in ("norm1", "norm2"):
                scale, shift = values[f"{path}.{name}.scale"], values[f"{path}.{name}.shift"]
                given(getattr(self.layer, name), weight=scale, bias=shift)
            for theirs, ours in (("linear1", "hidden"), ("linear2", "output")):
                given(getattr(self.layer, theirs), weight=values[f"{path}.{ours}.weights"].T)
                given(getattr(self.layer, theirs), bias=values[f"{path}.{ours}.bias"])
        self.head = linear(values, str(int(masked) + 2 - each))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        exists = torch.arange(POSITIONS)[None] < lengths[:, None]
        padding, future = ~exists if self.masked else None, FUTURE if self.causal else None
        if self.block is None:
            h, _ = self.layer(x, x, x, key_padding_mask=padding, attn_mask=future, need_weights=False)
        else:
            h = self.layer(x, src_mask=future, src_key_padding_mask=padding)
        if self.each:
            return self.head(h).transpose(1, 2)
        return self.head((h * exists[..., None]).sum(1) / lengths[:, None] if self.masked else h.mean(1))


def attention_case(*, masked: bool = False, bias: bool = True, block: dict[str, Any] | None = None, each: bool = False,
                   **options: Any) -> tuple[Shapes, Callable[[Values], nn.Module], bool]:  # fmt: skip
    path, n = str(int(masked)), FEATURES
    if block is None:
        shapes = attention_shapes(path, bias)
    else:
        shapes = attention_shapes(f"{path}.attention")
        shapes |= {f"{path}.{name}.{part}": (n,) for name in ("norm1", "norm2") for part in ("scale", "shift")}
        shapes |= {f"{path}.hidden.weights": (n, 6), f"{path}.hidden.bias": (6,)}
        shapes |= {f"{path}.output.weights": (6, n), f"{path}.output.bias": (n,)}
    head = int(masked) + 2 - each
    shapes |= {f"{head}.weights": (n, 3), f"{head}.bias": (3,)}
    options = {"masked": masked, "bias": bias, "block": block, "each": each, **options}
    return shapes, lambda values: Attention(values, **options), masked


# What has no layer in PyTorch, written in its functions.


class Pooled(nn.Module):
    """tanh of a dense layer on each position, after an encoding of the positions if any, and one row of them."""

    def __init__(self, values: Values, pool: str, masked: bool, encoding: str) -> None:
        super().__init__()
        self.pool, self.masked, self.encoding = pool, masked, encoding
        start = int(masked) + bool(encoding)
        if encoding == "learned":
            self.table = nn.Parameter(torch.tensor(values["0.table"]))
        elif encoding == "sinusoidal":
            angle = torch.arange(POSITIONS)[:, None] / 100.0 ** torch.tensor([0.0, 0.5])
            self.table = torch.stack([angle.sin(), angle.cos()], -1).reshape(POSITIONS, FEATURES)
        self.dense, self.head = linear(values, str(start)), linear(values, str(start + 3))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        lengths = lengths if self.masked else torch.full_like(lengths, POSITIONS)
        h = torch.tanh(self.dense(x + self.table if self.encoding else x))
        exists = (torch.arange(POSITIONS)[None] < lengths[:, None])[..., None]
        if self.pool == "mean":
            row = (h * exists).sum(1) / lengths[:, None]
        elif self.pool == "max":
            row = h.masked_fill(~exists, -torch.inf).amax(1)
        else:
            row = h[torch.arange(len(h)), lengths - 1]
        return self.head(row)


def pooled_case(
    pool: str, *, masked: bool = False, encoding: str = ""
) -> tuple[Shapes, Callable[[Values], nn.Module], bool]:
    start = int(masked) + bool(encoding)
    shapes: Shapes = {"0.table": (POSITIONS, FEATURES)} if encoding == "learned" else {}
    shapes |= {f"{start}.weights": (FEATURES, 5), f"{start}.bias": (5,)}
    shapes |= {f"{start + 3}.weights": (5, 3), f"{start + 3}.bias": (3,)}
    return shapes, lambda values: Pooled(values, pool, masked, encoding), masked


def cases() -> Iterator[tuple[str, tuple[Shapes, Callable[[Values], nn.Module], bool]]]:
    for kind in GATES:
        yield kind, recurrent_case(kind)
        yield f"{kind}, sequences", recurrent_case(kind, last=False)
        yield f"{kind}, reverse", recurrent_case(kind, reverse=True)
        yield f"{kind}, bidirectional, sequences", recurrent_case(kind, both=True, last=False)
        yield f"{kind}, masked", recurrent_case(kind, masked=True)
        yield f"{kind}, masked, bidirectional", recurrent_case(kind, masked=True, both=True)
        yield f"{kind}, masked, two, sequences", recurrent_case(kind, masked=True, layers=2, last=False)
    yield "rnn, relu", recurrent_case("rnn", activation="relu")
    yield "rnn, relu, masked", recurrent_case("rnn", activation="relu", masked=True)
    yield "attention", attention_case()
    yield "attention, no bias", attention_case(bias=False)
    yield "attention, causal", attention_case(causal=True)
    yield "attention, masked", attention_case(masked=True)
    yield "attention, masked, causal", attention_case(masked=True, causal=True)
    for norm_first in (True, False):
        norm = "before" if norm_first else "after"
        for activation, theirs in (("gelu", TANH_GELU), ("exact_gelu", "gelu"), ("relu", "relu")):
            block = {"norm_first": norm_first, "activation": theirs}
            yield f"block, norm {norm}, {activation}", attention_case(block=block)
            yield f"block, norm {norm}, {activation}, masked", attention_case(block=block, masked=True)
    yield (
        "block, causal, each position",
        attention_case(block={"norm_first": True, "activation": TANH_GELU}, causal=True, each=True),
    )
    for pool in ("mean", "max", "last"):
        yield f"{pool} over positions", pooled_case(pool)
        yield f"{pool} over positions, masked", pooled_case(pool, masked=True)
    yield "learned positions", pooled_case("last", encoding="learned")
    yield "sinusoidal positions", pooled_case("last", encoding="sinusoidal")


def curve(net: nn.Module, masked: bool, each: bool) -> list[float]:
    x, y = PADDED if masked else X, torch.tensor(DATA["position_classes" if each else "classes"])
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=STEP_SIZE)
    losses = []
    for rows in DATA["batches"]:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[rows], LENGTHS[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def main() -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    lines = []
    for i, (name, (shapes, make, masked)) in enumerate(cases()):
        values = drawn(np.random.default_rng(i), shapes)
        plain = {key: value.tolist() for key, value in values.items()}
        losses = curve(make(values), masked, "each position" in name)
        lines.append(f"    {json.dumps(name)}: {json.dumps({'parameters': plain, 'losses': losses})}")
    head = f'  "pytorch": "{torch.__version__}",\n  "data": {json.dumps(DATA)},\n  "cases": {{\n'
    TARGET.write_text("{\n" + head + ",\n".join(lines) + "\n  }\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
