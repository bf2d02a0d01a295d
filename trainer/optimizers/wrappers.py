"""What is done around an update: clipping, accumulating, averaging. Each is an optimiser around another.

    Accumulate(Average(ClipNorm(Adam(), 1.0), 0.999), 4)

is Adam with the gradient of four batches, clipped to length 1, and an average over its updates beside θ. The loop
knows none of it; the arrays that a wrapper keeps lie in the optimiser's state, under names with a dot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np

from trainer.limits import Checked, Limits
from trainer.optimizers.base import (
    Optimizer,
    Positive,
    Share,
    State,
    averaged,
    finished,
    moving,
    prepared,
    scaled_norm,
    zeros,
)
from trainer.types import Array, Numeric

__all__ = ["Accumulate", "Average", "ClipNorm", "ClipParameterNorm", "ClipValue"]


@dataclass(frozen=True)
class _Wrapper(Checked):
    """Passes everything on to `optimizer`."""

    optimizer: Optimizer

    def prepare(self, parts: Sequence[slice]) -> Self:
        return replace(self, optimizer=prepared(self.optimizer, parts))

    def init(self, theta: Array) -> State:
        return self.optimizer.init(theta)

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        return self.optimizer.update(g, state, theta, step_size, step)

    def averaged(self, theta: Array, state: State) -> Array:
        return averaged(self.optimizer, theta, state)

    def finished(self, theta: Array, state: State, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        own = {name: state[name] for name in set(state) - set(self.optimizer.init(theta))}
        theta, after = finished(self.optimizer, theta, state, step_size, step)
        return theta, {**own, **after}


@dataclass(frozen=True)
class ClipValue(_Wrapper):
    """Every element of g limited to ±`limit`, as PyTorch's clip_grad_value_.

    >>> from trainer.optimizers import Sgd
    >>> ClipValue(Sgd(), 0.5).update(np.array([3.0, 0.1]), {}, np.zeros(2), 1.0, 0)[0]
    array([-0.5, -0.1])
    """

    limit: Positive

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        return super().update(np.clip(g, -self.limit, self.limit), state, theta, step_size, step)


@dataclass(frozen=True)
class ClipNorm(_Wrapper):
    """g no longer than `limit`, all of it shortened alike. Pascanu et al., 2013, and PyTorch's clip_grad_norm_.

    g · min(1, limit/(‖g‖ + 1e-6)): PyTorch's 1e-6, which makes a clipped g a little shorter than the limit.

    >>> from trainer.optimizers import Sgd
    >>> ClipNorm(Sgd(), 1.0).update(np.array([3.0, 4.0]), {}, np.zeros(2), 1.0, 0)[0].round(6)
    array([-0.6, -0.8])
    """

    limit: Positive

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        return super().update(_shortened(g, self.limit), state, theta, step_size, step)


@dataclass(frozen=True)
class ClipParameterNorm(_Wrapper):
    """The gradient of each parameter on its own no longer than `limit`; Keras calls it clipnorm. The formula is
    ClipNorm's.

    >>> from trainer.optimizers import Sgd
    >>> clip = ClipParameterNorm(Sgd(), 1.0).prepare([slice(0, 2), slice(2, 3)])
    >>> clip.update(np.array([3.0, 4.0, 0.5]), {}, np.zeros(3), 1.0, 0)[0].round(6)
    array([-0.6, -0.8, -0.5])
    """

    limit: Positive
    parts: tuple[slice, ...] = (slice(None),)

    def prepare(self, parts: Sequence[slice]) -> Self:
        return replace(super().prepare(parts), parts=tuple(parts))

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        clipped = [_shortened(g[part], self.limit) for part in self.parts]
        g = np.concatenate(clipped) if len(clipped) > 1 else clipped[0]
        return super().update(g, state, theta, step_size, step)


def _shortened(g: Array, limit: float) -> Any:
    largest, root = scaled_norm(g)
    length = largest * root  # beyond the range of float32 where g is not: then in two steps
    return g * np.minimum(np.where(np.isinf(length), limit / largest / root, limit / (length + 1e-6)), 1.0)


@dataclass(frozen=True)
class Accumulate(_Wrapper):
    """One update for every `batches` batches, with the mean of their gradients: a larger batch in less memory.

    Each batch counts alike, so batches of different sizes do not weigh as one batch of all their rows would (PyTorch's
    recipe, loss/k, has the same). What is left over at the end of an epoch goes into the next one's first update, and
    at the end of the run into an update of its own, with the mean of as many gradients as there are. The step counter
    of the optimiser inside counts updates; that of a schedule counts batches.

    >>> from trainer.optimizers import Sgd
    >>> optimizer, theta = Accumulate(Sgd(), 2), np.zeros(1)
    >>> state = optimizer.init(theta)
    >>> for step, g in enumerate([1.0, 3.0, 5.0]):
    ...     theta, state = optimizer.update(np.array([g]), state, theta, 0.5, np.float64(step))
    ...     print(theta, state["accumulate.sum"])
    [0.] [1.]
    [-1.] [0.]
    [-1.] [5.]
    >>> optimizer.finished(theta, state, 0.5, np.float64(3))[0]
    array([-3.5])
    """

    batches: Annotated[int, Limits(ge=1)]

    def init(self, theta: Array) -> State:
        return {"accumulate.sum": zeros(theta), **super().init(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        # The update is computed at every batch and used at each k-th: a program takes no branches.
        state = dict(state)
        total = state.pop("accumulate.sum") + g
        done = (step + 1) / self.batches  # a whole number where an update is due, and then the quotient is exact
        due = np.equal(np.floor(done), done)
        moved, after = super().update(total / self.batches, state, theta, step_size, done - 1)
        chosen = {name: np.where(due, after[name], state[name]) for name in state}
        return np.where(due, moved, theta), {"accumulate.sum": np.where(due, 0.0, total), **chosen}

    def finished(self, theta: Array, state: State, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        rest = step % self.batches
        if rest:
            inner = {name: value for name, value in state.items() if name != "accumulate.sum"}
            g = state["accumulate.sum"] / rest
            theta, after = self.optimizer.update(g, inner, theta, step_size, (step - rest) / self.batches)
            state = {"accumulate.sum": np.zeros_like(theta), **after}
        return theta, state


@dataclass(frozen=True)
class Average(_Wrapper):
    """An exponential moving average of θ beside θ: a ← d a + (1 − d) θ after each update. Polyak & Juditsky, 1992.

    Training goes on at θ; the average is what is evaluated and saved. It begins with θ after the first update, as in
    PyTorch's AveragedModel with get_ema_multi_avg_fn(d).

    >>> from trainer.optimizers import Sgd
    >>> optimizer, theta = Average(Sgd(), 0.75), np.zeros(1)
    >>> state = optimizer.init(theta)
    >>> for step in range(2):
    ...     theta, state = optimizer.update(np.array([-1.0]), state, theta, 1.0, step)
    >>> theta, optimizer.averaged(theta, state)  # 0.75 · 1 + 0.25 · 2
    (array([2.]), array([1.25]))
    """

    decay: Share

    def init(self, theta: Array) -> State:
        return {"average.theta": np.array(theta), **super().init(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        state = dict(state)
        average = state.pop("average.theta")
        theta, after = super().update(g, state, theta, step_size, step)
        return theta, {"average.theta": np.where(step > 0, moving(average, theta, self.decay), theta), **after}

    def averaged(self, theta: Array, state: State) -> Array:
        return state["average.theta"]
