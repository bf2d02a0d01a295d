"""Checking what plugins have registered: by name, by file, by package, or everything.

`trainer ops check` prints what these functions return.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from trainer.checker.report import Report
from trainer.checker.run import check
from trainer.engine.op import Op
from trainer.errors import PluginError
from trainer.files import expanded
from trainer.plugins import Component, Plugins, registry
from trainer.plugins.loading import is_file
from trainer.wording import did_you_mean

__all__ = [
    "check_all", "check_names", "check_side_by_side", "check_source", "exit_code", "ops_of", "registered_ops", "select",
]  # fmt: skip


def registered_ops(plugins: Plugins) -> dict[str, Component]:
    """Every op, by name: those registered as ops, and those that are costs only."""
    found = {
        name: component
        for kind in ("costs", "ops")
        for name, component in plugins.all(kind).items()
        if isinstance(component.target, Op)
    }
    return dict(sorted(found.items()))


def check_names(plugins: Plugins, names: Sequence[str], *, quick: bool = False) -> list[Report]:
    """A report per op of these names. Raises PluginError for a name that does not exist, with the nearest one."""
    return list(check_all(select(plugins, names), quick=quick))


def check_source(source: str, *, folder: Path | None = None, quick: bool = False) -> list[Report]:
    """A report per op of a plugin that is not installed, or is: a file, or a module or package that can be imported.

    Raises PluginError when there is no such plugin, or when it brings no op.
    """
    return list(check_all(ops_of(source, folder=folder), quick=quick))


def check_all(ops: dict[str, Component], *, quick: bool = False) -> Iterator[Report]:
    """A report per op, one by one as they come."""
    for component in ops.values():
        yield check(component.target, quick=quick)


def check_side_by_side(
    what: Sequence[str], plugins: Sequence[str], names: Sequence[str], jobs: int, *, quick: bool = False
) -> Iterator[Report]:
    """The reports on the ops of these names, in this order, by so many processes.

    An op cannot be sent to a process, so each chooses them again: by `what`, of what is installed and `plugins`.
    """
    context = get_context("spawn")  # a fork would inherit threads that it does not have
    with ProcessPoolExecutor(jobs, context, initializer=_chosen_again, initargs=(what, plugins)) as pool:
        yield from pool.map(partial(_check_one, quick=quick), names)


_chosen: dict[str, Component] = {}  # in a process that checks ops for another


def _chosen_again(what: Sequence[str], plugins: Sequence[str]) -> None:
    from trainer.plugins import available

    _chosen.update(select(available(plugins), what))


def _check_one(name: str, quick: bool) -> Report:
    return check(_chosen[name].target, quick=quick)


def exit_code(reports: Sequence[Report]) -> int:
    """What a command returns: 0 when every report is ok, else 1."""
    return 0 if all(report.ok for report in reports) else 1


def ops_of(source: str, *, folder: Path | None = None) -> dict[str, Component]:
    """The ops that one plugin registers, and those that its modules hold for its layers and costs, by name."""
    plugins = Plugins([source], folder=folder, entry_points=False)
    path = str(((folder or Path.cwd()) / expanded(source)).resolve()) if is_file(source) else None
    found = dict(sorted((_held(source, path) | registered_ops(plugins)).items()))
    if not found:
        raise PluginError(
            f"plugin '{source}' registers no op; write one: @hookimpl, and under it def register_ops(register): "
            "register(my_op)"
        )
    return found


def select(plugins: Plugins, what: Sequence[str], *, folder: Path | None = None) -> dict[str, Component]:
    """The ops that are meant by NAME, FILE or PACKAGE; every registered one where nothing is named.

    A name of an op comes first; then a file; then a plugin's, a distribution's or a module's name.
    """
    known = registered_ops(plugins)
    if not what:
        return known
    chosen: dict[str, Component] = {}
    for word in what:
        if word in known:
            chosen[word] = known[word]
        elif is_file(word):
            chosen |= ops_of(word, folder=folder)
        else:
            chosen |= _of_package(known, word)
    return chosen


def _held(source: str, path: str | None = None) -> dict[str, Component]:
    """The ops that imported modules of a package, or of the file at `path`, define, registered or not."""
    found = {}
    for name, module in [*sys.modules.items()]:
        inside = getattr(module, "__file__", None) == path if path else name == source or name.startswith(f"{source}.")
        for each in [*vars(module).values()] if inside else []:
            if isinstance(each, Op) and each.module == name:
                found[each.name] = registry.component("ops", each, each.name, source, None, {})
    return found


def _of_package(known: dict[str, Component], word: str) -> dict[str, Component]:
    package = {name: c for name, c in known.items() if _belongs(c, word)}
    if package:
        ours = any(registry.is_ours(each.package) for each in package.values())
        modules = set() if ours else {each.target.module.partition(".")[0] for each in package.values()}
        for module in modules:
            package = _held(module) | package
        return dict(sorted(package.items()))
    try:
        exists = importlib.util.find_spec(word) is not None
    except (ImportError, ValueError):  # its parent package is missing, or the name is no module's
        exists = False
    if exists:
        return ops_of(word)
    hint = did_you_mean(word, known, "`trainer ops list` names the ops, and a file ends in .py")
    raise PluginError(f"there is no op, plugin or package '{word}'; {hint}")


def _belongs(component: Component, word: str) -> bool:
    """Whether a component is from the plugin, distribution or module of this name."""
    module = component.target.module
    distribution = (component.package or "").split(" ")[0]
    return word in (component.plugin, distribution, module) or module.startswith(word + ".")
