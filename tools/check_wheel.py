"""Look into a wheel: exactly our three packages at its top level, typed, and with the entry points."""

from __future__ import annotations

import argparse
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


def main() -> int:
    """Print what is wrong; 1 where anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", metavar="WHEEL", help="the file")
    wheel = parser.parse_args().wheel
    complaints = problems(wheel)
    print("".join(f"{wheel}: {line}\n" for line in complaints) or "the wheel is as it should be\n", end="")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
