"""The systems that are measured, one file each. A new file here is a new peer; it holds

    '''Its name and how it is used, in a line or more.'''
    NEEDS = ("torch",)              # what must be importable; without it the peer is left out
    KIND = "peer"                   # "ours", "peer" (ranked), "plain" or "floor" (for comparison)
    def variants(): ...             # optional: names of the ways to run it; "" is called as the file is
    ON_REQUEST = ("slow",)          # optional: variants that run only when they are asked for
    def held(threads): ...          # optional: a context that its process works in
    def make(workload, theta, data, threads, variant) -> run

`theta` is a list of Parameters and `data` a Data (see `benchmarks.workloads`), the latter for one epoch; `threads` is
how many cores the process has, and `make` tells the library if the environment variables do not. `run()` trains one
epoch of `data.batches` from where it stands and returns, when all work is done, the losses of its steps (each before
its update), or their mean in an array of one, or None if it computes none. Of a workload with test rows it also takes
the losses and accuracies on the training and on the test rows, and the two losses follow those of the steps. `make`
raises Unsupported for a workload that the system cannot do, with the reason. It is free to keep data in the form that
suits it best.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from benchmarks.workloads import Workload

__all__ = ["Run", "System", "Unsupported", "installed", "load", "only"]

Run = Callable[[], Any]
PLAIN = ("dense", "relu", "tanh", "snake")  # kinds of layers that every system has


class Unsupported(Exception):
    """The system cannot do this workload; the message says why. An answer, not an error."""


@dataclass(frozen=True)
class System:
    """A peer in one of its variants."""

    peer: str
    variant: str
    kind: str
    default: bool = True

    @property
    def name(self) -> str:
        """`torch`, `torch-compile`."""
        return f"{self.peer}-{self.variant}" if self.variant else self.peer


def only(workload: Workload, *kinds: str) -> None:
    """Raises Unsupported for steps of layers of other kinds, and for whole epochs."""
    others = [layer.kind for layer in workload.layers if layer.kind not in (*PLAIN, *kinds)]
    if others or workload.in_epochs:
        raise Unsupported(f"not measured with {others[0] if others else 'what follows an epoch'}")


def load(peer: str) -> Any:
    """The module of a peer."""
    return importlib.import_module(f"{__name__}.{peer}")


def installed() -> list[System]:
    """Every variant of every peer whose libraries are here; their modules import nothing heavy before `make`."""
    systems = []
    for info in pkgutil.iter_modules(__path__):
        module = load(info.name)
        if all(find_spec(need) for need in module.NEEDS):
            on_request = getattr(module, "ON_REQUEST", ())
            for variant in getattr(module, "variants", lambda: ("",))():
                systems.append(System(info.name, variant, module.KIND, variant not in on_request))
    order = ("ours", "peer", "plain", "floor")
    return sorted(systems, key=lambda s: order.index(s.kind))
