"""Runs by what they are made of: what was trained to its end once, from the same, need not be trained again.

A config says by its resolved.yaml what it is, its seed with it, and status.json knows the SHA-256 of that. What a run
is made of besides, its data and the code that computed it, stands in status.json as digests; of a run that went on
with other code, both. So one small file tells whether a run is the one that is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from trainer.errors import DataError
from trainer.runs import digests
from trainer.runs.checking import PARAMETERS, check
from trainer.runs.config import RESOLVED
from trainer.runs.listing import runs_in

__all__ = ["done", "going_on"]


def done(root: str | os.PathLike[str], config: bytes, made_of: Mapping[str, str]) -> Path | None:
    """The newest run in a folder that is of this config and made of the same; None where there is none.

    Only one that is finished, and whose every file is as it was written, counts.

    config: its resolved.yaml.
    """
    wanted = digests.facts(config)
    for path in reversed(runs_in(root) if os.path.isdir(root) else []):
        try:
            content = digests.content_of(path / digests.STATUS)
            if wanted["sha256"].encode() not in content:
                continue
            about = digests.unsealed(content)
        except DataError:  # one of which nothing is known is not the one that is asked for
            continue
        same = about.get(digests.FILES, {}).get(RESOLVED) == wanted and about.get(digests.MADE_OF) == made_of
        if (
            same
            and about.get("status") == "finished"
            and (path / PARAMETERS).exists()
            and not any(check(path).values())
        ):
            return path
    return None


def going_on(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What a run is made of that goes on.

    >>> going_on({"data": "a", "code": "b"}, {"data": "a", "code": "c"})
    {'data': 'a', 'code': 'b, then c'}
    """
    return {
        key: value if before.get(key) == value else f"{before.get(key)}, then {value}" for key, value in now.items()
    }
