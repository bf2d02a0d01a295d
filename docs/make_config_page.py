"""Write docs/config.md: every key of a config.

python docs/make_config_page.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from trainer.config.reference import Entry, entries

PAGE = Path(__file__).parent / "config.md"
HEAD = """\
# Every key of a config

Written by `python docs/make_config_page.py`; the same in a terminal: `trainer help KEY`. On the command line a key is
its path, `trainer run mlp.yaml stop.patience=5`. Keys that end in "Of csv" or the like are options of what reads such
files or folders; a data set by name has its own: `trainer list datasets NAME`. What is *named* (layers, costs,
optimizers, schedules, metrics, preprocessors, callbacks) is what is installed: `trainer list`.

| key | takes | default | meaning |
|---|---|---|---|
"""


def page(found: Iterable[Entry]) -> str:
    """The page for these keys."""
    return HEAD + "".join(map(_row, found))


def _row(entry: Entry) -> str:
    default = entry.default if entry.default in ("none", "required") else f"`{entry.default}`"
    example = f" `{entry.example}`" if entry.example else ""
    return f"| `{entry.path}` | {_cell(entry.takes)} | {default} | {_cell(entry.meaning)}{example} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(entries()), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
