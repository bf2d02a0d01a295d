"""What accompanies an attempt on another computer: `trainer attempt`, with an order on its standard input.

It starts the process that is to train, fetches what is needed into a folder like the service's, and while that trains
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
from trainer.service.remote.link import Link, Refused, Unreachable, Untrusted
from trainer.service.remote.outbox import KEPT, Outbox

__all__ = ["carry"]

T = TypeVar("T")
Channel = io.BufferedRWPair
PATIENCE = 600.0  # seconds for which the service may not answer
SOON, BEAT = 1.0, 5.0  # seconds between two reports: where there is news, and where there is none
MANY = 100  # messages that do not wait
MOST = 1000  # messages of a report
PIECE = 256 << 10  # bytes of a record in a report
LOOK = 0.25  # seconds between two looks for a checkpoint
SOON_GONE = 0.01  # seconds between two looks for the end of a process that has said its last
FROZEN = 30.0  # seconds after which a process that somebody has stopped is killed


def carry(orders: BinaryIO, *, patience: float = PATIENCE, kept: int = KEPT) -> int:
    """Do what an order says. Gives the exit code.

    Args:
        patience: seconds for which the service may not answer, before the attempt ends.
        kept: bytes of messages that wait for it meanwhile.
    """
    order = json.loads(orders.readline())
    with tempfile.TemporaryDirectory(prefix="trainer-attempt-", ignore_cleanup_errors=True) as place:
        carrier = _Carrier(Link(order), Path(place), patience, Outbox(kept))
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
    def __init__(self, link: Link, place: Path, patience: float, outbox: Outbox) -> None:
        self._link, self._place, self._patience, self._outbox = link, place, patience, outbox
        self._folder = place
        self._child: subprocess.Popen[bytes] | None = None
        self._alive = threading.Lock()  # of whoever looks whether it is gone, or sends it a signal
        self._silent = threading.Event()  # it has said its last
        self._asked = threading.Event()  # to end
        self._began = threading.Event()  # to train
        self._over = threading.Event()  # nothing more is reported from beside
        self._refused: Refused | None = None
        self._news, self._wake = threading.Event(), threading.Event()
        self._sent = dict.fromkeys(RECORDS, 0)
        self._reports, self._grace = 0, 10.0
        self._answered = time.monotonic()
        self._digests: dict[str, tuple[tuple[int, ...], str]] = {}

    def carry(self) -> None:
        """From its beginning to its end. Raises Refused and Unreachable."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "trainer.service.remote.child"],
                stdin=theirs.fileno(),
                env=environment(self._place),
                start_new_session=True,
            )
        with ours, ours.makefile("rwb") as file:
            about = {"instance": secrets.token_hex(16), "version": __version__}
            begun = self._patiently(lambda: self._link.ask("POST", "/v1/attempts/begin", about))
            work = begun["work"]
            self._folder, self._grace = self._place / work["folder"], work["grace"]
            beside = threading.Thread(target=self._report_on, args=(self._link.again(),), daemon=True)
            beside.start()
            try:
                ended = self._trained({**work, "folder": str(self._folder)}, begun["files"], self._child, file)
                self._patiently(self._hand_in)
            finally:
                self._over.set()
                self._news.set()
                self._wake.set()
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
        with self._alive:
            if self._child is not None and self._child.returncode is None:
                os.kill(self._child.pid, number)

    def _patiently(self, act: Callable[[], T]) -> T:
        """What comes of it, however long the service does not answer. Raises Refused, and in the end Unreachable."""
        while True:
            if self._refused is not None:
                raise self._refused
            try:
                result = act()
            except Unreachable as error:
                if not self._began.is_set() and (isinstance(error, Untrusted) or self._asked.is_set()):
                    raise  # it is not the moment that is to blame, or there is nothing to be handed in
                if time.monotonic() - self._answered > self._patience:
                    raise Unreachable(
                        f"{error}, for {self._patience:g} s: the attempt ends; its run goes on from what was handed in"
                    ) from error
                time.sleep(min(SOON, self._patience))
            else:
                self._answered = time.monotonic()
                return result

    # The process that trains.

    def _trained(
        self, work: Mapping[str, Any], needed: list[Mapping[str, Any]], child: subprocess.Popen[bytes], file: Channel
    ) -> dict[str, Any]:
        """Fetch, train, and hand checkpoints in meanwhile; gives how the process has ended."""
        for each in needed:
            self._fetch(each)
        if self._asked.is_set():
            self.kill()
            return {"code": 0, "cpu_seconds": 0.0, "peak_bytes": 0}
        self._folder.mkdir(parents=True, exist_ok=True)
        mark.write(self._folder, Mark(**work["mark"]))
        with suppress(ConnectionError):  # it is asked to end just now, or does not begin, which its exit code says
            file.write(json.dumps(work).encode() + b"\n")
            file.flush()
        listening = threading.Thread(target=self._listen, args=(file,), daemon=True)
        listening.start()
        ended = self._accompanied(child)
        listening.join(2.0)  # whoever holds the other end for longer, a process of a plugin's, is not waited for
        return ended

    def _accompanied(self, child: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Until it is gone: hand in what is new, and kill it where somebody has stopped it."""
        handed_in, went = None, time.monotonic()
        while (ended := self._gone(child)) is None:
            if self._refused is not None:
                self.kill()
            if not is_stopped(child.pid):
                went = time.monotonic()
            if time.monotonic() - went > FROZEN:
                self.kill()
            newest = self._newest()
            if newest != handed_in and self._began.is_set():
                with suppress(Unreachable, Refused):  # at the next look, or whoever reports finds why not
                    self._hand_in(records=False)
                    handed_in = newest
            if self._silent.wait(LOOK):
                time.sleep(SOON_GONE)
        return ended

    def _gone(self, child: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        """How a process has ended; None while it lives."""
        with self._alive:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if not pid:
                return None
            child.returncode = os.waitstatus_to_exitcode(status)
        used = {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3), "peak_bytes": usage.ru_maxrss * 1024}
        return {"code": child.returncode, **used}

    def _listen(self, file: Channel) -> None:
        """What the process says, until it is gone."""
        with suppress(OSError, ValueError):
            for line in file:
                kind = json.loads(line)["kind"]
                if kind == "imported":
                    continue
                self._outbox.put(kind, line.strip())
                if kind == "points":
                    self._began.set()
                self._news.set()
                if len(self._outbox) >= MANY:
                    self._wake.set()
        self._silent.set()

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
                if time.monotonic() - self._answered > self._patience:
                    self.end()
            except Refused as error:
                self._refused = error
                return
            self._wake.wait(SOON)
            self._wake.clear()

    def _report(self, link: Link, ended: Mapping[str, Any] | None = None) -> None:
        """One report, and all that is left with the last; what is not answered is said again."""
        while True:
            first, messages = self._outbox.take(MOST)
            records = self._records()
            last = ended is not None and len(messages) == len(self._outbox) and not records
            self._reports += 1
            said = {
                "number": self._reports,
                "first": first,
                "records": records,
                "exit": {**ended, "asked": self._asked.is_set()} if ended is not None and last else None,
            }
            body = json.dumps(said).encode()[:-1] + b', "messages": [' + b", ".join(messages) + b"]}"
            answer = link.ask("POST", "/v1/attempts/report", body)
            self._outbox.answered()
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
