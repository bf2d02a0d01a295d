"""`trainer login`: a service is remembered, with a token for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    url: Annotated[str, typer.Argument(metavar="URL", help="Of the service, such as http://127.0.0.1:8470.")],
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="Of the service, where nobody known here has signed it."),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", "-b", help="Only print an address for a browser.")] = False,
) -> None:
    """Remember a service, with its token, for the commands that follow; print an address that logs a browser in."""
    from trainer.service.client import Client, certificate_of, known_services, opened, remember

    if browser:
        client = opened(url)
    else:
        url = url.rstrip("/")
        file = known_services().get(url, {}).get("certificate") if certificate is None else str(certificate.absolute())
        own = {} if file is None else {"certificate": file}
        known = certificate_of(own)
        token = typer.prompt("token", hide_input=True).strip()
        client = Client(url, token, known)
        about = client.ask("GET", "/v1/me")
        remember(client.url, {"token": token, **own})
        typer.echo(f"{about['user']} at {client.url}, may {', '.join(about['scopes'])}")
    typer.echo(f"in a browser, once: {client.url}{client.ask('POST', '/v1/tickets')['path']}")
