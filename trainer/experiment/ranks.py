"""One run of several ranks: rank 0 trains as if it were alone, and the others compute shards of its batches."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from trainer.compiler.processors import processors
from trainer.errors import DataError, UsageError
from trainer.runs.digests import digest
from trainer.runs.fingerprint import changed, numerics
from trainer.wording import count

if TYPE_CHECKING:
    from trainer.config.loader import LoadedConfig
    from trainer.training import Training
    from trainer.training.ranks import World

__all__ = ["check_ranks", "follow", "shared", "threads_of"]

_WHAT = {
    "config": "another config",
    "data": "other data, as they are read, split and changed",
    "code": "another version of this package, of NumPy or of a plugin",
    "start": "other parameters in start_from",
}


def check_ranks(loaded: LoadedConfig, ranks: World | None) -> None:
    """Raises UsageError for ranks that a config has no work for."""
    if ranks is None:
        return
    shards, started = loaded.config.compute.shards, f"{ranks.size} ranks were started"
    if shards is None:
        raise UsageError(
            f"{started}, and the config does not say into how many shards a batch is cut, which they would share. "
            "compute.shards=8 is a choice for up to 8 ranks: with every number of them the numbers are the same"
        )
    if ranks.size > shards:
        raise UsageError(
            f"{started}, and a batch is cut into {count(shards, 'shard')} (compute.shards): "
            f"start at most so many, or cut it into more, which is another training in the last bits"
        )


def threads_of(loaded: LoadedConfig, ranks: World | None) -> int | Literal["auto"]:
    """The threads of one rank: where nobody says how many, the ranks of a host divide its processors."""
    threads = loaded.config.compute.threads
    return threads if ranks is None or threads != "auto" else max(1, processors() // ranks.here)


@contextmanager
def shared(
    loaded: LoadedConfig, training: Training, ranks: World | None, made_of: Mapping[str, str]
) -> Iterator[list[str]]:
    """As rank 0: inside, the others compute along. Yields what a person should know of them.

    Raises DataError where one of them would compute something else, UsageError for ranks without work.
    """
    if ranks is None:
        yield []
        return
    own, *others = ranks.agree(_facts(loaded, training, made_of))
    remarks = []
    for rank, facts in enumerate(others, 1):
        where = f"rank {rank} on {facts['host']}"
        for key, what in _WHAT.items():
            if facts.get(key) != own.get(key):
                raise DataError(f"{where} has {what} than rank 0 on {own['host']}: all ranks have to read the same")
        remarks += [
            f"{where} is not like rank 0: {what}; the last bits may depend on the number of ranks"
            for what in changed(own["numerics"], facts["numerics"])
        ]
    training.shard_gradient.begin(ranks, training.now.layer_state)
    yield remarks
    training.shard_gradient.end()


def follow(loaded: LoadedConfig, ranks: World, *, allow_unchecked: bool = False) -> None:
    """As another rank: build the same training, and compute shards for rank 0 until it is over."""
    from trainer.experiment.execution import checked_training, made_of_what
    from trainer.training.threads import pinned

    _, training = checked_training(loaded, allow_unchecked)
    with pinned(threads_of(loaded, ranks)):
        ranks.agree(_facts(loaded, training, made_of_what(loaded, training)))
        state = training.now
        training.shard_gradient.follow(ranks, state.theta, state.layer_state, training.batch_size)


def _facts(loaded: LoadedConfig, training: Training, made_of: Mapping[str, str]) -> dict[str, Any]:
    """What has to be the same in all ranks, and what should be."""
    config = {key: value for key, value in loaded.resolved().items() if key != "name"}
    return {**made_of, "config": digest(config), "host": socket.gethostname(), "numerics": numerics(training.runs_on)}
