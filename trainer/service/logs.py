"""What the service logs: a line for each thing, which no text from elsewhere can break in two or colour.

As JSON a line has its run, attempt, user and trace by name, where there are such.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from trainer.wording import printable

__all__ = ["JsonLines", "TextLines", "configure"]

NAMES = ("run", "attempt", "user", "trace", "method", "route", "status", "ms")


class TextLines(logging.Formatter):
    """The time, and what is said in one line; a traceback follows as it is."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)


class JsonLines(logging.Formatter):
    """A JSON object in a line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "message": record.getMessage()}
        line |= {name: getattr(record, name) for name in NAMES if getattr(record, name, None) is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(kind: str) -> None:
    """Log to the standard error: as `text` what somebody should look at, as `json` every request and attempt, too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else TextLines("%(asctime)s  %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("trainer.service").setLevel(logging.INFO if kind == "json" else logging.WARNING)
