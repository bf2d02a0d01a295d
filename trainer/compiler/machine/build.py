"""Hatchling's build hook: compiles the machine where there is a C compiler, and says so where there is none.

The package works without the machine: the NumPy executor then runs the programs, with the same results.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "trainer.compiler.machine._machine"
# Quick, and to the bit: no multiplication is contracted with an addition, and a square root is the processor's own.
FLAGS = ["-O3", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-pthread"]


def compile_machine(root: Path, target: Path) -> Path:
    """Compile the extension into `target` and give its path. Raises whatever the compiler has to say."""
    import numpy
    from setuptools import Distribution, Extension

    folder = root / "trainer" / "compiler" / "machine"
    extension = Extension(
        NAME,
        sorted(map(str, folder.glob("*.c"))),
        include_dirs=[numpy.get_include()],
        define_macros=[("SOURCES", f'"{digest_of(folder)}"')],
        extra_compile_args=["/std:c11"] if sys.platform == "win32" else FLAGS,
    )
    command = Distribution({"name": "machine", "ext_modules": [extension]}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(target), str(target / "objects")
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath(NAME))


def digest_of(folder: Path) -> str:
    """The SHA-256 of the C sources, which the package compares when it is imported."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.[ch]")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class MachineHook(BuildHookInterface[Any]):
    """Puts the compiled machine into the wheel, or beside its source for an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = Path(tempfile.mkdtemp(prefix="machine-"))
        try:
            built = compile_machine(Path(self.root), target)
        except Exception as error:  # no compiler, no headers, a compiler that fails: all of them mean the same here
            sys.stderr.write(
                f"tape-trainer: built without the native executor ({error}); programs run on NumPy's calls\n"
            )
            return
        if version == "editable":
            beside = Path(self.root, "trainer", "compiler", "machine", built.name)
            beside.unlink(missing_ok=True)  # a process that has the old one loaded keeps it
            shutil.copy2(built, beside)
        else:
            build_data["force_include"][str(built)] = f"trainer/compiler/machine/{built.name}"
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
