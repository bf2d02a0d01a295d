"""The picture of the loss, drawn by a process beside the run.

Importing Matplotlib takes as long as it takes to train a small network. So a process does that while the command
imports, prepares and trains, where there is a second processor, and waits to be asked. Shaped by what it must not do:
it prints nothing, writes no file (what it has drawn comes back through a pipe, and the run writes it), hears no Ctrl-C,
which is the run's, ends when nobody is there to ask it any more, and does not lie in memory for as long as a long run
takes. No run waits for it in vain or fails for it: where no answer comes, the run draws itself, the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from trainer.compiler.processors import processors
from trainer.engine.uncollected import beginning

__all__ = ["Painter"]

ASKED_WITHIN = 60.0  # seconds, after which a run no longer counts on it
ANSWERED_WITHIN = 30.0


class Painter:
    """Draws the losses of runs beside them: `with Painter() as painter: ...`. Leaving the block ends the process."""

    def __enter__(self) -> Painter:
        self._process: subprocess.Popen[bytes] | None = None
        self.ready()
        return self

    def ready(self) -> None:
        """Have a process that waits to be asked, if there can be one; who was asked once draws no more."""
        if self._process is None and sys.executable and processors() > 1:
            with suppress(OSError):  # no more processes, no more memory: the run draws itself
                self._process = subprocess.Popen(  # noqa: S603  this very interpreter, and a module of ours
                    [sys.executable, "-P", "-m", __name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # the modules it has
                    start_new_session=True,
                )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def pictures(self, metrics: Path, title: str, steps: Sequence[float]) -> dict[str, bytes] | None:
        """What `trainer.runs.plots.loss_pictures` gives of a metrics.csv; None where nobody answers."""
        process = self._process
        if process is None:
            return None
        asked = json.dumps({"metrics": os.fspath(metrics), "title": title, "steps": [*steps]})
        try:
            answer, _ = process.communicate(f"{asked}\n".encode(), ANSWERED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            answer = b""
        self._process = None
        return _parts(answer) if process.returncode == 0 else None


def _parts(answer: bytes) -> dict[str, bytes] | None:
    """The files in an answer: their names and lengths in a line, and behind it what they hold, one after the other."""
    head, _, rest = answer.partition(b"\n")
    lengths = json.loads(head) if head else {}
    if not lengths or len(rest) != sum(lengths.values()):
        return None
    found = {}
    for name, length in lengths.items():
        found[name], rest = rest[:length], rest[length:]
    return found


def main() -> None:
    """The process: import, wait, draw, answer."""
    from threading import Timer

    with beginning():
        from trainer.runs.metrics import read_metrics
        from trainer.runs.plots import load_library, loss_pictures

        load_library()
    waiting = Timer(ASKED_WITHIN, os._exit, (1,))
    waiting.daemon = True
    waiting.start()
    asked = sys.stdin.buffer.readline()  # and not all: what the run forks may hold the other end open
    waiting.cancel()
    if asked:
        given = json.loads(asked)
        pictures = loss_pictures(read_metrics(given["metrics"]), given["title"], given["steps"])
        lengths = {name: len(content) for name, content in pictures.items()}
        sys.stdout.buffer.write(b"".join([json.dumps(lengths).encode(), b"\n", *pictures.values()]))


if __name__ == "__main__":
    main()
