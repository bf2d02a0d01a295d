"""The table in README.md, and the file of results that it is made of, which a test holds it to.

python -m benchmarks --readme
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Clock, spread
from benchmarks.peers import System
from benchmarks.report import Result, best, ratio, share
from benchmarks.workloads import WORKLOADS

__all__ = ["FILE", "README", "ROWS", "between", "distilled", "measures", "rendered", "write"]

README = Path(__file__).parent.parent / "README.md"
FILE = Path(__file__).parent / "results.json"
BEGIN, END = "<!-- python -m benchmarks --readme -->", "<!-- as measured -->"

ROWS = (
    "tiny", "small", "medium", "deep", "wide", "adam", "wider", "conv", "images", "batch_norm", "lstm", "gru",
    "transformer", "digits", "digits_conv", "images_dense", "sequences",
)  # fmt: skip
PEERS = {"torch": "PyTorch", "jax": "JAX"}  # one of which is the quickest everywhere; `python -m benchmarks` has all


def measures(system: System) -> bool:
    """Whether the table is about it: of ours what a run takes, and the peers that are quickest."""
    return system.peer in PEERS or system.name == "trainer-native"


def distilled(results: Sequence[Result], environment: Mapping[str, Any]) -> dict[str, Any]:
    """What the table tells: milliseconds of processors on one thread, and those that pass on several."""
    counts = sorted({m.threads for result in results for m in result.measurements})
    rows = {}
    for result in results:
        row: dict[str, Any] = {"title": result.title}
        for threads in counts:
            by: Clock = "busy" if threads == 1 else "microseconds"
            ours, peer = (best(result.measurements, by, kind=kind, threads=threads) for kind in ("ours", "peer"))
            measured = ratio(ours, peer, by)
            if ours is None or peer is None or measured is None:
                raise RuntimeError(f"{result.name}: without what ours and a peer take on {threads} there is no table")
            row[str(threads)] = {
                "ours": _three(spread(getattr(ours, by)).median / 1000),
                "peer": PEERS[peer.system],
                "theirs": _three(spread(getattr(peer, by)).median / 1000),
                "ratio": round(measured.median, 2),
            }
            if threads == 1 and ours.evaluating:
                row["evaluating"] = share(ours)
        rows[result.name] = row
    about = {key: environment[key] for key in ("date", "processor", "cores", "load", "python", "versions")}
    return {"environment": about, "threads": counts, "rows": rows}


def rendered(document: Mapping[str, Any]) -> str:
    """The table in Markdown, and below it where and when.

    Numbers of a system stand beside its name; the ratio is ours over theirs, so below 1 is quicker.
    """
    about, counts = document["environment"], document["threads"]
    heads = [(f"{n} threads" if n > 1 else "one thread", "best peer", "ratio") for n in counts]
    lines = [["", *(head for three in heads for head in three)], ["---", *["--:"] * 3 * len(counts)]]
    for name, row in document["rows"].items():
        title = row["title"] + (f"; {row['evaluating']} of it evaluation" if "evaluating" in row else "")
        cells = [f"{'epoch' if WORKLOADS[name].in_epochs else 'step'}: {title}"]
        for found in (row[str(n)] for n in counts):
            cells += [_told(found["ours"]), f"{found['peer']} {_told(found['theirs'])}", f"{found['ratio']:.2f}"]
        lines.append(cells)
    versions = [f"Python {about['python']}"]
    versions += [f"{name} {version}" for name, version in about["versions"].items() if name != "tape-trainer"]
    where = (
        f"{about['processor']}, {about['cores']} cores, load {about['load'][0]:.1f} before; {', '.join(versions)}; "
        f"{about['date'][:10]}. Milliseconds, medians: of the processor on one thread, of the clock on several."
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\n{where}"


def between(text: str) -> tuple[str, str, str]:
    """What stands before the table, the table, and what stands behind it, marks with their neighbours.

    Raises ValueError where a mark is missing.
    """
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:start], text[start:end].strip(), text[end:]


def write(results: Sequence[Result], environment: Mapping[str, Any]) -> None:
    """The file of results, and the table of it between its marks in README.md."""
    document = distilled(results, environment)
    before, _, behind = between(README.read_text(encoding="utf-8"))
    FILE.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    README.write_text(f"{before}\n\n{rendered(document)}\n\n{behind}", encoding="utf-8")


def _three(x: float) -> float:
    return float(f"{x:.3g}")


def _told(x: float) -> str:
    """Three digits that matter.

    >>> _told(0.0123), _told(4.5), _told(123.4)
    ('0.0123', '4.50', '123')
    """
    return f"{x:#.3g}".rstrip(".")
