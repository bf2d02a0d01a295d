"""Build the machine with the address and undefined-behaviour sanitizers, run every op's samples on it, and read files.

Works on a copy of the tree; needs gcc with its sanitizer libraries. Prints what pytest prints; a finding of a sanitizer
ends the run with its report.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
FLAGS = ["-O1", "-g", "-ffp-contract=off", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=undefined"]  # fmt: skip
TESTS = ("tests/compiler", "tests/data/readers/test_quick.py")


def main() -> int:
    """Build, run, and give pytest's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, options = parser.parse_known_args()  # the others are pytest's
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("trainer", "ops", "datasets", "tests", "configs"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        target = copy / "trainer" / "compiler" / "machine" / f"_machine{sysconfig.get_config_var('EXT_SUFFIX')}"
        includes = [f"-I{np.get_include()}", f"-I{sysconfig.get_path('include')}"]
        sources = sorted(map(str, target.parent.glob("*.c")))
        subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", *includes, *sources, "-o", str(target)], check=True)
        libraries = [
            subprocess.run(
                ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
            ).stdout.strip()
            for name in ("libasan.so", "libubsan.so")
        ]
        environment = os.environ | {
            "LD_PRELOAD": ":".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter keeps what it needs until the end
            "PYTHONMALLOC": "malloc",  # so that the sanitizer sees Python's own blocks too
            "PYTHONPATH": os.pathsep.join(str(copy / part) for part in (".", "ops", "datasets")),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, *options]
        return subprocess.run(command, cwd=copy, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
