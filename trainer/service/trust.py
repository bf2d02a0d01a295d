"""Whom to believe over HTTPS: whoever this computer does, and the very certificate that one was handed."""

from __future__ import annotations

import ssl

from trainer.errors import UsageError

__all__ = ["check_pair", "distrusted", "trusting"]


def trusting(certificate: str | None) -> ssl.SSLContext:
    """What this computer trusts, and a certificate besides, in PEM, whoever has signed it."""
    context = ssl.create_default_context()
    if certificate is not None:
        context.load_verify_locations(cadata=certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the very certificate is enough
    return context


def check_pair(certificate: str, key: str) -> None:
    """Raise UsageError for files of a server that cannot be read, or are none of a certificate and its key."""
    for option, path in (("--certificate", certificate), ("--key", key)):
        try:
            with open(path, encoding="ascii") as file:
                file.read()
        except (OSError, ValueError) as error:
            why = (error.strerror or str(error)) if isinstance(error, OSError) else "it is no PEM"
            raise UsageError(f"{option} {path} cannot be read: {why}") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, "")
    except ssl.SSLError as error:
        raise UsageError(
            f"--certificate {certificate} and --key {key} are no certificate and its key, in PEM and without a "
            f"password: {error.reason or error}"
        ) from None


def distrusted(url: str, error: ssl.SSLCertVerificationError, way: str) -> str:
    """What to say where whoever answers cannot show that it is the service; `way` is what mends it."""
    return f"what answers at {url} is not trusted: {error.verify_message}; {way}"
