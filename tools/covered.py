"""Which lines and branches of trainer/ does the suite not reach? The worst files first, and the figure that is kept.

The figure is `fail_under` in pyproject: a change that falls below it brings a test, or takes away what nothing needs.
Processes that tests start are measured as well. (Not named coverage.py: beside a script, that would hide the library.)

    nice .venv/bin/python tools/covered.py                      the whole suite
    nice .venv/bin/python tools/covered.py tests/runs           some of it; no figure is held to
    .venv/bin/python tools/covered.py --show --lines trainer/runs   what the last run left, line by line
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def coverage(*arguments: str) -> int:
    """Call coverage.py's command; how it exits."""
    return subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, check=False).returncode


def measured() -> dict[str, Any]:
    """What the data of the last run say, as `coverage json` puts it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.json")
        if coverage("json", "--quiet", "--fail-under=0", "-o", os.fspath(file)):
            sys.exit("there are no data; run it without --show first")
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def missing(report: dict[str, Any], lines: str | None) -> list[str]:
    """A line per file that is not reached whole, with what is missing where its name begins with `lines`."""
    files = [(name, file["summary"], file) for name, file in report["files"].items()]
    files.sort(key=lambda entry: (-entry[1]["missing_lines"] - entry[1]["missing_branches"], entry[0]))
    rows = []
    for name, summary, file in files:
        if summary["missing_lines"] or summary["missing_branches"]:
            count = f"{summary['missing_lines']:>5} lines {summary['missing_branches']:>4} branches"
            rows.append(f"{count}  {summary['percent_covered']:5.1f} %  {name}")
            if lines is not None and name.startswith(lines):
                rows.append(f"      lines {file['missing_lines']}")
                rows.append("      from line to line " + ", ".join(f"{a} → {b}" for a, b in file["missing_branches"]))
    return rows


def main() -> int:
    """Print what is not reached; 1 where a test fails, or the whole suite reaches less than the kept figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", metavar="TESTS", help="what pytest runs; else everything")
    parser.add_argument("--show", action="store_true", help="run nothing, show what the last run left")
    parser.add_argument("--lines", metavar="PATH", help="print line numbers for files whose path begins so")
    parser.add_argument("--jobs", "-n", default="auto", help="processes (auto)")
    options = parser.parse_args()
    failed = 0
    if not options.show:
        coverage("erase")
        failed = coverage("run", "-m", "pytest", "-q", "-n", options.jobs, *options.tests)
        coverage("combine", "--quiet")
    report = measured()
    for row in missing(report, options.lines):
        print(row)
    figure = float(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["report"]["fail_under"])
    reached = report["totals"]["percent_covered"]
    print(f"{reached:.1f} % of the lines and branches of trainer/ are reached; {figure} % are kept")
    return int(failed != 0 or (not options.tests and reached < figure))


if __name__ == "__main__":
    sys.exit(main())
