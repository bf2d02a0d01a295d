"""Makes torch_layers.json: what PyTorch's layers do in 50 steps. Run by hand:

    pip install torch==2.13.0
    python tests/references/record_torch_layers.py

Every case is the network [dense of 4 units, LAYER, tanh, flatten, dense of 2 units] in float64, trained by gradient
descent on fixed batches of 8 of 40 rows from a fixed start: its parameters, in this project's order and layouts, are
the first numbers of `theta`. A case's curve is the loss of each batch before its update, and where training and
evaluation differ also the loss on all rows after each epoch of 5 batches. test_torch_layers.py trains the same
networks here, and holds what it calls a case's name against the curve of that name.

Arrays are channels-last, as they are here, and weights lie as they do here; each layer below turns both into PyTorch's
order on the way in, and the result back.

Random layers. Dropout of all kinds is PyTorch's own, by its own generator, and which numbers it kept is recorded. What
PyTorch has no layer for takes its uniform numbers from the list `uniform` (see `uniforms`).
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
from torch.nn import functional as F

TARGET = Path(__file__).with_name("torch_layers.json")
ROWS, BATCH, EPOCHS, UNITS, STEP_SIZE = 40, 8, 10, 4, 0.02
Tensor: TypeAlias = torch.Tensor


def data() -> dict[str, Any]:
    """Inputs of every kind, targets, batches, starting points and uniform numbers, in few digits."""
    rng = np.random.default_rng(21)
    shapes = {"features": (4,), "sequences": (6, 2), "images": (5, 4, 2), "volumes": (3, 4, 3, 1)}
    return {
        **{name: rng.normal(size=(ROWS, *shape)).round(2).tolist() for name, shape in shapes.items()},
        "entries": rng.integers(0, 7, (ROWS, 5)).astype(float).tolist(),
        "targets": rng.normal(size=(ROWS, 2)).round(2).tolist(),
        "batches": [b.tolist() for _ in range(EPOCHS) for b in rng.permutation(ROWS).reshape(-1, BATCH)],
        "theta": (rng.normal(size=1200) / 3).round(2).tolist(),
        "uniform": rng.random(997).round(4).clip(0, 0.9999).tolist(),
    }


DATA = data()


def uniforms(step: int, call: int, shape: tuple[int, ...]) -> Tensor:
    """What the call-th draw of a step gives: the list `uniform`, from place 131 · step + 41 · call on, in a circle."""
    places = (131 * step + 41 * call + np.arange(math.prod(shape))) % len(DATA["uniform"])
    return torch.from_numpy(np.array(DATA["uniform"])[places].reshape(shape))


class Step:
    """What a layer is told of a step: its number, whether it trains, what is kept, and where to note what was drawn."""

    def __init__(self, number: int, training: bool, kept: dict[str, Tensor], drawn: list[str]) -> None:
        self.number, self.training, self.kept, self.drawn = number, training, kept, drawn
        self.calls = 0

    def draw(self, *shape: int) -> Tensor:
        self.calls += 1
        return uniforms(self.number, self.calls, shape)

    def note(self, kept: Tensor) -> None:
        self.drawn.append(np.packbits(kept.numpy().ravel()).tobytes().hex())


Layer = Callable[[Tensor, list[Tensor], Step], Tensor]


def first(x: Tensor) -> Tensor:
    return x.movedim(-1, 1)


def last(x: Tensor) -> Tensor:
    return x.movedim(1, -1)


def curve(
    layer: Layer, inputs: str, shapes: list[tuple[int, ...]], kept: dict[str, Tensor] | None = None,
    dense_first: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Train; see the top. `shapes` are those of the layer's parameters here, `kept` what it keeps without learning."""
    x, y = (torch.from_numpy(np.array(DATA[name])) for name in (inputs, "targets"))
    kept = kept or {}
    recorded: dict[str, Any] = {"losses": [], "evaluated": [], "drawn": []}
    offset = 0

    def take(shape: tuple[int, ...]) -> Tensor:
        nonlocal offset
        offset += math.prod(shape)
        values = np.array(DATA["theta"][offset - math.prod(shape) : offset]).reshape(shape)
        return torch.from_numpy(values).requires_grad_()

    before = [take((x.shape[-1], UNITS)), take((UNITS,))] if dense_first else []
    own = [take(shape) for shape in shapes]

    def inside(x: Tensor, step: Step) -> Tensor:
        h = x @ before[0] + before[1] if before else x
        return torch.tanh(layer(h, own, step)).flatten(1)

    size = inside(x[:2], Step(0, False, kept, [])).shape[1]
    after = [take((size, 2)), take((2,))]
    parameters = [*before, *own, *after]
    optimizer = torch.optim.SGD(parameters, STEP_SIZE)
    for number, rows in enumerate(DATA["batches"]):
        optimizer.zero_grad()
        loss = F.mse_loss(inside(x[rows], Step(number, True, kept, recorded["drawn"])) @ after[0] + after[1], y[rows])
        loss.backward()
        optimizer.step()
        recorded["losses"].append(loss.item())
        if number % (ROWS // BATCH) == ROWS // BATCH - 1:
            with torch.no_grad():
                predictions = inside(x, Step(number, False, kept, [])) @ after[0] + after[1]
                recorded["evaluated"].append(float(F.mse_loss(predictions, y)))
    if not recorded["drawn"]:
        del recorded["drawn"]
    return recorded


Curves = Iterator[tuple[str, dict[str, Any]]]


def convolutions() -> Curves:
    def conv(function: Any, rank: int, **options: Any) -> Layer:
        def layer(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
            weights = p[0].permute(rank + 1, rank, *range(rank))
            return last(function(first(x), weights, p[1] if len(p) > 1 else None, **options))

        return (
            layer  # the same order of axes suits the transposed: (*window, filters, channels) → (channels, filters, …)
        )

    c1, c2, c3 = (partial(conv, f, r) for r, f in enumerate((F.conv1d, F.conv2d, F.conv3d), start=1))
    t1, t2, t3 = (
        partial(conv, f, r) for r, f in enumerate((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), start=1)
    )
    yield "conv1d", curve(c1(), "sequences", [(3, 4, 3), (3,)])
    yield (
        "conv1d, stride, padding, dilation, groups",
        curve(c1(stride=2, padding=2, dilation=2, groups=2), "sequences", [(2, 2, 4), (4,)]),
    )
    yield "conv2d", curve(c2(), "images", [(3, 3, 4, 3), (3,)])
    yield "conv2d, same, no bias", curve(c2(padding="same"), "images", [(3, 2, 4, 3)])
    yield (
        "conv2d, everything",
        curve(c2(stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), "images", [(3, 2, 2, 6), (6,)]),
    )
    yield "conv3d", curve(c3(), "volumes", [(2, 2, 2, 4, 2), (2,)])
    yield "conv3d, stride, padding", curve(c3(stride=2, padding=(1, 0, 1)), "volumes", [(3, 2, 3, 4, 2), (2,)])
    yield "depthwise_conv", curve(c2(padding=1, groups=4), "images", [(3, 3, 1, 8), (8,)])

    def separable(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        h = F.conv2d(first(x), p[0].permute(3, 2, 0, 1), groups=4, padding=1)
        return last(F.conv2d(h, p[1].T[:, :, None, None], p[2]))

    yield "separable_conv", curve(separable, "images", [(3, 3, 1, 8), (8, 3), (3,)])
    yield "conv1d_transpose", curve(t1(), "sequences", [(3, 3, 4), (3,)])
    yield (
        "conv1d_transpose, stride, output_padding, groups",
        curve(t1(stride=2, output_padding=1, groups=2), "sequences", [(3, 1, 4), (2,)]),
    )
    yield "conv2d_transpose", curve(t2(stride=2, padding=1), "images", [(3, 3, 2, 4), (2,)])
    yield (
        "conv2d_transpose, dilation, no bias",
        curve(t2(stride=(1, 2), dilation=(2, 1)), "images", [(2, 3, 1, 4)]),
    )
    yield "conv3d_transpose", curve(t3(), "volumes", [(2, 1, 2, 1, 4), (1,)])


def pools() -> Curves:
    def pool(function: Any, **options: Any) -> Layer:
        return lambda x, p, step: last(function(first(x), **options))

    yield "max_pool of sequences", curve(pool(F.max_pool1d, kernel_size=2), "sequences", [])
    yield "max_pool", curve(pool(F.max_pool2d, kernel_size=3, stride=2, padding=1), "images", [])
    yield "max_pool, dilation", curve(pool(F.max_pool2d, kernel_size=2, stride=1, dilation=(2, 1)), "images", [])
    yield "max_pool of volumes", curve(pool(F.max_pool3d, kernel_size=(1, 2, 3)), "volumes", [])
    average = partial(pool, F.avg_pool2d, kernel_size=(3, 2), stride=2, padding=1)
    yield "average_pool", curve(average(count_include_pad=False), "images", [])
    yield "average_pool, count_padding", curve(average(), "images", [])
    yield "adaptive_average_pool", curve(pool(F.adaptive_avg_pool2d, output_size=(3, 2)), "images", [])
    yield "adaptive_max_pool", curve(pool(F.adaptive_max_pool1d, output_size=4), "sequences", [])
    yield "global_average_pool", curve(lambda x, p, step: F.adaptive_avg_pool2d(first(x), 1).flatten(1), "images", [])
    yield "global_max_pool", curve(lambda x, p, step: F.adaptive_max_pool1d(first(x), 1).flatten(1), "sequences", [])


def norms() -> Curves:
    def kept(channels: int = 4) -> dict[str, Tensor]:
        return {
            "mean": torch.zeros(channels, dtype=torch.float64),
            "variance": torch.ones(channels, dtype=torch.float64),
        }

    def batch(momentum: float = 0.1, eps: float = 1e-5) -> Layer:
        def layer(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
            scale, shift = p or (None, None)
            k = step.kept
            return last(F.batch_norm(first(x), k["mean"], k["variance"], scale, shift, step.training, momentum, eps))

        return layer

    def biased(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        """As `batch`, with a moving average of the variance divided by n."""
        k = step.kept
        if not step.training:
            return last(F.batch_norm(first(x), k["mean"], k["variance"], *p))
        with torch.no_grad():
            axes = tuple(range(x.ndim - 1))
            k["mean"] += 0.1 * (x.mean(axes) - k["mean"])
            k["variance"] += 0.1 * (x.var(axes, correction=0) - k["variance"])
        return last(F.batch_norm(first(x), None, None, *p, training=True))

    two = [(4,), (4,)]
    yield "batch_norm", curve(biased, "features", two, kept())
    yield "batch_norm, unbiased", curve(batch(), "features", two, kept())
    yield "batch_norm of images, unbiased, momentum, epsilon", curve(batch(0.3, 1e-2), "images", two, kept())
    yield "batch_norm, unbiased, without scale and shift", curve(batch(), "sequences", [], kept())
    yield "layer_norm", curve(lambda x, p, step: F.layer_norm(x, (4,), *p), "sequences", two)
    yield (
        "layer_norm, axis, epsilon",
        curve(lambda x, p, step: F.layer_norm(x, x.shape[-2:], *p, 1e-2), "images", [(4, 4), (4, 4)]),
    )
    yield "rms_norm", curve(lambda x, p, step: F.rms_norm(x, (4,), p[0], 1e-6), "features", [(4,)])
    yield (
        "group_norm",
        curve(lambda x, p, step: last(F.group_norm(first(x), 2, p[0], p[1])), "images", two),
    )
    yield (
        "instance_norm",
        curve(lambda x, p, step: last(F.instance_norm(first(x), weight=p[0], bias=p[1], eps=1e-3)), "images", two),
    )


def noise() -> Curves:
    def dropout(function: Any, rate: float, channels: bool = False, alpha: bool = False) -> Layer:
        """PyTorch's own, and what it kept: what it does to ones, or for alpha to zeros, with the same seed."""

        def layer(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
            if not step.training:
                return x
            x = first(x)
            torch.manual_seed(step.number)
            probe = function(torch.zeros_like(x) if alpha else torch.ones_like(x), rate, True)
            kept = last(probe > 0)
            step.note(kept.reshape(len(x), -1, x.shape[1])[:, 0] if channels else kept)
            torch.manual_seed(step.number)
            return last(function(x, rate, True))

        return layer

    def normal(step: Step, shape: torch.Size) -> Tensor:
        radius = torch.sqrt(-2 * torch.log(1 - step.draw(*shape)))
        return radius * torch.cos(2 * math.pi * step.draw(*shape))

    def gaussian(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        return x + 0.3 * normal(step, x.shape) if step.training else x

    def gaussian_dropout(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        return x * (1 + math.sqrt(0.2 / 0.8) * normal(step, x.shape)) if step.training else x

    yield "dropout", curve(dropout(F.dropout, 0.5), "features", [])
    yield "dropout, rate", curve(dropout(F.dropout, 0.2), "images", [])
    yield "spatial_dropout of sequences", curve(dropout(F.dropout1d, 0.5, channels=True), "sequences", [])
    yield "spatial_dropout, rate", curve(dropout(F.dropout2d, 0.3, channels=True), "images", [])
    yield "alpha_dropout, rate", curve(dropout(F.alpha_dropout, 0.3, alpha=True), "features", [])
    yield "gaussian_noise", curve(gaussian, "features", [])
    yield "gaussian_dropout, rate", curve(gaussian_dropout, "images", [])


def shapes() -> Curves:
    def upsampling(**options: Any) -> Layer:
        return lambda x, p, step: last(F.interpolate(first(x), **options))

    yield "flatten", curve(lambda x, p, step: x.flatten(1), "images", [])
    yield "reshape", curve(lambda x, p, step: torch.softmax(x.reshape(len(x), -1, 8), -1), "images", [])
    yield "permute", curve(lambda x, p, step: torch.softmax(x.permute(0, 3, 1, 2), -1), "images", [])
    yield "zero_padding", curve(lambda x, p, step: torch.softmax(F.pad(x, (0, 0, 1, 2, 0, 1)), 1), "images", [])
    yield "cropping", curve(lambda x, p, step: F.pad(x, (0, 0, -1, -2, 0, -1)), "images", [])
    yield "upsampling", curve(upsampling(scale_factor=2), "sequences", [])
    yield "upsampling, factor", curve(upsampling(scale_factor=(1, 1, 2)), "volumes", [])
    yield "upsampling, linear", curve(upsampling(scale_factor=3, mode="linear"), "sequences", [])
    yield (
        "upsampling, bilinear",
        curve(upsampling(scale_factor=(2, 3), mode="bilinear"), "images", []),
    )


def embeddings() -> Curves:
    def masked_mean(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        there = (x != 0)[:, :, None]
        return (F.embedding(x.long(), p[0]) * there).sum(1) / there.sum(1).clamp(min=1)

    yield "embedding", curve(lambda x, p, s: F.embedding(x.long(), p[0]), "entries", [(7, 3)], dense_first=False)
    yield "embedding, mask", curve(masked_mean, "entries", [(7, 3)], dense_first=False)


def augmentations() -> Curves:
    def whole(uniform: Tensor, pixels: int) -> list[int]:
        return [math.floor(u * (2 * pixels + 1)) - pixels for u in uniform.ravel().tolist()]

    def shift(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        if not step.training:
            return x
        down, right = whole(step.draw(len(x), 1), 2), whole(step.draw(len(x), 1), 1)
        framed = F.pad(first(x), (1, 1, 2, 2), mode="replicate")
        height, width = x.shape[1:3]
        moved = [
            image[:, 2 - d : 2 - d + height, 1 - r : 1 - r + width]
            for image, d, r in zip(framed, down, right, strict=True)
        ]
        return last(torch.stack(moved))

    def shift_in_zeros(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        if not step.training:
            return x
        framed = F.pad(first(x), (2, 2))
        moved = [
            row[:, 2 - s : 2 - s + x.shape[1]] for row, s in zip(framed, whole(step.draw(len(x), 1), 2), strict=True)
        ]
        return last(torch.stack(moved))

    def flip(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
        for axis in (2, 1) if step.training else ():
            x = torch.where(step.draw(len(x), 1, 1, 1) < 0.5, x.flip(axis), x)
        return x

    def rotation(fill: str) -> Layer:
        def layer(x: Tensor, p: list[Tensor], step: Step) -> Tensor:
            if not step.training:
                return x
            angle = ((2 * step.draw(len(x), 1, 1) - 1) * math.radians(40)).ravel()
            height, width = (n - 1 for n in x.shape[1:3])  # the corners of PyTorch's grid are ±1
            zero = torch.zeros_like(angle)
            rows = [angle.cos(), angle.sin() * height / width, zero, -angle.sin() * width / height, angle.cos(), zero]
            affine = torch.stack(rows, 1).reshape(-1, 2, 3)
            grid = F.affine_grid(affine, list(first(x).shape), align_corners=True)
            return last(F.grid_sample(first(x), grid, padding_mode=fill, align_corners=True))

        return layer

    yield "random_shift, pixels", curve(shift, "images", [])
    yield "random_shift of sequences, zero", curve(shift_in_zeros, "sequences", [])
    yield "random_flip, both", curve(flip, "images", [])
    yield "random_rotation", curve(rotation("border"), "images", [])
    yield "random_rotation, zero", curve(rotation("zeros"), "images", [])


def main() -> None:
    torch.set_num_threads(1)
    families = (convolutions, pools, norms, noise, shapes, embeddings, augmentations)
    curves = {name: recorded for family in families for name, recorded in family()}
    for name, recorded in curves.items():  # a curve that runs away compares nothing but infinities
        assert max(recorded["losses"][5:]) < 2 * max(recorded["losses"][:5]), f"{name}: {recorded['losses']}"
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(recorded)}" for name, recorded in curves.items())
    head = f'  "pytorch": "{torch.__version__}",\n  "data": {json.dumps(DATA)}'
    TARGET.write_text(f'{{\n{head},\n  "curves": {{\n{lines}\n  }}\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
