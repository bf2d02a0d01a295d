"""A trained network as a module of PyTorch: its parameters under PyTorch's names, in its layouts, and the text of it.

Images and sequences keep the layout that they have here, channels or features last; the module turns them around where
PyTorch wants channels first. PyTorch itself is not needed to write either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trainer import __version__
from trainer.errors import UsageError
from trainer.experiment.model import Model
from trainer.export.whole import edges
from trainer.nn.calls import name_of
from trainer.nn.contract import MinimalLayer
from trainer.nn.initialise import initialised
from trainer.nn.layers import Dense, OpLayer, Rescale
from trainer.nn.structure import Columns, Parallel, Repeat, Residual, Sequential
from trainer.types import Array, Shape
from trainer.wording import listed

__all__ = ["Module", "to_pytorch"]

Parameters = Mapping[str, Any]
Writer = Callable[["Module", str, Any, Parameters, Shape], None]
LAYERS: dict[str, Writer] = {}

# An op in terms of its input x and its attributes.
OPS = {
    "relu": "torch.relu(x)", "relu6": "F.relu6(x)", "leaky_relu": "F.leaky_relu(x, {negative_slope})",
    "elu": "F.elu(x, {alpha})", "celu": "F.celu(x, {alpha})", "selu": "F.selu(x)", "silu": "F.silu(x)",
    "mish": "F.mish(x)", "softplus": "F.softplus(x)", "softsign": "F.softsign(x)", "tanh": "torch.tanh(x)",
    "sigmoid": "torch.sigmoid(x)", "log_sigmoid": "F.logsigmoid(x)", "softmax": "torch.softmax(x, {axis})",
    "log_softmax": "torch.log_softmax(x, {axis})", "hard_sigmoid": "F.hardsigmoid(x)", "hard_swish": "F.hardswish(x)",
    "hard_tanh": "F.hardtanh(x)", "hardshrink": "F.hardshrink(x, {threshold})", "tanhshrink": "F.tanhshrink(x)",
    "softshrink": "F.softshrink(x, {threshold})", "swish": "x * torch.sigmoid({beta} * x)", "exp": "torch.exp(x)",
    "sin": "torch.sin(x)", "cos": "torch.cos(x)", "absolute": "torch.abs(x)", "square": "torch.square(x)",
    "threshold": "F.threshold(x, {level}, {value})",
}  # fmt: skip
GELU = {True: 'F.gelu(x, approximate="tanh")', False: "F.gelu(x)"}
# Layers that only training knows.
STILL = ("gaussian_noise", "gaussian_dropout", "alpha_dropout", "spatial_dropout", "dropout")


class Module:
    """The text of a module as it grows, and its state.

    dtype: of its parameters.
    made: lines of `__init__`.
    told: lines of `forward`, in which `x` goes from layer to layer.
    state: what `load_state_dict` takes.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.made: list[str] = []
        self.told: list[str] = []
        self.state: dict[str, Array] = {}

    def add(self, path: str, module: str, **arrays: Array) -> None:
        """A module of PyTorch's as an attribute, with its parameters."""
        self.made.append(f"self.{path} = {module}")
        self.state |= {f"{path}.{name}": np.ascontiguousarray(array) for name, array in arrays.items()}

    def buffer(self, path: str, array: Array) -> None:
        """An array that is not learnt."""
        kind = f"torch.zeros({list(array.shape)}, dtype=torch.{array.dtype.name})"
        self.made.append(f'self.register_buffer("{path}", {kind})')
        self.state[path] = np.ascontiguousarray(array)

    def layer(self, path: str, layer: MinimalLayer, parameters: Parameters, shape: Shape) -> Shape:
        """Write a layer that gets this shape per example; the shape that it gives.

        Raises UsageError where it has no equivalent.
        """
        name = name_of(layer)
        after = initialised(layer, np.random.default_rng(0), shape)[1]
        if isinstance(layer, OpLayer):
            self._op(name, {**layer.op.attributes, **layer.attributes})
        elif name in LAYERS:
            LAYERS[name](self, path, layer, parameters, shape)
        elif name not in STILL:
            raise UsageError(_refusal(name))
        return after

    def sequence(self, path: str, layers: Sequence[Any], parameters: Parameters, shape: Shape) -> Shape:
        """Write layers one after the other."""
        for i, layer in enumerate(layers):
            shape = self.layer(f"{path}_{i}", layer, parameters[str(i)], shape)
        return shape

    def _op(self, name: str, attributes: Mapping[str, Any]) -> None:
        if name == "gelu":
            self.told.append(f"x = {GELU[bool(attributes['approximate'])]}")
        elif name in OPS:
            self.told.append(f"x = {OPS[name].format(**attributes)}")
        else:
            raise UsageError(_refusal(name))


