"""Whom to believe over HTTPS: whoever this computer does, and the very certificate that one was handed."""

from __future__ import annotations

import ssl

__all__ = ["distrusted", "trusting"]


def trusting(certificate: str | None) -> ssl.SSLContext:
    """What this computer trusts, and a certificate besides, in PEM, whoever has signed it."""
    context = ssl.create_default_context()
    if certificate is not None:
        context.load_verify_locations(cadata=certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the very certificate is enough
    return context


def distrusted(url: str, error: ssl.SSLCertVerificationError, way: str) -> str:
    """What to say where whoever answers cannot show that it is the service; `way` is what mends it."""
    return f"what answers at {url} is not trusted: {error.verify_message}; {way}"
