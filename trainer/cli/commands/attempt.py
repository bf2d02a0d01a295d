"""`trainer attempt`: what a service starts on other computers."""

from __future__ import annotations

import sys

import typer

from trainer.errors import UsageError

__all__ = ["command"]


def command() -> None:
    """Train what a service hands out, by the order on the standard input; a service starts this, elsewhere."""
    if sys.platform == "win32":
        raise UsageError("trainer attempt limits what a process may have, which Windows cannot; it runs under WSL")
    if sys.stdin.isatty():
        raise UsageError(
            "trainer attempt is started by a service: trainer serve --launcher 'command=ssh HOST trainer attempt'"
        )
    from trainer.service.remote.carrier import carry

    raise typer.Exit(carry(sys.stdin.buffer))
