"""Does it work on every Python that pyproject admits, with the oldest dependencies, and without a compiler?

A column is a Python, its dependencies and whether there is a C compiler. Each gets a copy of the tree and an
environment of its own in a temporary folder, and runs the suite there: what is installed, was built or is cached here
is seen by none. The oldest dependencies are read from pyproject's own text, `numpy>=2.2` becoming `numpy==2.2`.

    nice .venv/bin/python tools/matrix.py --quick                     what differs between versions first
    nice .venv/bin/python tools/matrix.py oldest                      the columns whose name holds a text
    .venv/bin/python tools/matrix.py --python /opt/python3.14/bin/python3
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The plugin manager, arrays through every executor, YAML, files, every optimizer, and pictures: a part of each library.
QUICK = (
    "tests/plugins/test_registry.py", "tests/engine/test_tape.py", "tests/compiler/test_executors.py",
    "tests/config/test_load.py", "tests/config/test_json_schema.py", "tests/data/readers", "tests/ops/test_special.py",
    "tests/runs/test_parameters_file.py", "tests/runs/test_plots.py", "tests/cli/terminal",
    "tests/export/test_onnx.py",
)  # fmt: skip
NO_COMPILER = {"CC": "there-is-no-compiler"}  # what setuptools then fails to start


@dataclass(frozen=True)
class Column:
    """One way in which the package can be installed."""

    python: str
    version: str
    oldest: bool = False
    compiler: bool = True

    def __str__(self) -> str:
        parts = "oldest dependencies" if self.oldest else "newest dependencies", "" if self.compiler else "no compiler"
        return ", ".join(filter(None, (f"Python {self.version}", *parts)))


def lower_bounds(project: Mapping[str, object]) -> list[str]:
    """Constraints that hold every dependency, the extras' too, at the oldest that pyproject's [project] admits.

    >>> lower_bounds({"dependencies": ["numpy>=2.1"], "optional-dependencies": {"dev": ["build>=1.2", "mine[dev]"]}})
    ['numpy==2.1', 'build==1.2']
    """
    dependencies, extras = project["dependencies"], project["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    named = [*dependencies, *(line for extra in ("dev", "onnx") for line in extras.get(extra, ()))]
    return [f"{found[1]}=={found[2]}" for line in named if (found := re.fullmatch(r"([\w.-]+)>=([\w.]+)", line))]


def version_of(python: str) -> str | None:
    """What a Python calls itself; None where it does not start, as pyenv's stand-in for one that is not chosen."""
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def pythons(given: Iterable[str]) -> dict[str, str]:
    """Versions to commands: those that were given, else of every minor version from 3.11 the first on the path."""
    candidates = list(given) or [path for minor in range(11, 30) if (path := shutil.which(f"python3.{minor}"))]
    found = {version: python for python in candidates if (version := version_of(python))}
    return dict(sorted(found.items(), key=lambda item: tuple(map(int, item[0].split(".")))))


def columns(found: Mapping[str, str]) -> Iterator[Column]:
    """Every Python with the newest dependencies; the oldest Python with the oldest, and without a compiler."""
    for version, python in found.items():
        yield Column(python, version)
    oldest = next(iter(found))
    yield Column(found[oldest], oldest, oldest=True)
    yield Column(found[oldest], oldest, compiler=False)


def tried(column: Column, folder: Path, tests: Iterable[str]) -> tuple[bool, str]:
    """Install into a folder and run the tests there: whether all is well, and the output."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    tree = folder / "tree"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    constraints = folder / "constraints.txt"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints.write_text("\n".join(lower_bounds(project)) if column.oldest else "", encoding="utf-8")
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "TRAINER_CACHE": str(folder / "cache")}
    environment |= {} if column.compiler else NO_COMPILER
    environment.pop("PYTHONPATH", None)
    python = str(folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    output = ""
    for command in (
        [column.python, "-m", "venv", str(folder / "venv")],
        [python, "-m", "pip", "install", "--progress-bar", "off", "-c", str(constraints), "-e", ".[dev]"],
        [python, "-m", "pytest", "-q", *tests],
    ):
        done = subprocess.run(
            command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        output += done.stdout
        if done.returncode:
            return False, output + f"\n{' '.join(command[:4])} … exits with {done.returncode}\n"
    return True, output


def main() -> int:
    """Print a line per column, and what a column that fails has to say; 1 where one does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", help="texts that a column's name holds; else all columns")
    parser.add_argument("--python", action="append", default=[], metavar="COMMAND", help="a Python; else those found")
    parser.add_argument("--quick", action="store_true", help="a chosen part of the suite")
    parser.add_argument("--list", action="store_true", help="the columns, and no more")
    options = parser.parse_args()
    found = pythons(options.python)
    if not found:
        parser.error("no Python from 3.11 on was found; name one: --python COMMAND")
    chosen = [c for c in columns(found) if not options.which or any(text in str(c) for text in options.which)]
    failed = 0
    for column in chosen:
        if options.list:
            print(column)
            continue
        with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
            fine, output = tried(column, Path(folder), QUICK if options.quick else ("-n", "auto"))
        last = [line for line in output.splitlines() if line.strip()][-1]
        print(f"{column!s:<50}  {last if fine else 'FAILS'}", flush=True)
        if not fine:
            failed += 1
            print("    " + "\n    ".join(output.splitlines()[-40:]), flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
