"""Which request something happens for: W3C's trace context, as a header between services and a variable to a process.

00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
   trace, the same everywhere       span: who calls  flags
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["VARIABLE", "continued", "span", "trace_of"]

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


@contextmanager
def span(name: str, traceparent: str | None) -> Iterator[str]:
    """Something that happens here, in the trace that is given or a new one; gives its traceparent.

    Where OpenTelemetry is installed it is a span of its, which is sent wherever that is set up to send spans.
    """
    try:
        from opentelemetry import propagate, trace
    except ImportError:
        yield continued(traceparent)
        return
    context = propagate.extract({"traceparent": traceparent} if traceparent else {})
    with trace.get_tracer("trainer").start_as_current_span(name, context, trace.SpanKind.SERVER) as made:
        told: dict[str, str] = {}
        propagate.inject(told)
        yield told["traceparent"] if made.is_recording() else continued(traceparent)


def trace_of(traceparent: str) -> str:
    """The trace that a traceparent belongs to.

    >>> trace_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    return traceparent.split("-")[1] if traceparent else ""
