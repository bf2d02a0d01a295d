"""What may not be cut into shards: a shard is computed from its own rows, and knows nothing of the batch's others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.config.schema import choices_within
from trainer.nn.contract import says
from trainer.nn.draw import Draw
from trainer.nn.network import Network
from trainer.types import Array, CostFunction
from trainer.wording import count

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.data.prepared import Prepared

__all__ = ["check_shards"]

ROWS = 4  # that are tried, whole and in halves
WAY_OUT = "layer_norm and group_norm look at one row; or leave compute.shards out, and the batch is one, of one process"


def check_shards(
    loaded: LoadedConfig, network: Network, values: Mapping[str, Array], cost: CostFunction, data: Prepared, rows: int
) -> None:
    """Raises ConfigError, at its place, for what looks across the rows of a batch, and for more shards than rows.

    A layer says so itself (`needs_rows`), or keeps something from step to step; of one that does not say it, and of a
    cost, a few rows tell, whole and in halves.
    """
    shards = loaded.config.compute.shards
    if shards is None:
        return
    if shards > rows:
        what = f"a batch has {count(rows, 'row')}, which makes no {shards:,} shards"
        raise loaded.error(("compute", "shards"), f"{what}: cut it into at most {rows:,}, or use larger batches")
    into = f"a batch is cut into {count(shards, 'shard')} (compute.shards), each computed by itself"
    for i, choice in enumerate(loaded.config.network):
        own = [name for name in network.moving if name.partition(".")[0] == str(i)]
        across = next((c for c in choices_within(choice) if says(c.component.target, "needs_rows")), None)
        if across is not None:
            what = f"{across.name} compares the rows of a batch, and {into}"
            raise loaded.error(("network", i), f"{what}: {WAY_OUT}")
        if own:
            what = f"{choice.name} keeps {own[0]} from step to step, and {into}: there would be one of each shard"
            raise loaded.error(("network", i), f"{what}; freeze it, or leave compute.shards out")
    found = _across(network, values, cost, data)
    if found:
        where, what = found
        raise loaded.error(where, f"{what} of a row depend on the rows beside it, and {into}: {WAY_OUT}")


def _across(
    network: Network, values: Mapping[str, Array], cost: CostFunction, data: Prepared
) -> tuple[tuple[str, ...], str] | None:
    """What looks across rows, and where it stands; None where a few rows do not show anything that does."""
    x, y = data.train.inputs[:ROWS], data.train.targets[:ROWS]
    half = len(x) // 2
    if not half:
        return None

    draw = _Still(0, 0, str(x.dtype if x.dtype.kind == "f" else np.dtype(float)), "")

    def apply(rows: Array) -> Any:
        return network.apply(network.tree(values), rows, draw)[0]

    with np.errstate(all="ignore"):
        whole = np.asarray(apply(x))
        if not _alike(whole, np.concatenate([apply(x[:half]), apply(x[half:])])):
            return ("network",), "the outputs"
        if not _alike(cost(whole, y), np.concatenate([cost(whole[:half], y[:half]), cost(whole[half:], y[half:])])):
            return ("cost",), "the costs"
    return None


def _alike(one: object, parts: Array) -> bool:
    whole = np.asarray(one)
    return whole.shape == parts.shape and np.allclose(whole, parts, rtol=1e-3, atol=1e-5, equal_nan=True)


class _Still(Draw):
    """Draws the same for every row, so that what depends on other rows is not a draw."""

    def __call__(self, shape: tuple[int, ...]) -> Array:
        return np.full(shape, 0.5, self.dtype)

    def inside(self, name: str) -> Draw:
        return self
