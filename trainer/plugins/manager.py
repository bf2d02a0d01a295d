"""Loads plugins and looks components up by name.

What shaped it:

- One plugin's mistake must not cost the others. pluggy's own loader lets an import error escape, its `check_pending()`
  stops at the first misspelt hook, and an exception in one hook skips the hooks after it. So each plugin gets a
  `PluginManager` of its own, which validates it and calls it alone.
- A plugin that is *installed* and broken is reported in `Plugins.problems` and the rest works on: the person who runs a
  command may not even know that it is there. A plugin that a person *listed* is an error at once.
- Installed plugins are imported when a kind is first asked for, hooks called per kind.
  After that a look-up is a dict's.
- A file that is loaded twice is one module: its ops tell NumPy's functions what to do with a Tensor, for the whole
  process, and two modules would quarrel over that.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trainer.errors import PluginError
from trainer.plugins.entries import GROUP, entry_of
from trainer.plugins.loading import Plugin, explained, listed
from trainer.plugins.registry import KINDS, Component, is_ours, noun
from trainer.wording import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

__all__ = ["PluginProblem", "PluginSummary", "Plugins", "available", "share", "shared"]

# Of our own entry points those that have something of a kind, where that is to be learnt without importing every op.
_OURS = {"commands": (), "launchers": ("trainer",)}


class PluginProblem(NamedTuple):
    """An installed plugin that is broken, wholly or in part, and what is wrong with it."""

    plugin: str
    message: str


class PluginSummary(NamedTuple):
    """One plugin, and what came of it.

    Attributes:
        name: an entry point's, a file's or a module's.
        package: the distribution that it came in and its version; None for a file.
        file: where it is written; None for one that cannot be imported.
        hooks: those that it implements.
        registered: the names of its components by kind, without kinds of which it has none.
        problems: what is wrong with it.
    """

    name: str
    package: str | None
    file: str | None
    hooks: tuple[str, ...]
    registered: dict[str, list[str]]
    problems: tuple[str, ...]


class Plugins:
    """The components of every installed plugin and of the `sources` that a person listed.

    Args:
        sources: files (`swish.py`, relative to `folder`) or names of importable modules.
        folder: where relative files are looked for; the current folder by default.
        entry_points: False leaves the installed plugins out; names, all but those and ours.

    Raises PluginError when one of the sources is missing, does not import, has a misspelt hook, or registers a name
    that is taken.

    >>> plugins = Plugins(entry_points=False)
    >>> plugins.names("ops")
    []
    """

    def __init__(
        self, sources: Sequence[str] = (), *, folder: Path | None = None, entry_points: bool | Collection[str] = True
    ) -> None:
        self.problems: list[PluginProblem] = []
        self._folder = folder
        self._lock = threading.RLock()
        self._allowed = entry_points
        self._pending: list[EntryPoint] | None = None if entry_points is not False else []  # not imported yet
        self._plugins: list[Plugin] = []  # installed and imported
        self._listed: list[Plugin] = []
        self._origins: dict[Distribution, str] = {}
        self._packages: dict[str, str | None] = {}  # of the installed ones, the broken among them
        self._components: dict[str, dict[str, Component]] = {}
        for source in sources:
            self.add(source)

    def add(self, source: str, *, folder: Path | None = None) -> None:
        """Load one more plugin that a person listed: all of it or, with a PluginError, nothing."""
        plugin = listed(source, folder or self._folder or Path.cwd())
        for mistake in plugin.mistakes():
            raise PluginError(mistake)
        registered = {kind: plugin.components(kind) for kind in KINDS}
        with self._lock:
            for kind, components in registered.items():
                for new in components.values():
                    if taken := self._taken(kind, new):
                        raise PluginError(taken)
            for kind, components in registered.items():
                if components:
                    self._of(kind).update(components)
            self._listed.append(plugin)

    def names(self, kind: str) -> list[str]:
        """The names of a kind, sorted."""
        return sorted(self.all(kind))

    def all(self, kind: str) -> dict[str, Component]:
        """The components of a kind, by name."""
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS, f"the kinds are {', '.join(KINDS)}")
            raise PluginError(f"there are no components of kind '{kind}'; {hint}")
        with self._lock:
            return dict(self._of(kind))

    def get(self, kind: str, name: str) -> Component:
        """The component of that kind and name.

        Raises PluginError when there is none, with the nearest name that exists.
        """
        components = self.all(kind)
        if name in components:
            return components[name]
        hint = did_you_mean(name, components, f"there are: {', '.join(sorted(components)) or 'none'}")
        raise PluginError("; ".join([f"unknown {noun(kind)} '{name}'", hint, *self.troubles()]))

    def summaries(self) -> list[PluginSummary]:
        """Every plugin, ours first, then the installed ones and those that a person listed; all hooks are called."""
        components = [component for kind in KINDS for component in self.all(kind).values()]
        with self._lock:
            known = {plugin.name: plugin for plugin in (*self._plugins, *self._listed)}
            broken = sorted(name for name in self._packages if name not in known)
            problems = list(self.problems)
        found = []
        for name in (*known, *broken):
            plugin, registered = known.get(name), dict[str, list[str]]()
            for component in components:
                if component.plugin == name:
                    registered.setdefault(component.kind, []).append(component.name)
            found.append(
                PluginSummary(
                    name,
                    self._packages.get(name) if plugin is None else plugin.package,
                    None if plugin is None else plugin.file,
                    plugin.hooks if plugin else (),
                    registered,
                    tuple(problem.message for problem in problems if problem.plugin == name),
                )
            )
        return found

    def files(self) -> dict[str, str | None]:
        """Where each plugin that was imported is written, by its name."""
        with self._lock:
            return {plugin.name: plugin.file for plugin in (*self._plugins, *self._listed)}

    # What the engine asks for (`trainer.engine.provider.Provider`).

    def load_ops(self) -> None:
        """Import whatever has ops."""
        self.names("ops")

    def troubles(self) -> list[str]:
        """What is wrong with installed plugins, a sentence each: what is missing may be theirs."""
        return [problem.message for problem in self.problems]

    def package_of(self, module: str) -> str | None:
        """The distribution that an installed plugin's module came in, `my-package 1.2`; None for any other module."""
        entry = entry_of(module)
        return f"{entry.dist.name} {entry.dist.version}" if entry and entry.dist else None

    def name_of(self, module: str) -> str | None:
        """What an installed plugin of that module is called; None for any other module."""
        entry = entry_of(module)
        return entry.name if entry and entry.dist else None

    def __repr__(self) -> str:
        counts = [f"{len(components)} {kind}" for kind, components in self._components.items() if components]
        return f"<Plugins: {', '.join(counts) or 'nothing loaded yet'}>"

    def _of(self, kind: str) -> dict[str, Component]:
        if kind not in self._components:
            self._components[kind] = {}
            for plugin in self._loaded(kind):
                self._register_installed(plugin, kind)
        return self._components[kind]

    def _register_installed(self, plugin: Plugin, kind: str) -> None:
        try:
            components = plugin.components(kind)
        except PluginError as error:
            self.problems.append(PluginProblem(plugin.name, str(error)))
            return
        for new in components.values():
            if taken := self._taken(kind, new):
                self.problems.append(PluginProblem(plugin.name, taken))
            else:
                self._components[kind][new.name] = new

    def _taken(self, kind: str, new: Component) -> str | None:
        """What is wrong with registering `new`, or None. One object may come twice: as a file and as an entry point."""
        known = self._of(kind).get(new.name)
        if known is None or known.target is new.target:
            return None
        return (
            f"{new.origin} registers the {noun(kind)} '{new.name}', which {known.origin} has registered already; "
            f"rename one of the two: register(..., name='my_{new.name}')"
        )

    def _loaded(self, kind: str) -> list[Plugin]:
        """The installed plugins that may have something of a kind, imported."""
        if self._pending is None:
            from importlib.metadata import entry_points

            self._pending = [entry for entry in entry_points(group=GROUP) if self._may_load(entry)]
        pending, self._pending = self._pending, []
        for entry in pending:
            if is_ours(self._origin(entry)) and entry.name not in _OURS.get(kind, (entry.name,)):
                self._pending.append(entry)
            else:
                self._import(entry)
        # Shipped ones first, so that of two who want a name it is the stranger who is told.
        self._plugins.sort(key=lambda plugin: (not plugin.ours, plugin.name))
        return self._plugins

    def _may_load(self, entry: EntryPoint) -> bool:
        return self._allowed is True or is_ours(self._origin(entry)) or entry.name in (self._allowed or ())

    def _origin(self, entry: EntryPoint) -> str | None:
        """The distribution that brings it, whose whole description is read for that: once."""
        if entry.dist is None:
            return None
        if entry.dist not in self._origins:
            about = entry.dist.metadata
            self._origins[entry.dist] = f"{about['Name']} {about['Version']}"
        return self._origins[entry.dist]

    def _import(self, entry: EntryPoint) -> None:
        package = self._packages[entry.name] = self._origin(entry)
        try:
            with explained(entry.name, package):
                module = entry.load()
            plugin = Plugin(entry.name, package, module)
        except PluginError as error:
            self.problems.append(PluginProblem(entry.name, str(error)))
        else:
            self._plugins.append(plugin)
            self.problems += [PluginProblem(entry.name, mistake) for mistake in plugin.mistakes()]


_shared: Plugins | None = None
_shared_lock = threading.Lock()


def shared() -> Plugins:
    """The installed plugins, once per process. Plugins that a config lists go into a `Plugins` of its own."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Plugins()
        return _shared


def share(names: Collection[str]) -> Plugins:
    """From now on, in this process, the installed plugins are ours and those of these names alone."""
    global _shared
    with _shared_lock:
        _shared = Plugins(entry_points=names)
        return _shared


def available(sources: Sequence[str] = ()) -> Plugins:
    """The installed plugins, and those that a person lists besides."""
    return Plugins(sources) if sources else shared()
