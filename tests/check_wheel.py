"""Look into a wheel: exactly our three packages at its top level, typed, and with the entry points.

python tests/check_wheel.py dist/tape_trainer-*.whl
"""

from __future__ import annotations

import sys
import zipfile

PACKAGES = {"trainer", "trainer_ops", "trainer_datasets"}


def problems(path: str) -> list[str]:
    """What is wrong with the wheel, one line each."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        info = next(n.split("/")[0] for n in names if n.endswith(".dist-info/METADATA"))
        entry_points = wheel.read(f"{info}/entry_points.txt").decode()
    top = {n.split("/")[0] for n in names} - {info}
    found = [f"top-level name '{name}' is not ours" for name in sorted(top - PACKAGES)]
    found += [f"package '{name}' is missing" for name in sorted(PACKAGES - top)]
    found += [f"{name}/py.typed is missing" for name in sorted(PACKAGES) if f"{name}/py.typed" not in names]
    found += [f"{n} must not ship" for n in names if n.endswith((".pyc", ".ipynb")) or "/tests/" in n]
    for line in ("trainer = trainer.cli:main", "trainer_ops = trainer_ops", "trainer_datasets = trainer_datasets"):
        if line not in entry_points:
            found.append(f"entry point '{line}' is missing")
    return found


if __name__ == "__main__":
    complaints = problems(sys.argv[1])
    sys.stdout.write("".join(f"{sys.argv[1]}: {line}\n" for line in complaints) or "the wheel is as it should be\n")
    sys.exit(bool(complaints))