def _refusal(name: str) -> str:
    have = listed(sorted({*LAYERS, *OPS, *STILL, "gelu"}), 100)
    return f"layer '{name}' has no equivalent among PyTorch's modules here; those that have one are {have}"


def to_pytorch(model: Model, file: str) -> tuple[dict[str, Array], str]:
    """The state of a module of PyTorch's, and the text that makes the module and loads it from a file of this name.

    Raises UsageError for a layer that has no equivalent, and for steps of `preprocess:`.
    """
    if model.preprocessing is not None:
        raise UsageError(
            "the steps of preprocess are no part of a module of PyTorch's; export with --onnx or --python, which have "
            "them, or train without"
        )
    module, network = Module(model.dtype), model.network
    if model.scaling is not None:
        module.buffer("mean", model.scaling.mean)
        module.buffer("scale", model.scaling.scale)
        module.told.append(f"x = ((x.double() - self.mean) / self.scale).to(torch.{model.dtype.name})")
    shape: Shape = network.input_shape
    for i, (layer, tree) in enumerate(zip(network.layers, network.tree(model.parameters), strict=True)):
        if isinstance(layer, Rescale):
            module.buffer(f"layer{i}_mean", np.array(layer.mean, model.dtype))
            module.buffer(f"layer{i}_scale", np.array(layer.scale, model.dtype))
            module.told.append(f"x = x * self.layer{i}_scale + self.layer{i}_mean")
        else:
            shape = module.layer(f"layer{i}", layer, tree, shape)
    return module.state, _text(module, model, file)


def _text(module: Module, model: Model, file: str) -> str:
    partial = "\nfrom functools import partial\n" if any("partial(" in line for line in module.made) else ""
    double = ".double()" if model.dtype == np.float64 else ""
    made, told = ("\n        ".join(lines) for lines in (module.made, module.told))
    rows, outputs = (", ".join(map(str, shape)) for shape in (model.inputs.shape, model.network.output_shape))
    classes = f"\nCLASS_NAMES = {list(model.class_names)!r}\n" if model.class_names else ""
    return f'''"""{model.name}: written by tape-trainer {__version__}."""
{partial}
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
{classes}

class Model(nn.Module):
    """Takes (rows, {rows}) as the data set had it, and gives (rows, {outputs})."""

    def __init__(self):
        super().__init__()
        {made}

    def forward(self, x):
        {told}
        return x


model = Model(){double}
model.load_state_dict(load_file("{file}"))
model.train(False)
'''


def _writes(*names: str) -> Callable[[Writer], Writer]:
    def register(writer: Writer) -> Writer:
        LAYERS.update(dict.fromkeys(names, writer))
        return writer

    return register


