"""Certificates that were made for a test, by an authority of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Certified:
    """Files of PEM: who signs, and what this computer's address shows, with its key."""

    authority: Path
    certificate: Path
    key: Path


def certified(folder: Path) -> Certified:
    """A new authority, and a certificate of 127.0.0.1 that it has signed."""
    made = Certified(folder / "authority.pem", folder / "cert.pem", folder / "key.pem")
    authority_key, request, extension = folder / "authority.key", folder / "cert.csr", folder / "san"
    extension.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    commands: list[list[str | Path]] = [
        ["req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=a test", "-keyout", authority_key, "-out", made.authority],
        ["req", *_KEY, "-subj", "/CN=localhost", "-keyout", made.key, "-out", request],
        ["x509", "-req", "-in", request, "-CA", made.authority, "-CAkey", authority_key, "-CAcreateserial",
         "-days", "2", "-extfile", extension, "-out", made.certificate],
    ]  # fmt: skip
    for command in commands:
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return made
