"""python -m benchmarks: what is measured stands in `benchmarks/__init__.py`, the workloads in `workloads.py`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import cold, readme, scaling
from benchmarks.measure import cores, measure, tuning
from benchmarks.peers import System, installed
from benchmarks.report import Result, chart, environment, summary, table, write_json
from benchmarks.workloads import WORKLOADS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [*WORKLOADS, "cold"]
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(names)}; commas between several")
    parser.add_argument("--systems", metavar="NAMES", help="by default all that are installed; see --list")
    parser.add_argument("--threads", metavar="NUMBERS", help="by default 1 and as many as there are cores")
    parser.add_argument("--rounds", type=int, help="how often each is timed (7; 2 with --quick)")
    parser.add_argument("--seconds", type=float, help="for how long at least each time (0.3; 0.03 with --quick)")
    parser.add_argument("--quick", action="store_true", help="short turns, one thread: for a look, not for a claim")
    parser.add_argument(
        "--scaling", action="store_true", help="time and memory against batch, width, depth, parameters"
    )
    parser.add_argument(
        "--as-is", action="store_true", help="keep variables like OPENBLAS_CORETYPE, which suit one library"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), help="folder for JSON and charts")
    parser.add_argument(
        "--readme", action="store_true", help="measure the table of README.md and write it there; some eight minutes"
    )
    parser.add_argument("--list", action="store_true", help="print the workloads and the systems that are installed")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 5 if arguments.readme else 7)
    arguments.seconds = arguments.seconds or (0.03 if arguments.quick else 0.1 if arguments.readme else 0.3)
    arguments.names = _chosen(
        parser, arguments.only, names, "workload", list(readme.ROWS) if arguments.readme else None
    )
    systems = {s.name: s for s in installed()}
    default = [name for name, s in systems.items() if s.default and (not arguments.readme or readme.measures(s))]
    arguments.chosen = [systems[n] for n in _chosen(parser, arguments.systems, list(systems), "system", default)]
    counts = arguments.threads or ("1" if arguments.quick else f"1,{len(cores())}")
    arguments.counts = sorted({min(int(n), len(cores())) for n in counts.split(",")})
    return arguments


def _chosen(
    parser: argparse.ArgumentParser, given: str | None, names: list[str], what: str, default: list[str] | None = None
) -> list[str]:
    if given is None:
        return names if default is None else default
    for name in given.split(","):
        if name not in names:
            parser.error(f"there is no {what} '{name}' here; there are {', '.join(names)}")
    return given.split(",")


def main() -> int:
    """Measure, print, write. The exit code is 1 if a system computed something else than the reference."""
    arguments = _arguments()
    if arguments.list:
        print("\n".join(f"{w.name:<12}{w.title}" for w in WORKLOADS.values()))
        print("systems: " + ", ".join(s.name + ("" if s.default else " (on request)") for s in installed()))
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    document = {"environment": environment(), "rounds": arguments.rounds, "seconds": arguments.seconds}
    document["variables"] = variables = tuning()
    if variables:
        document["variables kept"] = arguments.as_is
        print(f"{'kept' if arguments.as_is else 'cleared'}: {', '.join(f'{k}={v}' for k, v in variables.items())}\n")
    if not arguments.as_is:
        for name in variables:  # before any process that is measured starts
            del os.environ[name]
    if arguments.scaling:
        return _scaling(arguments, document)
    results = [_workload(arguments, name) for name in arguments.names if name in WORKLOADS]
    document["workloads"] = results
    if arguments.readme:
        readme.write(results, document["environment"])
    if results:
        print(summary(results), end="\n\n")
        chart(results, arguments.out / "steps")
    if "cold" in arguments.names and not (arguments.quick and arguments.only is None):
        document["cold"] = cold.measure_cold(arguments.rounds)
        print(cold.table_cold(document["cold"]), end="\n\n")
    document["load after"] = environment()["load"]
    write_json(arguments.out / "steps.json", document)
    print(f"load {document['environment']['load']} before, {document['load after']} after; in {arguments.out}/: "
          "steps.json, steps.svg, steps.png")  # fmt: skip
    return int(any(m.microseconds and not m.ranked for r in results for m in r.measurements))


def _workload(arguments: argparse.Namespace, name: str) -> Result:
    workload = WORKLOADS[name]
    measured = measure(
        workload, arguments.chosen, arguments.counts,
        rounds=arguments.rounds, seconds=arguments.seconds, report=_progress,
    )  # fmt: skip
    result = Result(name, workload.title, measured)
    _progress("")
    print(table(result), end="\n\n", flush=True)
    return result


def _scaling(arguments: argparse.Namespace, document: dict[str, Any]) -> int:
    systems: list[System] = arguments.chosen
    points = scaling.measure_scaling(
        systems, rounds=arguments.rounds, seconds=arguments.seconds, report=_progress, quick=arguments.quick
    )
    _progress("")
    print(scaling.table_scaling(points))
    scaling.chart_scaling(points, arguments.out / "scaling")
    write_json(arguments.out / "scaling.json", document | {"scaling": points})
    print(f"\nin {arguments.out}/: scaling.json, scaling.svg, scaling.png")
    return 0


def _progress(line: str) -> None:
    """One line that is written over, for a person who waits; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
