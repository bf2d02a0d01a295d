"""`trainer cancel`: a run of a service is to end."""

from __future__ import annotations

import typer

from trainer.cli.arguments import ServedRun, Service

__all__ = ["command"]


def command(run: ServedRun, at: Service = None) -> None:
    """Stop a run of a service for good; it keeps its checkpoint."""
    from trainer.service.client import opened

    client = opened(at)
    found = client.run(run)
    after = client.ask("POST", f"/v1/runs/{found['id']}/cancel")
    typer.echo(f"{after['id']}  {after['name']}  {after['state']}")
