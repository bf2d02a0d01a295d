"""Does the suite notice when the source is wrong? Faults are planted, one at a time, and tests of their area must fail.

A file of tools/planted/ lists faults: which file, what stands there, what is planted instead, and which tests keep the
promise that it breaks. Works on a copy of the tree; the machine is built anew for a fault in its C. What stands there
must stand there exactly once, so that a fault which the code has outgrown is an error and not a success.

    .venv/bin/python tools/planted.py                every fault
    .venv/bin/python tools/planted.py data "scaled"  those of an area, or whose name holds a text
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).parent.parent
LISTS = Path(__file__).parent / "planted"
ROOTS = ("trainer", "ops", "datasets", "tests", "configs", "benchmarks", "tools", "docs")


@dataclass(frozen=True)
class Fault:
    """One fault. `places` are pairs (what stands there, what is planted), in one file."""

    area: str
    name: str
    file: str
    places: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    def planted(self, source: str) -> str:
        """The source with the fault. Raises ValueError where what it replaces does not stand there exactly once."""
        for before, after in self.places:
            if source.count(before) != 1:
                raise ValueError(f"{self.name}: {self.file} holds {source.count(before)} times what it replaces")
            source = source.replace(before, after)
        return source


def faults() -> Iterator[Fault]:
    """Every fault that is listed."""
    for path in sorted(LISTS.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
            places = tuple((place["before"], place["after"]) for place in entry.get("places", [entry]))
            yield Fault(path.stem, entry["name"], entry["file"], places, tuple(entry["tests"]))


def copied(folder: Path) -> Path:
    """The tree as it is, in a folder of its own."""
    for part in ROOTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder)
    return folder


# By the file alone: its package would load the machine, and refuse one that is of other sources.
_BUILD = """
import shutil, sys
sys.path.insert(0, "trainer/compiler/machine")
from pathlib import Path
from build import compile_machine
shutil.copy2(compile_machine(Path("."), Path(sys.argv[1])), "trainer/compiler/machine")
"""


def built(tree: Path) -> None:
    """Compile the machine of a copy."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", _BUILD, folder], cwd=tree, env=environment(tree), check=True)


def environment(tree: Path) -> dict[str, str]:
    """In which a copy's own modules are found before those that are installed."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(tree / part) for part in (".", "ops", "datasets"))}


def noticed(tree: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run some tests on a copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    return subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=False)


def lives(fault: Fault, tree: Path) -> str | None:
    """Plant a fault in a copy, try its tests, and take it away again; why it counts as alive, or None."""
    path = tree / fault.file
    source = path.read_text(encoding="utf-8")
    path.write_text(fault.planted(source), encoding="utf-8")
    try:
        if path.suffix in (".c", ".h"):
            built(tree)
        result = noticed(tree, fault.tests)
        if result.returncode == 1:
            return None
        return "no test failed" if result.returncode == 0 else f"pytest exits with {result.returncode}"
    finally:
        path.write_text(source, encoding="utf-8")
        if path.suffix in (".c", ".h"):
            built(tree)


def main() -> int:
    """Print every fault with what became of it; exits with 1 if one lives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", help="areas, or texts that a fault's name holds")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="copies that are tried side by side (2)")
    options = parser.parse_args()
    chosen = [f for f in faults() if not options.which or any(w == f.area or w in f.name for w in options.which)]
    alive: list[str] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for i in range(options.jobs):
            trees.put(copied(Path(folder, str(i))))

        def tried(fault: Fault) -> tuple[Fault, Any]:
            tree = trees.get()
            try:
                return fault, lives(fault, tree)
            except ValueError as error:
                return fault, str(error)
            finally:
                trees.put(tree)

        for fault, why in pool.map(tried, chosen):
            print(
                f"{'ALIVE' if why else 'found'}  {fault.area:<10} {fault.name}" + (f": {why}" if why else ""),
                flush=True,
            )
            alive += [fault.name] if why else []
    print(f"{len(chosen) - len(alive)} of {len(chosen)} found")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main())
