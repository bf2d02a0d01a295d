"""`trainer watch`: how a run of a service goes."""

from __future__ import annotations

from trainer.cli.arguments import ServedRun, Service

__all__ = ["command"]


def command(run: ServedRun = "last", at: Service = None) -> None:
    """Watch a run of a service, from its beginning to its end; Ctrl-C ends the watching alone."""
    from trainer.cli.following import follow
    from trainer.service.client import opened

    client = opened(at)
    follow(client, client.run(run)["id"], at)
