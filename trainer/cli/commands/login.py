"""`trainer login`: a service is remembered, with a token for it."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["command"]


def command(
    url: Annotated[str, typer.Argument(metavar="URL", help="Of the service, such as http://127.0.0.1:8470.")],
    browser: Annotated[bool, typer.Option("--browser", "-b", help="Only print an address for a browser.")] = False,
) -> None:
    """Remember a service, with its token, for the commands that follow; print an address that logs a browser in."""
    from trainer.service.client import Client, opened, remember

    if browser:
        client = opened(url)
    else:
        token = typer.prompt("token", hide_input=True).strip()
        client = Client(url.rstrip("/"), token)
        about = client.ask("GET", "/v1/me")
        remember(client.url, {"token": token})
        typer.echo(f"{about['user']} at {client.url}, may {', '.join(about['scopes'])}")
    typer.echo(f"in a browser, once: {client.url}{client.ask('POST', '/v1/tickets')['path']}")
