"""What state a run is in, and what can become of it: a table, and nothing that is not in it happens.

queued ─ running ─ finished, diverged, failed
           │  └─── stopping ─ cancelled, paused, or queued where the service itself goes down
paused, cancelled, failed, diverged, finished ─ queued again, by resume
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = ["ENDED", "LIVE", "RESTING", "TABLE", "Message", "State", "Wish", "target"]


class State(StrEnum):
    """Of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"


class Wish(StrEnum):
    """Why a run is to stop; it is written before anybody is told."""

    DRAIN = "drain"
    PAUSE = "pause"
    CANCEL = "cancel"


class Message(StrEnum):
    """What happens to a run. The last six are of one attempt, and count only while it is the newest."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    DRAIN = "drain"
    START = "start"
    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    GONE = "gone"  # its process ended as it was asked to, or with the service
    LOST = "lost"  # its process died by itself
    POISON = "poison"  # it died by itself too often without getting any further


LIVE = frozenset({State.RUNNING, State.STOPPING})
ENDED = frozenset({State.CANCELLED, State.FINISHED, State.DIVERGED, State.FAILED})
RESTING = ENDED | {State.PAUSED}

# What becomes of a run whose attempt is gone after it was told to stop.
AFTER: Mapping[Wish, State] = {
    Wish.DRAIN: State.QUEUED,
    Wish.PAUSE: State.PAUSED,
    Wish.CANCEL: State.CANCELLED,
}

S, M = State, Message

TABLE: Mapping[tuple[State, Message], State | None] = {
    (S.QUEUED, M.START): S.RUNNING,
    (S.QUEUED, M.CANCEL): S.CANCELLED,
    (S.QUEUED, M.PAUSE): S.PAUSED,
    (S.PAUSED, M.PAUSE): S.PAUSED,
    (S.PAUSED, M.CANCEL): S.CANCELLED,
    (S.CANCELLED, M.CANCEL): S.CANCELLED,
    **{(state, message): S.STOPPING for state in LIVE for message in (M.CANCEL, M.PAUSE, M.DRAIN)},
    **{(state, M.FINISHED): S.FINISHED for state in LIVE},
    **{(state, M.DIVERGED): S.DIVERGED for state in LIVE},
    **{(state, M.FAILED): S.FAILED for state in LIVE},
    (S.RUNNING, M.GONE): S.QUEUED,
    (S.RUNNING, M.LOST): S.QUEUED,
    (S.RUNNING, M.POISON): S.FAILED,
    **{(S.STOPPING, message): None for message in (M.GONE, M.LOST, M.POISON)},  # as was wished
    **{(state, M.RESUME): S.QUEUED for state in RESTING},
    **{(state, M.DELETE): state for state in RESTING},  # it is no more
}


def target(state: State, message: Message, wish: Wish | None) -> State | None:
    """The state that a message leads to; None where it is not for a run in this state.

    >>> target(State.STOPPING, Message.GONE, Wish.PAUSE), target(State.FINISHED, Message.CANCEL, None)
    (<State.PAUSED: 'paused'>, None)
    """
    if (state, message) not in TABLE:
        return None
    found = TABLE[state, message]
    return AFTER[wish or Wish.DRAIN] if found is None else found
