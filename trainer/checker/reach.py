"""What a function's numbers may depend on besides its own lines: the modules that it can reach.

Of the package that the function is in, every file. Of what these name, their own imports included, whatever stands
beside them, such as a file of helpers; of an installed package the version; of Python, NumPy and this project nothing,
whose versions are known otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType

__all__ = ["reached"]

KNOWN = {*sys.stdlib_module_names, "numpy", "scipy", "trainer", "trainer_ops", "trainer_datasets"}
MOST_FILES = 2000  # of a package; one with more is known by its version alone


def reached(function: Callable[..., object]) -> Iterator[str]:
    """Names and contents of the files that a function can reach, in an order that does not depend on chance."""
    module = sys.modules.get(getattr(function, "__module__", "") or "")
    found: dict[str, str] = {}
    waiting = [] if module is None else [module]
    seen: set[str] = set()
    while waiting:
        each = waiting.pop()
        if each.__name__ in seen:
            continue
        seen.add(each.__name__)
        file = getattr(each, "__file__", None)
        if file is None or each.__name__.partition(".")[0] in KNOWN:
            continue
        if "site-packages" in Path(file).parts and each is not module and not _of_one_package(each, module):
            found[each.__name__] = _version(each)
            continue
        found.update(_files(each, Path(file)))
        waiting += _named(each)
    for name in sorted(found):
        yield name
        yield found[name]


def _of_one_package(one: ModuleType, other: ModuleType | None) -> bool:
    return other is not None and one.__name__.partition(".")[0] == other.__name__.partition(".")[0]


def _version(module: ModuleType) -> str:
    """Of an installed package: what it says, and the date of the file, which another installation changes."""
    top = sys.modules.get(module.__name__.partition(".")[0], module)
    with suppress(OSError):
        return f"{getattr(top, '__version__', '')} {Path(str(module.__file__)).stat().st_mtime_ns}"
    return ""


def _files(module: ModuleType, file: Path) -> Iterator[tuple[str, str]]:
    """The module's own file, all of its package, and the files beside it that its functions import when called."""
    top = sys.modules.get(module.__name__.partition(".")[0])
    folder = getattr(top, "__path__", None)
    files = {file}
    if folder:
        files.update(sorted(each for place in folder for each in Path(place).rglob("*.py"))[:MOST_FILES])
    else:
        names = {name.partition(".")[0] for name in _imports(file)}
        files.update(beside for name in names if (beside := file.with_name(f"{name}.py")).is_file())
    for each in files:
        with suppress(OSError):
            yield str(each), each.read_text(encoding="utf-8", errors="replace")


def _named(module: ModuleType) -> Iterator[ModuleType]:
    """The modules that a module's globals are, or come from."""
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name in sys.modules:
            yield sys.modules[name]


def _imports(file: Path) -> Iterator[str]:
    """Every name in a file's code, of which some are modules that a function imports when it is called."""
    with suppress(OSError, SyntaxError, ValueError):
        yield from _names(compile(file.read_text(encoding="utf-8"), str(file), "exec"))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
