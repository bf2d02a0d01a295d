"""What recording and sweeping cost, as ratios to bare NumPy's forward pass in the same run.

python -m benchmarks.engine

Each figure is the median of interleaved repetitions with its spread (the quartiles). HIPS/autograd is measured beside
it when it is installed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from trainer import Tensor, grad

REPETITIONS = 31


def scalar_chain(x: Any, np: Any = np, length: int = 1000) -> Any:
    """A chain of `length` ops on a scalar, half of one argument and half of two."""
    for _ in range(length // 4):
        x = np.sin(x)
        x = np.multiply(x, 1.0001)
        x = np.tanh(x)
        x = np.add(x, 0.1)
    return x


def interleaved(**work: Callable[[], Any]) -> dict[str, list[float]]:
    """Seconds per call of each function, measured in turns so that a slow moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for repetition in range(REPETITIONS + 1):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            if repetition:  # the first warms up
                times[name].append(time.perf_counter() - start)
    return times


def main() -> None:
    """Measure and print."""
    x = np.array(0.3)
    work: dict[str, Callable[[], Any]] = {
        "bare NumPy, forward": lambda: scalar_chain(x),
        "recorded": lambda: scalar_chain(Tensor(x)),
        "recorded and swept": lambda: grad(scalar_chain)(x),
    }
    if find_spec("autograd"):
        import autograd
        import autograd.numpy as autograd_numpy

        work["HIPS/autograd"] = lambda: autograd.grad(lambda x: scalar_chain(x, autograd_numpy))(0.3)
    times = interleaved(**work)
    bare = times["bare NumPy, forward"]
    print(f"{'a chain of 1,000 scalar ops':<28}{'µs per op':>10}{'ratio':>8}   quartiles")
    for name, seconds in times.items():
        ratios = sorted(s / b for s, b in zip(seconds, bare, strict=True))
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{name:<28}{statistics.median(seconds) * 1e3:>10.2f}{middle:>8.2f}   {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main()
