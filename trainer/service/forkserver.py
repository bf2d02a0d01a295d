"""The process from which attempts and workers are forked, with the project loaded: they begin in a fifth of the time.

    python -m trainer.service.forkserver '{"plugins": []}' < a socket

It has one thread and does nothing itself. The server sends a short line of JSON with a socket attached, which becomes
the child's; it answers with the child's pid, and says later how each child ended. What the child is to do is the first
line on its own socket. The fork server is gone when its socket closes, and
its children end with it: each is told SIGTERM by the kernel when its parent dies, so that it writes a checkpoint.

An import that fails here is an error that the server hears of, and no child imports what was forgotten in silence: the
list of what is loaded is `PRELOADED`, and a child names what else it had to load (see `attempt`).
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from trainer.experiment.forking import end_with_parent, preload

__all__ = ["PRELOADED", "main"]

# What an attempt and the workers import beside what every run does.
PRELOADED = (
    "trainer.experiment.size", "trainer.experiment.model", "trainer.experiment.predicting", "trainer.config.policy",
    "trainer.service.attempt", "trainer.service.checking", "trainer.service.predictor",
)  # fmt: skip
CHILDREN: Mapping[str, str] = {
    "attempt": "trainer.service.attempt",
    "checker": "trainer.service.checking",
    "predictor": "trainer.service.predictor",
}


def main(channel: socket.socket, settings: Mapping[str, Any]) -> None:
    """Load everything, say so, and fork until the server is gone."""
    load_everything(settings["plugins"])
    os.setsid()  # a Ctrl-C in the server's terminal is the server's to hear
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Server(channel, settings["grace"]).serve(settings["threads"])


def load_everything(plugins: Collection[str]) -> None:
    """Import what children need, and of the installed plugins ours and those that are allowed."""
    from trainer.plugins.manager import share
    from trainer.plugins.registry import KINDS

    shared = share(plugins)
    for kind in KINDS:
        shared.names(kind)
    preload(*PRELOADED)


class _Server:
    def __init__(self, channel: socket.socket, grace: float) -> None:
        self.channel, self.grace = channel, grace
        self.children: dict[int, str] = {}
        self.woken, waking = os.pipe()
        os.set_blocking(waking, False)
        os.set_blocking(self.woken, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self.own = (self.woken, waking)

    def serve(self, variables: Mapping[str, str]) -> None:
        from trainer.compiler.processors import processors

        self.say({"processors": processors(variables)})
        while True:
            readable, _, _ = select.select([self.channel.fileno(), self.woken], [], [])
            if self.woken in readable:
                os.read(self.woken, 4096)
                self.reap()
            if self.channel.fileno() in readable:
                try:
                    line, descriptors, _, _ = socket.recv_fds(self.channel, 4096, 1)
                except ConnectionResetError:
                    line, descriptors = b"", []
                if not line:
                    self.end()
                    return
                self.answer(json.loads(line), descriptors)

    def say(self, message: Mapping[str, object]) -> None:
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):  # the server is gone, which the next read finds
            return

    def answer(self, request: Mapping[str, Any], descriptors: list[int]) -> None:
        if "kill" in request:
            living = [pid for pid, handle in self.children.items() if handle == request["kill"]]
            for pid in living:
                os.kill(pid, request["signal"])
            self.say({"answer": bool(living), "to": request["number"]})
            return
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            self.become(request, descriptors[0], parent)  # does not return
        os.close(descriptors[0])
        self.children[pid] = request["handle"]
        self.say({"answer": pid, "to": request["number"]})

    def become(self, request: Mapping[str, Any], descriptor: int, parent: int) -> None:
        """The child's life. It ends here, whatever happens, without the parent's clean-up."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for each in (*self.own, self.channel.fileno()):
                os.close(each)
            os.setsid()
            os.set_inheritable(descriptor, False)
            main = importlib.import_module(CHILDREN[request["kind"]]).main
            code = live(main, socket.socket(fileno=descriptor), parent)
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 1
        except BaseException:  # nothing may unwind into the fork server's own loop
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def reap(self) -> None:
        while self.children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            handle = self.children.pop(pid)
            used = {"cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3), "peak_bytes": usage.ru_maxrss * 1024}
            self.say({"ended": handle, "code": os.waitstatus_to_exitcode(status), **used})

    def end(self) -> None:
        """The server is gone: every attempt writes down where it is, or is killed where it takes too long."""
        until = time.monotonic() + self.grace
        for pid in self.children:
            os.kill(pid, signal.SIGTERM)
        while self.children and time.monotonic() < until:
            select.select([self.woken], [], [], max(0.0, until - time.monotonic()))
            with suppress(BlockingIOError):
                os.read(self.woken, 4096)
            self.reap()
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        while self.children:
            pid, _ = os.waitpid(-1, 0)
            self.children.pop(pid, None)


def live(main: Callable[[Any, Any], int], channel: socket.socket, parent: int) -> int:
    """The life of a child, which does what the first line on its channel says; gives its exit code."""
    with channel, channel.makefile("rwb") as file:
        line = file.readline()
        if not line:  # whoever has started it has gone, or could not wait
            return 0
        work = json.loads(line)
        prepare(work, parent)
        sys.argv = ["trainer", "attempt"]  # which environment.json has, and not where anything lies here
        return main(file, work)


def prepare(request: Mapping[str, Any], parent: int) -> None:
    """Limits, and an end with the parent, before anything else happens in a child."""
    end_with_parent(request.get("parent_death", signal.SIGTERM), parent)
    if "threads" in request:
        from trainer.compiler.processors import LIMIT, VARIABLES

        os.environ.update(dict.fromkeys((*VARIABLES, LIMIT), str(request["threads"])))
    limits = request.get("limits", {})
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (least, least if name != "CPU" else hard))
    os.nice(request.get("nice", 0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if "folder" in request:
        os.chdir(request["folder"])
        said = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.close(said)


def lines(file: BinaryIO, answer: Callable[[dict[str, Any]], Mapping[str, object]]) -> int:
    """A worker's life: a line of JSON in, a line of JSON out, until the server closes the channel."""
    for line in file:
        file.write(json.dumps(answer(json.loads(line)), allow_nan=False).encode() + b"\n")
        file.flush()
    return 0


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    sys.path[:0] = [path for path in settings.get("paths", ()) if Path(path).exists()]
    main(socket.socket(fileno=os.dup(0)), settings)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # there is nothing to tidy, and to take all modules apart keeps the server waiting that goes down
