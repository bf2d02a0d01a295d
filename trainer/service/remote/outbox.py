"""What an attempt elsewhere has to say while it waits to be heard: numbered, and no more of it than is kept."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

__all__ = ["KEPT", "Outbox"]

KEPT = 10 << 20  # bytes of messages that wait for the service
AT_ONCE = 4  # the part of them that gives way, where there are more: one in so many
STAYING = frozenset({"ended"})  # which nothing else tells


@dataclass
class _Message:
    kind: str
    line: bytes


class Outbox:
    """Messages that wait for the service; those that were taken stay until it has answered, and are said again as they
    were. Where more wait than `kept` bytes, the oldest points give way, whose rows metrics.csv has, then what log.txt
    has; a warning says how many.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept, self._lock = kept, threading.Lock()
        self._waiting, self._taken = list[_Message](), list[_Message]()
        self._bytes = self._let_go = 0
        self._answered = 0  # messages

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    def put(self, kind: str, line: bytes) -> None:
        """Say something, a line of JSON."""
        with self._lock:
            self._waiting.append(_Message(kind, line))
            self._bytes += len(line)
            if self._bytes > self._kept:
                self._give_way()

    def take(self, most: int) -> tuple[int, list[bytes]]:
        """The number of the next message, from 1, and it with others; the same as before until `answered`."""
        with self._lock:
            if not self._taken:
                if self._let_go:
                    self._waiting.insert(0, _Message("warning", self._told()))
                    self._let_go = 0
                self._taken, self._waiting = self._waiting[:most], self._waiting[most:]
                self._bytes = sum(len(each.line) for each in self._waiting)
            return self._answered + 1, [each.line for each in self._taken]

    def answered(self) -> None:
        """What was taken is heard."""
        with self._lock:
            self._answered += len(self._taken)
            self._taken = []

    def _give_way(self) -> None:
        room = self._kept - self._kept // AT_ONCE
        for kinds in ({"points"}, {each.kind for each in self._waiting} - STAYING):
            kept = list[_Message]()
            for each in self._waiting:
                if self._bytes > room and each.kind in kinds:
                    self._bytes -= len(each.line)
                    self._let_go += 1
                else:
                    kept.append(each)
            self._waiting = kept

    def _told(self) -> bytes:
        text = (
            f"the service did not answer, and of what waited for it the oldest {self._let_go:,} messages were let go "
            f"({self._kept:,} bytes are kept): metrics.csv and log.txt have what they said"
        )
        return json.dumps({"kind": "warning", "text": text}).encode()
