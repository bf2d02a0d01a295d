"""`trainer serve`: the training service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from trainer.errors import UsageError
from trainer.plugins.entries import installed

if TYPE_CHECKING:
    from trainer.service.service import Service

__all__ = ["command"]

PORT = 8470
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def command(
    root: Annotated[Path, typer.Option("--root", metavar="FOLDER", help="Holds everything of it.")] = Path("service"),
    host: Annotated[str, typer.Option("--host", help="The address that it listens at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for one that is free.")] = PORT,
    launcher: Annotated[
        list[str] | None,
        typer.Option("--launcher", metavar="NAME[=OPTIONS]", help="What trains runs; by default local, this machine."),
    ] = None,
    slots: Annotated[
        int | None, typer.Option("--slots", min=1, help="Runs that train here at once; by default one a processor.")
    ] = None,
    plugin: Annotated[
        list[str] | None,
        typer.Option("--allow-plugin", metavar="NAME", help="An installed plugin that configs may use."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--allow-dataset", metavar="NAME", help="A data set besides those that need no network."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A further name that it is asked for by.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Where attempts elsewhere report; by default where it listens.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="Of TLS; with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Of the certificate.")] = None,
    log: Annotated[
        str, typer.Option("--log", metavar="text|json", help="Troubles as text, or every request as a line of JSON.")
    ] = "text",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Another address without TLS, since a proxy in front has it.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--reindex", help="Find runs in their folders that the database does not know.")
    ] = False,
) -> None:
    """Serve: configs come in over HTTP, wait in line, and are trained; nothing is lost when it ends."""
    try:
        from trainer.service.web.server import address, listening, serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise UsageError(f"serving needs {error.name}: pip install 'tape-trainer[serve]'") from None
    if os.name == "nt":
        raise UsageError("trainer serve forks processes, which Windows cannot; it runs under WSL")
    from trainer.service.client import forget, remember
    from trainer.service.logs import configure
    from trainer.service.settings import DATASETS, Settings, no_such
    from trainer.service.trust import check_pair

    if log not in ("text", "json"):
        raise UsageError(f"--log is text or json, found '{log}'")
    if (certificate is None) != (key is None):
        raise UsageError("--certificate and --key go together")
    if host not in LOOPBACK and certificate is None and not behind_proxy:
        raise UsageError(
            f"at {host} others could read tokens on their way: give --certificate FILE and --key FILE, or say "
            "--behind-proxy where a proxy in front has TLS"
        )
    if certificate is not None and key is not None:
        check_pair(str(certificate), str(key))
    for wanted in plugin or ():
        if wanted not in (there := installed()):
            raise UsageError(no_such("--allow-plugin", wanted, "installed plugin", there))
    configure(log)
    bound = listening(host, port)
    here = address(bound, "http" if certificate is None else "https")
    settings = Settings(
        root=root.absolute(),
        url=(url or here).rstrip("/"),
        certificate=certificate,
        launchers=tuple(launcher or ("local",)),
        slots=slots,
        plugins=frozenset(plugin or ()),
        datasets=DATASETS | frozenset(dataset or ()),
    )

    def first(service: Service) -> None:
        if again:
            from trainer.service.reindexing import reindex

            for line in reindex(settings, service.store):
                typer.echo(line, err=True)

    def began(service: Service) -> None:
        own = {} if certificate is None else {"certificate": str(certificate.absolute())}
        remember(here, {"token_file": str(settings.token_file), **own})
        from trainer.service.tokens import person_of

        person = person_of(service.store, service.token)
        assert person is not None
        typer.echo(f"serving {settings.root} at {here}")
        typer.echo(f"in a browser, once: {here}/login?ticket={service.tickets.issue(person)}")
        typer.echo("in another terminal: trainer submit CONFIG --watch")
        sys.stdout.flush()

    named = [name] if url is not None and (name := urlsplit(url).hostname) else []
    pair = None if certificate is None or key is None else (str(certificate), str(key))
    try:
        serve(
            settings, bound, allowed_hosts=(*(allowed_host or ()), *named), certificate=pair, first=first, began=began
        )
    finally:
        forget(here)
