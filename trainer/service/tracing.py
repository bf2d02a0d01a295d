"""Which request something happens for: W3C's trace context, as a header between services and a variable to a process.

00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
   trace, the same everywhere       span: who calls  flags
"""

from __future__ import annotations

import re
import secrets

__all__ = ["VARIABLE", "continued", "trace_of"]

VARIABLE = "TRACEPARENT"  # as OpenTelemetry hands a context to a process
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def continued(traceparent: str | None) -> str:
    """A new span of the trace that is given; of a new trace where none is, or what is given is no traceparent.

    >>> continued("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")[:36]
    '00-0af7651916cd43dd8448eb211c80319c-'
    >>> len(continued("nonsense")), len(continued(None))
    (55, 55)
    """
    found = _FORM.fullmatch(traceparent or "")
    known = found is not None and found[1] != "ff" and (found[1] != "00" or found[5] is None)
    trace, flags = secrets.token_hex(16), "00"
    if found is not None and known and set(found[2]) != {"0"} and set(found[3]) != {"0"}:
        trace, flags = found[2], f"{int(found[4], 16) & 1:02x}"
    return f"00-{trace}-{secrets.token_hex(8)}-{flags}"


def trace_of(traceparent: str) -> str:
    """The trace that a traceparent belongs to.

    >>> trace_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    return traceparent.split("-")[1] if traceparent else ""
