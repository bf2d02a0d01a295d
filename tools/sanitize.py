"""Build the machine with gcc's sanitizers, run every op's samples on it, and read files.

By default those of addresses and of undefined behaviour; with `--threads` that of data races, over what is divided
among threads. Works on a copy of the tree; needs gcc with its sanitizer libraries. Prints what pytest prints; what a
sanitizer finds ends the run with its report.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent
FLAGS = ["-O1", "-g", "-ffp-contract=off", "-fno-omit-frame-pointer"]


class Way(NamedTuple):
    """What is looked for: gcc's flags, the libraries that must be there before Python, settings, and the tests."""

    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    settings: dict[str, str]
    tests: tuple[str, ...]
    before: tuple[str, ...] = ()


MEMORY = Way(
    ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
    ("libasan.so", "libubsan.so"),
    {
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter keeps what it needs until the end
        "PYTHONMALLOC": "malloc",  # so that the sanitizer sees Python's own blocks too
    },
    ("tests/compiler", "tests/data/readers/test_quick.py"),
)
THREADS = Way(
    ("-fsanitize=thread",),
    ("libtsan.so",),
    # Python's own threads are not compiled with it: what is reported is of the machine alone, and ends the process.
    {"TSAN_OPTIONS": "halt_on_error=1 ignore_noninstrumented_modules=1 die_after_fork=0"},
    ("tests/compiler/test_threads.py", "tests/compiler/test_preparation.py"),
    ("setarch", platform.machine(), "-R"),  # its shadow memory has a fixed place, which must be free
)


def main() -> int:
    """Build, run, and give pytest's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", action="store_true", help="look for data races instead")
    arguments, options = parser.parse_known_args()  # the others are pytest's
    way = THREADS if arguments.threads else MEMORY
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("trainer", "ops", "datasets", "tests", "configs"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        target = copy / "trainer" / "compiler" / "machine" / f"_machine{sysconfig.get_config_var('EXT_SUFFIX')}"
        includes = [f"-I{np.get_include()}", f"-I{sysconfig.get_path('include')}"]
        sources = sorted(map(str, target.parent.glob("*.c")))
        command = ["gcc", *FLAGS, *way.flags, "-pthread", "-shared", "-fPIC", *includes, *sources, "-o", str(target)]
        subprocess.run(command, check=True)
        environment = os.environ | way.settings
        environment |= {
            "LD_PRELOAD": ":".join(map(_library, way.libraries)),
            "PYTHONPATH": os.pathsep.join(str(copy / part) for part in (".", "ops", "datasets")),
        }
        python = [*way.before, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        # A sanitized test takes many times as long as the suite allows; a report is written past Python's stderr.
        ours = ["-o", "timeout=3000", "--capture=sys"]
        return subprocess.run([*python, *ours, *way.tests, *options], cwd=copy, env=environment, check=False).returncode


def _library(name: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
