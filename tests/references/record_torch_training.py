"""Makes torch_training.json: what PyTorch's optimisers, schedulers and losses do in 50 steps. Run by hand:

    pip install torch==2.13.0
    pip install --no-deps lion-pytorch==0.2.5 timm==1.0.31      # PyTorch itself has neither Lion nor LAMB
    python tests/references/record_torch_training.py

A network of 4, 6 (tanh) and k units in float64 is trained on fixed batches of 8 of 40 rows from a fixed start. Each
case's curve is the loss of each batch before its update. test_torch_training.py trains the same networks here, and
holds what it calls a case's name against the curve of that name.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

TARGET = Path(__file__).with_name("torch_training.json")
STEPS, ROWS, BATCH = 50, 40, 8


def data() -> dict[str, Any]:
    """Inputs, targets of every kind, batches and starting points, in few digits."""
    rng = np.random.default_rng(20)
    x = rng.normal(size=(ROWS, 4)).round(3)
    score = x @ rng.normal(size=(4, 3)) + rng.normal(size=(ROWS, 3))
    eighths = rng.multinomial(8, [0.5, 0.3, 0.2], ROWS) / 8
    data = {
        "inputs": x.tolist(),
        "classes": score.argmax(1).tolist(),
        "binary": (score[:, :1] > 0).astype(float).tolist(),
        "signs": np.where(score[:, :1] > 0, 1.0, -1.0).tolist(),
        "values": score[:, :2].round(3).tolist(),
        "counts": rng.poisson(2.0, (ROWS, 2)).astype(float).tolist(),
        "probabilities": eighths.tolist(),
        "batches": [b.tolist() for _ in range(10) for b in rng.permutation(ROWS).reshape(-1, BATCH)],
        "theta": {str(k): theta(rng, k) for k in (1, 2, 3)},
    }
    data["theta"] |= {str(k): theta(rng, k) for k in (4, 6)}
    data["value"] = score[:, :1].round(3).tolist()
    data["positions"] = rng.integers(0, 3, (ROWS, 2)).tolist()
    data["padded"] = np.where(rng.random((ROWS, 2)) < 0.3, -1, data["positions"]).tolist()
    return data


def theta(rng: np.random.Generator, k: int) -> list[float]:
    """Weights and biases of both layers, one after the other; the last bias begins at 0."""
    parts = [rng.normal(size=24) / 2, rng.normal(size=6) / 4, rng.normal(size=6 * k) / 2, np.zeros(k)]
    return [float(v) for v in np.concatenate(parts).round(3)]


DATA = data()


class Net(torch.nn.Module):
    """x ↦ tanh(x W1 + b1) W2 + b2."""

    def __init__(self, k: int) -> None:
        super().__init__()
        flat, shapes, start = torch.tensor(DATA["theta"][str(k)], dtype=torch.float64), [(4, 6), (6,), (6, k), (k,)], 0
        self.own = torch.nn.ParameterList()
        for shape in shapes:
            size = int(np.prod(shape))
            self.own.append(torch.nn.Parameter(flat[start : start + size].reshape(shape).clone()))
            start += size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w1, b1, w2, b2 = self.own
        return torch.tanh(x @ w1 + b1) @ w2 + b2


def tensor(name: str) -> torch.Tensor:
    values = np.array(DATA[name])  # float64, where torch.tensor would make float32 of a list
    return torch.from_numpy(values)


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def curve(
    make: Callable[[Any], torch.optim.Optimizer],
    *,
    loss: Loss = F.cross_entropy,
    targets: str = "classes",
    k: int = 3,
    full: bool = False,
    clip: Callable[[list[Any]], Any] | None = None,
    accumulate: int = 1,
    average: float | None = None,
    scheduler: Callable[[Any], Any] | None = None,
) -> dict[str, list[float]]:
    """Train; the losses, with an average its loss on all rows after each epoch, with a scheduler the step sizes."""
    net, x, y = Net(k), tensor("inputs"), tensor(targets)
    optimizer = make(net.parameters())
    averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(average)) if average else None
    schedule = scheduler(optimizer) if scheduler else None
    recorded: dict[str, list[float]] = {"losses": [], "averaged": [], "sizes": []}
    for step, batch in enumerate(DATA["batches"]):
        rows = list(range(ROWS)) if full else batch

        def closure(rows: list[int] = rows) -> torch.Tensor:
            value = loss(net(x[rows]), y[rows])
            (value / accumulate).backward()
            return value

        if step % accumulate == 0:
            optimizer.zero_grad()
        recorded["sizes"].append(float(optimizer.param_groups[0]["lr"]))
        if isinstance(optimizer, torch.optim.LBFGS):
            value = optimizer.step(lambda: (optimizer.zero_grad(), closure())[1])
        else:
            value = closure()
            if step % accumulate == accumulate - 1:
                if clip:
                    clip(list(net.parameters()))
                optimizer.step()
                if averaged:
                    averaged.update_parameters(net)
        recorded["losses"].append(float(value))
        epoch_is_over = step % (ROWS // BATCH) == ROWS // BATCH - 1
        with torch.no_grad():
            if averaged and epoch_is_over:
                recorded["averaged"].append(float(loss(averaged(x), y)))
            if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
                if epoch_is_over:
                    schedule.step(float(loss(net(x), y)))
            elif schedule:
                schedule.step()
    keep = {"losses": True, "averaged": averaged, "sizes": schedule}
    return {name: values for name, values in recorded.items() if keep[name]}


def timm_lamb() -> Any:
    """timm's LAMB, without timm's package, which needs torchvision."""
    for name in ("timm", "timm.optim"):
        module = sys.modules.setdefault(name, types.ModuleType(name))
        module.__path__ = [str(Path(p) / name.replace(".", "/")) for p in sys.path]
    return importlib.import_module("timm.optim.lamb").Lamb


def optimizers() -> Iterator[tuple[str, dict[str, list[float]]]]:
    from lion_pytorch import Lion

    o, Lamb = torch.optim, timm_lamb()

    def sgd(p: Any) -> Any:
        return o.SGD(p, 0.5)

    def each(parameters: list[Any]) -> None:
        for parameter in parameters:
            clip_grad_norm_([parameter], 0.1)

    yield "sgd", curve(sgd)
    yield "momentum", curve(lambda p: o.SGD(p, 0.1, momentum=0.9))
    yield "momentum, weight decay", curve(lambda p: o.SGD(p, 0.1, momentum=0.8, weight_decay=0.05))
    yield "nesterov", curve(lambda p: o.SGD(p, 0.1, momentum=0.9, nesterov=True))
    yield "nesterov, weight decay", curve(lambda p: o.SGD(p, 0.1, momentum=0.8, nesterov=True, weight_decay=0.05))
    yield "adagrad", curve(lambda p: o.Adagrad(p, 0.1))
    yield (
        "adagrad, initial, weight decay",
        curve(lambda p: o.Adagrad(p, 0.1, initial_accumulator_value=0.1, eps=1e-3, weight_decay=0.05)),
    )
    yield "rmsprop", curve(lambda p: o.RMSprop(p, 0.01))
    yield (
        "rmsprop, centered, momentum, weight decay",
        curve(lambda p: o.RMSprop(p, 0.01, alpha=0.9, eps=1e-4, centered=True, momentum=0.5, weight_decay=0.05)),
    )
    yield "adadelta", curve(lambda p: o.Adadelta(p))
    yield "adadelta, weight decay", curve(lambda p: o.Adadelta(p, 2.0, rho=0.8, eps=1e-3, weight_decay=0.05))
    yield "adam", curve(lambda p: o.Adam(p, 0.05))
    yield "adam, weight decay", curve(lambda p: o.Adam(p, 0.05, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.05))
    yield "adamw", curve(lambda p: o.AdamW(p, 0.05))
    yield "adamw, weight decay", curve(lambda p: o.AdamW(p, 0.05, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.5))
    yield "amsgrad", curve(lambda p: o.Adam(p, 0.05, betas=(0.8, 0.6), amsgrad=True))
    yield "nadam", curve(lambda p: o.NAdam(p, 0.05))
    yield "nadam, weight decay", curve(lambda p: o.NAdam(p, 0.05, momentum_decay=0.1, weight_decay=0.05))
    yield "adamax", curve(lambda p: o.Adamax(p, 0.05))
    yield "adamax, weight decay", curve(lambda p: o.Adamax(p, 0.05, betas=(0.8, 0.9), weight_decay=0.05))
    yield "lion", curve(lambda p: Lion(p, 0.01))
    yield "lion, weight decay", curve(lambda p: Lion(p, 0.01, betas=(0.8, 0.9), weight_decay=0.5))
    yield "lamb", curve(lambda p: Lamb(p, 0.05, weight_decay=0.0, max_grad_norm=None, always_adapt=True))
    yield "lamb, weight decay", curve(lambda p: Lamb(p, 0.05, weight_decay=0.1, max_grad_norm=None))
    yield (
        "lbfgs",
        curve(lambda p: o.LBFGS(p, 0.3, max_iter=1, history_size=4), loss=F.mse_loss, targets="values", k=2, full=True),
    )
    yield "clip value", curve(sgd, clip=lambda p: clip_grad_value_(p, 0.03))
    yield "clip norm", curve(sgd, clip=lambda p: clip_grad_norm_(p, 0.2))
    yield "clip parameter norm", curve(sgd, clip=each)
    yield "accumulate", curve(lambda p: o.Adam(p, 0.05), accumulate=3)
    yield "average", curve(lambda p: o.Adam(p, 0.05), average=0.9)
    yield (
        "accumulate, average, clip norm",
        curve(lambda p: o.AdamW(p, 0.1), accumulate=3, average=0.8, clip=lambda p: clip_grad_norm_(p, 0.2)),
    )


def schedules() -> Iterator[tuple[str, dict[str, list[float]]]]:
    s = lr_scheduler

    def case(scheduler: Callable[[Any], Any], start: float = 0.5) -> dict[str, list[float]]:
        return curve(lambda p: torch.optim.SGD(p, start), scheduler=scheduler)

    def warmed(o: Any) -> Any:
        rise = s.LinearLR(o, start_factor=1 / 11, total_iters=10)
        return s.SequentialLR(o, [rise, s.CosineAnnealingLR(o, T_max=40, eta_min=0.01)], milestones=[10])

    yield "constant", case(lambda o: s.LambdaLR(o, lambda step: 1.0))
    yield "step", case(lambda o: s.StepLR(o, 12, gamma=0.5))
    yield "milestones", case(lambda o: s.MultiStepLR(o, [10, 35], gamma=0.3))
    yield "exponential", case(lambda o: s.ExponentialLR(o, 0.95))
    yield "polynomial", case(lambda o: s.PolynomialLR(o, total_iters=40, power=2.0))
    yield "cosine", case(lambda o: s.CosineAnnealingLR(o, T_max=50, eta_min=0.01))
    yield "cosine beyond its steps", case(lambda o: s.CosineAnnealingLR(o, T_max=30, eta_min=0.01))
    yield "warm restarts", case(lambda o: s.CosineAnnealingWarmRestarts(o, 7, T_mult=2, eta_min=0.01))
    yield "warm restarts of one length", case(lambda o: s.CosineAnnealingWarmRestarts(o, 7))
    yield "one cycle", case(lambda o: s.OneCycleLR(o, 1.0, total_steps=51, cycle_momentum=False))
    yield (
        "one cycle of lines",
        case(
            lambda o: s.OneCycleLR(
                o,
                1.0,
                total_steps=51,
                pct_start=0.5,
                anneal_strategy="linear",
                div_factor=5,
                final_div_factor=10,
                cycle_momentum=False,
            )
        ),
    )
    yield "warm-up and cosine", case(warmed)
    yield (
        "plateau",
        case(lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.2, cooldown=1, min_lr=0.1), 1.0),
    )


Curves = Iterator[tuple[str, dict[str, list[float]]]]


def case(loss: Loss, targets: str, k: int, step_size: float = 0.1) -> dict[str, list[float]]:
    return curve(lambda p: torch.optim.SGD(p, step_size), loss=loss, targets=targets, k=k)


def costs() -> Curves:
    def hinge(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:  # PyTorch's hinge_embedding_loss is another thing
        return torch.clamp(1 - t * z, min=0).mean()

    def log_softmax(loss: Loss) -> Loss:
        return lambda z, t: loss(F.log_softmax(z, dim=1), t)

    yield "softmax_cross_entropy", case(F.cross_entropy, "classes", 3)
    yield "softmax_cross_entropy of probabilities", case(F.cross_entropy, "probabilities", 3)
    yield "sigmoid_cross_entropy", case(F.binary_cross_entropy_with_logits, "binary", 1)
    yield "hinge", case(hinge, "signs", 1)
    yield "mean_squared_error", case(F.mse_loss, "values", 2)
    yield "mean_absolute_error", case(F.l1_loss, "values", 2)
    yield "huber", case(F.huber_loss, "values", 2)
    yield "huber, delta", case(lambda z, t: F.huber_loss(z, t, delta=0.3), "values", 2)
    yield "smooth_l1_loss", case(lambda z, t: F.smooth_l1_loss(z, t, beta=0.3), "values", 2)
    yield "negative_log_likelihood", case(log_softmax(F.nll_loss), "classes", 3)
    batchmean = log_softmax(lambda z, t: F.kl_div(z, t, reduction="batchmean"))
    yield "kl_divergence", case(batchmean, "probabilities", 3)
    yield "poisson", case(lambda z, t: F.poisson_nll_loss(z, t, log_input=True), "counts", 2)
    yield from costs_of_classes()
    yield from costs_of_positions()
    yield from costs_of_values()


def costs_of_classes() -> Curves:
    def focal(gamma: float, alpha: list[float]) -> Loss:
        def loss(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            log_p = F.log_softmax(z, dim=1).gather(1, t[:, None])[:, 0]
            return (-torch.tensor(alpha)[t] * (1 - log_p.exp()) ** gamma * log_p).mean()

        return loss

    def sigmoid_focal(gamma: float, alpha: float) -> Loss:  # torchvision.ops.sigmoid_focal_loss
        def loss(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            p = torch.sigmoid(z)
            p_t, alpha_t = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
            return (alpha_t * F.binary_cross_entropy_with_logits(z, t, reduction="none") * (1 - p_t) ** gamma).mean()

        return loss

    def categorical_hinge(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        others = z.masked_fill(F.one_hot(t, 3).bool(), -torch.inf).max(1).values
        return torch.clamp(1 + others - z.gather(1, t[:, None])[:, 0], min=0).mean()

    def triplet(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        distances, same = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist"), t[:, None] == t
        others = same & ~torch.eye(len(z), dtype=torch.bool)
        farthest = distances.masked_fill(~others, -torch.inf).max(1).values
        nearest = distances.masked_fill(same, torch.inf).min(1).values
        return torch.where(others.any(1) & ~same.all(1), torch.clamp(0.5 + farthest - nearest, min=0), 0).mean()

    def triplet_margin(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return F.triplet_margin_loss(*z[:, :, None].unbind(1), margin=1.0, eps=0)

    yield "softmax_cross_entropy, smoothing", case(smoothed_cross_entropy, "classes", 3)
    yield "softmax_cross_entropy of probabilities, smoothing", case(smoothed_cross_entropy, "probabilities", 3)
    yield (
        "sigmoid_cross_entropy, smoothing",
        case(lambda z, t: F.binary_cross_entropy_with_logits(z, 0.9 * t + 0.05), "binary", 1),
    )
    yield "softmax_focal", case(focal(2.0, [1.0, 1.0, 1.0]), "classes", 3)
    yield "softmax_focal, gamma, alpha", case(focal(0.5, [0.25, 1.0, 2.0]), "classes", 3)
    yield "sigmoid_focal, alpha", case(sigmoid_focal(2.0, 0.25), "binary", 1)
    yield "squared_hinge", case(lambda z, t: torch.clamp(1 - t * z, min=0).square().mean(), "signs", 1)
    yield "categorical_hinge", case(categorical_hinge, "classes", 3)
    yield "multi_margin", case(F.multi_margin_loss, "classes", 3)
    yield "triplet", case(triplet, "classes", 3, 0.02)  # with larger steps it is a chaos that magnifies rounding
    yield "triplet_margin", case(triplet_margin, "value", 3, 0.01)


def smoothed_cross_entropy(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(z, t, label_smoothing=0.1)


def costs_of_positions() -> Curves:
    def positions(loss: Any, **options: Any) -> Loss:  # PyTorch has the classes on axis 1
        return lambda z, t: loss(z.reshape(-1, 2, 3).transpose(1, 2), t, **options)

    def mean_of_means(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        each = positions(F.cross_entropy, ignore_index=-1, reduction="none")(z, t)
        return (each.sum(1) / torch.clamp((t >= 0).sum(1), min=1)).mean()

    def log_softmax(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return F.nll_loss(F.log_softmax(z.reshape(-1, 2, 3), dim=2).transpose(1, 2), t)

    yield "softmax_cross_entropy of positions", case(positions(F.cross_entropy), "positions", 6)
    yield "softmax_cross_entropy of padded positions", case(mean_of_means, "padded", 6)
    yield "cross_entropy with ignore_index", case(positions(F.cross_entropy, ignore_index=-1), "padded", 6)
    yield "negative_log_likelihood of positions", case(log_softmax, "positions", 6)


def costs_of_values() -> Curves:
    def pinball(*levels: float) -> Loss:
        tau = torch.tensor(levels)
        return lambda z, t: torch.maximum(tau * (t - z), (tau - 1) * (t - z)).mean()

    def log_cosh(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return (z - t + F.softplus(-2 * (z - t)) - np.log(2)).mean()

    yield "pinball", case(pinball(0.8), "values", 2)
    yield "pinball, levels", case(pinball(0.1, 0.5, 0.9), "value", 3)
    yield "log_cosh", case(log_cosh, "values", 2)
    yield "cosine", case(lambda z, t: (1 - F.cosine_similarity(z, t)).mean(), "values", 2)
    yield "gaussian", case(lambda z, t: F.gaussian_nll_loss(z[:, :2], t, z[:, 2:].exp()), "values", 4)


def main() -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)  # in which NAdam keeps the product of its μ; else it has seven digits
    curves = {"optimizers": dict(optimizers()), "schedules": dict(schedules()), "costs": dict(costs())}
    lines = [f"    {json.dumps(name)}: {json.dumps(case)}" for kind in curves.values() for name, case in kind.items()]
    ends = iter(lines)
    kinds = ",\n".join(
        f'  "{kind}": {{\n' + ",\n".join(next(ends) for _ in cases) + "\n  }" for kind, cases in curves.items()
    )
    head = f'  "pytorch": "{torch.__version__}",\n  "data": {json.dumps(DATA)}'
    TARGET.write_text(f"{{\n{head},\n{kinds}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
