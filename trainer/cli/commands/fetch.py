"""`trainer fetch`: the folder of a run of a service."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.arguments import ServedRun, Service
from trainer.errors import DataError
from trainer.files import atomic_write
from trainer.wording import count

__all__ = ["command"]


def command(
    run: ServedRun = "last",
    at: Service = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where run folders go.")] = Path("runs"),
) -> None:
    """Copy what a run of a service has left to this computer, where every command takes it for one of its own."""
    from trainer.service.client import opened

    client = opened(at)
    found = client.run(run)
    folder = out / f"{found['id']}-{found['name'].replace(' ', '-')}"
    files = client.ask("GET", f"/v1/runs/{found['id']}/files")["data"]
    folder.mkdir(parents=True, exist_ok=True)
    for each in sorted(files, key=lambda file: file["name"] == "status.json"):  # which makes a folder a run's, last
        content = client.ask("GET", f"/v1/runs/{found['id']}/files/{each['name']}", raw=True)
        atomic_write(folder / Path(each["name"]).name, content)
    digest, model = folder / "parameters.safetensors.sha256", folder / "parameters.safetensors"
    if digest.exists() and digest.read_text().split()[0] != hashlib.sha256(model.read_bytes()).hexdigest():
        raise DataError(f"{model} did not come as it was sent: its SHA-256 is another; fetch it again")
    typer.echo(f"{folder}  {count(len(files), 'file')}")
