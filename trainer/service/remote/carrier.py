"""What accompanies an attempt on another computer: `trainer attempt`, with an order on its standard input.

It fetches what is needed into a folder like the service's, starts the process that trains there, and while that trains
says how far it is, hands in checkpoints, and hears what is wished. Where its input is closed, or it is sent SIGTERM,
the attempt ends with a checkpoint, which is handed in, too. Where the service does not answer the attempt goes on, for
ten minutes; who is told that the attempt is another's, or over, leaves without a word.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from trainer import __version__
from trainer.service import mark
from trainer.service.children import environment
from trainer.service.local import is_stopped
from trainer.service.mark import Mark
from trainer.service.remote.files import RECORDS, offered
from trainer.service.remote.link import Link, Refused, Unreachable

__all__ = ["carry"]

T = TypeVar("T")
PATIENCE = 600.0  # seconds for which the service may not answer
SOON, BEAT = 1.0, 5.0  # seconds between two reports: where there is news, and where there is none
MANY = 100  # messages that do not wait
MOST = 1000  # messages of a report
KEPT = 10 << 20  # bytes of messages that wait for the service
PIECE = 256 << 10  # bytes of a record in a report
LOOK = 0.25  # seconds between two looks for a checkpoint
FROZEN = 30.0  # seconds after which a process that somebody has stopped is killed


def carry(orders: BinaryIO) -> int:
    """Do what an order says. Gives the exit code."""
    order = json.loads(orders.readline())
    with tempfile.TemporaryDirectory(prefix="trainer-attempt-", ignore_cleanup_errors=True) as place:
        carrier = _Carrier(Link(order), Path(place))
        # What a handler interrupts may hold what `end` waits for.
        signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=carrier.end).start())
        threading.Thread(target=carrier.attend, args=(orders,), daemon=True).start()
        try:
            carrier.carry()
        except Refused:  # the attempt is another's, or over
            carrier.kill()
        except Unreachable as error:
            carrier.kill()
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


class _Carrier:
    def __init__(self, link: Link, place: Path) -> None:
        self._link, self._place = link, place
        self._folder = place
        self._child: subprocess.Popen[bytes] | None = None
        self._asked = threading.Event()  # to end
        self._began = threading.Event()  # to train
        self._over = threading.Event()  # nothing more is reported from beside
        self._refused: Refused | None = None
        self._news, self._wake = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._messages: list[bytes] = []
        self._sent = dict.fromkeys(RECORDS, 0)
        self._reports, self._grace = 0, 10.0
        self._answered = time.monotonic()
        self._digests: dict[str, tuple[tuple[int, ...], str]] = {}

    def carry(self) -> None:
        """From its beginning to its end. Raises Refused and Unreachable."""
        about = {"instance": secrets.token_hex(16), "version": __version__}
        begun = self._patiently(lambda: self._link.ask("POST", "/v1/attempts/begin", about))
        work = begun["work"]
        self._folder, self._grace = self._place / work["folder"], work["grace"]
        beside = threading.Thread(target=self._report_on, args=(self._link.again(),), daemon=True)
        beside.start()
        try:
            ended = self._trained({**work, "folder": str(self._folder)}, begun["files"])
            self._patiently(self._hand_in)
        finally:
            self._over.set()
            self._news.set()
            beside.join()
        self._patiently(lambda: self._report(self._link, ended))

    def attend(self, orders: BinaryIO) -> None:
        """Until nobody holds the other end of the input."""
        while os.read(orders.fileno(), PIECE):
            pass
        self.end()

    def end(self) -> None:
        """Ask the attempt to end with a checkpoint, and kill it where it does not."""
        if not self._asked.is_set():
            self._asked.set()
            self._signal(signal.SIGTERM)
            late = threading.Timer(self._grace, self.kill)
            late.daemon = True
            late.start()

    def kill(self) -> None:
        """End the attempt at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._child is not None and self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)

    def _patiently(self, act: Callable[[], T]) -> T:
        """What comes of it, however long the service does not answer. Raises Refused, and in the end Unreachable."""
        while True:
            if self._refused is not None:
                raise self._refused
            try:
                result = act()
            except Unreachable:
                if time.monotonic() - self._answered > PATIENCE:
                    raise
                time.sleep(SOON)
            else:
                self._answered = time.monotonic()
                return result

    # The process that trains.

    def _trained(self, work: Mapping[str, Any], needed: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Fetch, train, and hand checkpoints in meanwhile; gives how the process has ended."""
        for each in needed:
            self._fetch(each)
        if self._asked.is_set():
            return {"code": 0, "cpu_seconds": 0.0, "peak_bytes": 0}
        self._folder.mkdir(parents=True, exist_ok=True)
        mark.write(self._folder, Mark(**work["mark"]))
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "trainer.service.remote.child"],
                stdin=theirs.fileno(),
                env=environment(self._place),
                start_new_session=True,
            )
        with ours, ours.makefile("rwb") as file:
            file.write(json.dumps(work).encode() + b"\n")
            file.flush()
            listening = threading.Thread(target=self._listen, args=(file,), daemon=True)
            listening.start()
            if self._asked.is_set():  # between the two
                self._signal(signal.SIGTERM)
            ended = self._accompanied(self._child)
            listening.join(2.0)  # whoever holds the other end for longer, a process of a plugin's, is not waited for
        return ended

    def _accompanied(self, child: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Until it is gone: hand in what is new, and kill it where somebody has stopped it."""
        handed_in, frozen = None, 0.0
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if self._refused is not None:
                self.kill()
            frozen = frozen + LOOK if is_stopped(child.pid) else 0.0
            if frozen > FROZEN:
                self.kill()
            newest = self._newest()
            if newest != handed_in and self._began.is_set():
                with suppress(Unreachable, Refused):  # at the next look, or whoever reports finds why not
                    self._hand_in(records=False)
                    handed_in = newest
            time.sleep(LOOK)
        child.returncode = os.waitstatus_to_exitcode(status)
        used = {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3), "peak_bytes": usage.ru_maxrss * 1024}
        return {"code": child.returncode, **used}

    def _listen(self, file: BinaryIO) -> None:
        """What the process says, until it is gone. Where more waits than is kept, points of long ago are let go."""
        with suppress(OSError, ValueError):
            for line in file:
                kind = json.loads(line)["kind"]
                if kind == "imported":
                    continue
                with self._lock:
                    self._messages.append(line.strip())
                    while sum(map(len, self._messages)) > KEPT and len(self._messages) > MANY:
                        del self._messages[0]
                    many = len(self._messages) >= MANY
                if kind == "points":
                    self._began.set()
                self._news.set()
                if many:
                    self._wake.set()

    # What is said and handed in.

    def _report_on(self, link: Link) -> None:
        """Say what there is to say, a while after the last time, and at once where there is much."""
        while not self._over.is_set():
            self._news.wait(BEAT)
            self._news.clear()
            try:
                self._report(link)
                self._answered = time.monotonic()
            except Unreachable:
                if time.monotonic() - self._answered > PATIENCE:
                    self.end()
            except Refused as error:
                self._refused = error
                return
            self._wake.wait(SOON)
            self._wake.clear()

    def _report(self, link: Link, ended: Mapping[str, Any] | None = None) -> None:
        """One report, and all that is left with the last; what is not answered is said again."""
        while True:
            with self._lock:
                messages = self._messages[:MOST]
            records = self._records()
            last = ended is not None and len(messages) == len(self._messages) and not records
            self._reports += 1
            said = {
                "number": self._reports,
                "records": records,
                "exit": {**ended, "asked": self._asked.is_set()} if ended is not None and last else None,
            }
            body = json.dumps(said).encode()[:-1] + b', "messages": [' + b", ".join(messages) + b"]}"
            answer = link.ask("POST", "/v1/attempts/report", body)
            with self._lock:
                del self._messages[: len(messages)]
            self._sent.update(answer["records"])
            if answer["wish"] is not None:
                self.end()
            if ended is None or last:
                return

    def _records(self) -> dict[str, dict[str, Any]]:
        """How each record goes on, in whole lines; a part of it where that is much."""
        found = {}
        for name in RECORDS if self._began.is_set() else ():
            try:
                with (self._folder / name).open("rb") as file:
                    file.seek(self._sent[name])
                    data = file.read(PIECE)
            except FileNotFoundError:
                continue
            whole = data[: data.rfind(b"\n") + 1]
            if whole:
                found[name] = {"at": self._sent[name], "text": whole.decode()}
        return found

    def _newest(self) -> tuple[tuple[str, int], ...]:
        """The checkpoints that there are."""
        found = []
        for path in (self._folder / "checkpoints").glob("*.json"):
            with suppress(FileNotFoundError):
                found.append((path.name, path.stat().st_mtime_ns))
        return tuple(sorted(found))

    def _hand_in(self, records: bool = True) -> None:
        """Send what the folder holds that the service has not, then the list of it, upon which it counts.

        records: whether those are named, too, which grow while it trains. Raises Unreachable and Refused.
        """
        with ExitStack() as stack:
            given, sources = [], dict[str, io.BufferedReader]()
            for name in sorted(offered(self._folder), key=_late):
                if name in RECORDS and not records:
                    continue
                try:
                    file = stack.enter_context((self._folder / name).open("rb"))
                except FileNotFoundError:  # a checkpoint that has made room for the next
                    continue
                digest = self._digest(name, file)
                given.append({"name": name, "sha256": digest})
                sources[digest] = file
            if not records:
                self._caught_up()
            while missing := self._link.ask("PUT", "/v1/attempts/manifest", {"files": given})["missing"]:
                for digest in dict.fromkeys(missing):
                    self._link.ask("PUT", f"/v1/attempts/files/{digest}", file=sources[digest])

    def _caught_up(self) -> None:
        """Until the service has of the records what a checkpoint may count on."""
        sizes = {name: path.stat().st_size for name in RECORDS if (path := self._folder / name).exists()}
        while any(self._sent[name] < size for name, size in sizes.items()):
            if self._refused is not None:
                raise self._refused
            if time.monotonic() - self._answered > SOON + BEAT:
                raise Unreachable("the records have not come")
            self._news.set()
            self._wake.set()
            time.sleep(0.02)

    def _digest(self, name: str, file: io.BufferedReader) -> str:
        """The SHA-256 of a file, which is computed again only where the file is another."""
        about = os.fstat(file.fileno())
        sign = about.st_ino, about.st_size, about.st_mtime_ns
        if self._digests.get(name, ((), ""))[0] != sign:
            self._digests[name] = sign, hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[name][1]

    def _fetch(self, each: Mapping[str, Any]) -> None:
        """One of the files that are needed, where the service has it. Raises Unreachable and Refused."""
        target = self._place / each["path"]
        target.parent.mkdir(parents=True, exist_ok=True)

        def come() -> None:
            self._link.fetch(f"/v1/attempts/files/{each['sha256']}", target)
            with target.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != each["sha256"]:
                    raise Unreachable(f"{each['path']} did not come whole")

        self._patiently(come)


def _late(name: str) -> tuple[bool, bool, str]:
    """The order in which files take their places: what vouches for others comes after them."""
    return name == "status.json", name.startswith("checkpoints/") and name.endswith(".json"), name


if __name__ == "__main__":
    sys.exit(carry(sys.stdin.buffer))
