"""`trainer submit`: a config for a service to train."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from trainer.cli.arguments import Config, Overrides, Service
from trainer.cli.paths import find_config
from trainer.errors import ConfigError

__all__ = ["command"]


def command(
    config: Config,
    overrides: Overrides = None,
    at: Service = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay and watch.")] = False,
    launcher: Annotated[
        str | None, typer.Option("--launcher", metavar="NAME", help="What is to train it, of those that it has.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Train it again, though the same was trained.")] = False,
) -> None:
    """Put a config in line at a service; whatever becomes of this terminal, it is trained."""
    path = find_config(config)
    from trainer.service.client import opened

    client = opened(at)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: byte 0x{error.object[error.start]:02X}") from None
    asked = {"config": text, "name": path.stem, "overrides": list(overrides or ()), "again": again}
    asked |= {} if launcher is None else {"launcher": launcher}
    # A connection that breaks in between leaves a run at most once: the same key gets the first answer again.
    run = client.ask("POST", "/v1/runs", asked, headers={"Idempotency-Key": secrets.token_hex(16)})
    place = f", number {run['place']} in line" if run["place"] else ""
    typer.echo(f"{run['id']}  {run['name']}  {run['state']}{place}")
    if watch:
        from trainer.cli.following import follow

        follow(client, run["id"], at)