def _needs(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise UsageError(f"layer '{name}' {what}, which PyTorch's module does not have")


@_writes("dense")
def _dense(m: Module, path: str, layer: Dense, p: Parameters, shape: Shape) -> None:
    bias = {"bias": p["bias"]} if "bias" in p else {}
    options = "" if bias else ", bias=False"
    m.add(path, f"nn.Linear({shape[-1]}, {layer.units}{options})", weight=np.transpose(p["weights"]), **bias)
    m.told.append(f"x = self.{path}(x)")


@_writes("flatten")
def _flatten(m: Module, path: str, layer: object, p: Parameters, shape: Shape) -> None:
    m.told.append("x = x.flatten(1)")


@_writes("reshape")
def _reshape(m: Module, path: str, layer: MinimalLayer, p: Parameters, shape: Shape) -> None:
    after = initialised(layer, np.random.default_rng(0), shape)[1]
    m.told.append(f"x = x.reshape(len(x), {', '.join(map(str, after))})")


@_writes("permute")
def _permute(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    m.told.append(f"x = x.permute(0, {', '.join(str(axis + 1) for axis in layer.axes)})")


@_writes("columns")
def _columns(m: Module, path: str, layer: Columns, p: Parameters, shape: Shape) -> None:
    m.told.append(f"x = x[..., {list(layer.columns)}]")


# Images: channels last here, first there.


def _per_axis(value: int | Sequence[int], rank: int) -> list[int]:
    return [int(v) for v in np.broadcast_to(value, (rank,))]


def _padded(m: Module, pads: Sequence[tuple[int, int]], filler: str = "0.0") -> None:
    """Put what a window may reach around the places; PyTorch counts the axes from the last, channels first."""
    if any(a or b for a, b in pads):
        widths = [0, 0, *(int(width) for pair in reversed(pads) for width in pair)]
        m.told.append(f"x = F.pad(x, {widths}, value={filler})")


@_writes("conv1d", "conv2d", "conv3d")
def _conv(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    rank = len(shape) - 1
    window, stride, dilation = (_per_axis(v, rank) for v in (layer.kernel, layer.stride, layer.dilation))
    _padded(m, edges(layer.padding, shape[:-1], window, stride, dilation))
    weights = np.transpose(p["weights"], (rank + 1, rank, *range(rank)))
    bias = {"bias": p["bias"]} if "bias" in p else {}
    options = f"stride={stride}, dilation={dilation}, groups={layer.groups}, bias={bool(bias)}"
    m.add(path, f"nn.Conv{rank}d({shape[-1]}, {layer.filters}, {window}, {options})", weight=weights, **bias)
    m.told.append(f"x = self.{path}(x.movedim(-1, 1)).movedim(1, -1)")


@_writes("max_pool")
def _max_pool(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    rank = len(shape) - 1
    window, dilation = _per_axis(layer.window, rank), _per_axis(layer.dilation, rank)
    stride = window if layer.stride is None else _per_axis(layer.stride, rank)
    _padded(m, edges(layer.padding, shape[:-1], window, stride, dilation), 'float("-inf")')
    m.told.append(f"x = F.max_pool{rank}d(x.movedim(-1, 1), {window}, {stride}, dilation={dilation}).movedim(1, -1)")


@_writes("average_pool")
def _average_pool(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    rank = len(shape) - 1
    window = _per_axis(layer.window, rank)
    stride = window if layer.stride is None else _per_axis(layer.stride, rank)
    pads = edges(layer.padding, shape[:-1], window, stride, [1] * rank)
    _needs(layer.count_padding or not any(map(any, pads)), "average_pool", "leaves the padding out of its means")
    _padded(m, pads)
    m.told.append(f"x = F.avg_pool{rank}d(x.movedim(-1, 1), {window}, {stride}).movedim(1, -1)")


@_writes("global_average_pool", "global_max_pool")
def _global(m: Module, path: str, layer: object, p: Parameters, shape: Shape) -> None:
    over = "mean" if name_of(layer) == "global_average_pool" else "amax"
    m.told.append(f"x = x.{over}({tuple(range(1, len(shape)))})")


@_writes("batch_norm")
def _batch_norm(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    rank, channels = max(1, len(shape) - 1), shape[-1]
    scale, shift = (p.get(name, default) for name, default in (("scale", np.ones(channels)), ("shift", None)))
    dtype = np.asarray(p["mean"]).dtype
    m.add(
        path,
        f"nn.BatchNorm{rank}d({channels}, eps={layer.epsilon}, momentum={1 - layer.momentum:.12g})",
        weight=np.asarray(scale, dtype),
        bias=np.zeros(channels, dtype) if shift is None else shift,
        running_mean=p["mean"],
        running_var=p["variance"],
        num_batches_tracked=np.array(0),
    )
    m.told.append(f"x = self.{path}(x{'.movedim(-1, 1)' if len(shape) > 1 else ''})"
                  f"{'.movedim(1, -1)' if len(shape) > 1 else ''}")  # fmt: skip


@_writes("layer_norm")
def _layer_norm(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    axes = sorted(axis % len(shape) for axis in np.atleast_1d(layer.axis).tolist())
    _needs(
        axes == list(range(len(shape) - len(axes), len(shape))), "layer_norm", "goes over axes that are not the last"
    )
    over, dtype = shape[axes[0] :], next((np.asarray(value).dtype for value in p.values()), np.dtype(np.float32))
    weight, bias = p.get("scale", np.ones(over, dtype)), p.get("shift", np.zeros(over, dtype))
    m.add(path, f"nn.LayerNorm({list(over)}, eps={layer.epsilon})", weight=weight, bias=bias)
    m.told.append(f"x = self.{path}(x)")


# Sequences.


@_writes("embedding")
def _embedding(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    _needs(layer.mask is None, "embedding", "masks an entry")
    m.add(path, f"nn.Embedding({layer.entries}, {layer.size})", weight=p["table"])
    m.told.append(f"x = self.{path}(x.long())")


@_writes("learned_positions")
def _learned(m: Module, path: str, layer: object, p: Parameters, shape: Shape) -> None:
    table = np.asarray(p["table"])
    m.made.append(f"self.{path} = nn.Parameter(torch.zeros({list(table.shape)}))")
    m.state[path] = np.ascontiguousarray(table)
    m.told.append(f"x = x + self.{path}[: x.shape[1]]")


@_writes("sinusoidal_positions")
def _sinusoidal(m: Module, path: str, layer: MinimalLayer, p: Parameters, shape: Shape) -> None:
    m.buffer(path, layer.apply({}, np.zeros((1, *shape), m.dtype))[0])
    m.told.append(f"x = x + self.{path}")


@_writes("mean_over_positions", "max_over_positions", "last_position")
def _over_positions(m: Module, path: str, layer: object, p: Parameters, shape: Shape) -> None:
    over = {"mean_over_positions": ".mean(1)", "max_over_positions": ".amax(1)", "last_position": "[:, -1]"}
    m.told.append(f"x = x{over[name_of(layer)]}")


@_writes("rnn", "gru", "lstm")
def _recurrent(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    kind, both = name_of(layer), layer.bidirectional
    own = {"": p} if not both else {"": p["forward"], "_reverse": p["reverse"]}
    arrays = {
        name: array for way, q in own.items() for name, array in _gates(kind, layer.units, q, f"_l0{way}").items()
    }
    options = f", nonlinearity={layer.activation!r}" if kind == "rnn" else ""
    options += ", bidirectional=True" if both else ""
    m.add(path, f"nn.{kind.upper()}({shape[-1]}, {layer.units}, batch_first=True{options})", **arrays)
    m.told.append(f"x, _ = self.{path}({'x.flip(1)' if layer.reverse else 'x'})")
    if layer.sequences and layer.reverse:
        m.told.append("x = x.flip(1)")
    elif not layer.sequences and both:
        m.told.append(f"x = torch.cat([x[:, -1, : {layer.units}], x[:, 0, {layer.units} :]], -1)")
    elif not layer.sequences:
        m.told.append("x = x[:, -1]")


def _gates(kind: str, units: int, p: Parameters, suffix: str) -> dict[str, Array]:
    """The parameters of one direction: of an LSTM's columns the candidate stands last here, third there."""
    order = np.arange(np.shape(p["bias"])[0])
    if kind == "lstm":
        order = order.reshape(4, units)[[0, 1, 3, 2]].ravel()
    weights, recurrent, bias = (np.asarray(p[name])[..., order] for name in ("weights", "recurrent", "bias"))
    second = np.zeros_like(bias)
    if kind == "gru":
        second[2 * units :] = p["recurrent_bias"]
    arrays = {"weight_ih": weights.T, "weight_hh": recurrent.T, "bias_ih": bias, "bias_hh": second}
    return {name + suffix: array for name, array in arrays.items()}


def _future(positions: int) -> str:
    return f"torch.ones({positions}, {positions}, dtype=torch.bool, device=x.device).triu(1)"


@_writes("multi_head_attention")
def _attention(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    _needs(layer.size in (None, shape[-1]), "multi_head_attention", "has a size of its own")
    _needs(not layer.rotary, "multi_head_attention", "turns by positions (rotary)")
    options = "" if layer.bias else ", bias=False"
    m.add(path, f"nn.MultiheadAttention({shape[-1]}, {layer.heads}, batch_first=True{options})", **_attends(p))
    mask = f", attn_mask={_future(shape[0])}" if layer.causal else ""
    m.told.append(f"x, _ = self.{path}(x, x, x, need_weights=False{mask})")


def _attends(p: Parameters, prefix: str = "") -> dict[str, Array]:
    arrays = {"in_proj_weight": np.transpose(p["weights"]), "out_proj.weight": np.transpose(p["output_weights"])}
    if "bias" in p:
        arrays |= {"in_proj_bias": p["bias"], "out_proj.bias": p["output_bias"]}
    return {prefix + name: array for name, array in arrays.items()}


@_writes("transformer_block")
def _block(m: Module, path: str, layer: Any, p: Parameters, shape: Shape) -> None:
    _needs(not layer.rotary, "transformer_block", "turns by positions (rotary)")
    hidden = p["hidden"]["bias"].shape[0]
    activation = {  # a module GELU would be taken for the exact one by PyTorch's fast path, whatever it approximates
        "gelu": 'partial(F.gelu, approximate="tanh")', "exact_gelu": "F.gelu", "relu": "F.relu", "silu": "F.silu",
    }[layer.activation]  # fmt: skip
    options = f"dropout={layer.dropout}, activation={activation}, layer_norm_eps={layer.epsilon}"
    m.add(
        path,
        f"nn.TransformerEncoderLayer({shape[-1]}, {layer.heads}, {hidden}, {options}, "
        f"batch_first=True, norm_first={layer.norm == 'before'})",
        **_attends(p["attention"], "self_attn."),
        **{f"norm{i}.weight": p[f"norm{i}"]["scale"] for i in (1, 2)},
        **{f"norm{i}.bias": p[f"norm{i}"]["shift"] for i in (1, 2)},
        **{"linear1.weight": np.transpose(p["hidden"]["weights"]), "linear1.bias": p["hidden"]["bias"]},
        **{"linear2.weight": np.transpose(p["output"]["weights"]), "linear2.bias": p["output"]["bias"]},
    )
    mask = f", src_mask={_future(shape[0])}" if layer.causal else ""
    m.told.append(f"x = self.{path}(x{mask})")


# Layers of layers.


@_writes("residual")
def _residual(m: Module, path: str, layer: Residual, p: Parameters, shape: Shape) -> None:
    before = f"{path}_in"
    m.told.append(f"{before} = x")
    m.sequence(f"{path}_layers", layer.layers, p["layers"], shape)
    m.told.append(f"{path}_out, x = x, {before}")
    m.sequence(f"{path}_shortcut", layer.shortcut, p["shortcut"], shape)
    m.told.append(f"x = {path}_out + x")


@_writes("parallel")
def _parallel(m: Module, path: str, layer: Parallel, p: Parameters, shape: Shape) -> None:
    m.told.append(f"{path}_in = x")
    outputs = []
    for name, branch in layer.branches().items():
        m.told.append(f"x = {path}_in")
        m.sequence(f"{path}_{name}", branch.layers, p[name], shape)
        outputs.append(f"{path}_{name}_out")
        m.told.append(f"{outputs[-1]} = x")
    signs = {"add": " + ", "multiply": " * ", "subtract": " - "}
    joined = (
        f"torch.cat([{', '.join(outputs)}], -1)" if layer.join_by == "concat" else signs[layer.join_by].join(outputs)
    )
    m.told.append(f"x = {joined}")


@_writes("repeat")
def _repeat(m: Module, path: str, layer: Repeat, p: Parameters, shape: Shape) -> None:
    for time in range(layer.times):
        shape = m.sequence(f"{path}_{time}", layer.layers, p[str(time)], shape)


@_writes("sequential")
def _sequential(m: Module, path: str, layer: Sequential, p: Parameters, shape: Shape) -> None:
    m.sequence(path, layer.layers, p, shape)
