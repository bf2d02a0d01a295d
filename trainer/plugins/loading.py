"""Imports one plugin, validates its hooks and calls them, apart from every other plugin."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType

from trainer.errors import PluginError
from trainer.files import expanded
from trainer.plugins.entries import called
from trainer.plugins.registry import KINDS, Component, component, is_ours
from trainer.wording import described, did_you_mean, nearest_file, typed

__all__ = ["Plugin", "explained", "is_file", "listed"]

_HOOKS = tuple(f"register_{kind}" for kind in KINDS)


class Plugin:
    """One imported plugin.

    Args:
        name: an entry point's name, a file's or a module's.
        package: the distribution that it came in and its version.
        module: the module, or whatever object an entry point names, that has the hooks.

    Raises PluginError when pluggy refuses a hook, such as one with a parameter that is not `register`.
    """

    def __init__(self, name: str, package: str | None, module: object) -> None:
        import pluggy

        from trainer.plugins import hookspecs

        self.name = name
        self.package = package
        self.ours = is_ours(package)
        self.origin = f"plugin '{name}'" + (f" ({package})" if package else "")
        self._module = module
        self._manager = pluggy.PluginManager("trainer")
        self._manager.add_hookspecs(hookspecs)
        try:
            self._manager.register(module, name)
        except pluggy.PluginValidationError as error:
            hook = next((hook for hook in _HOOKS if f"'{hook}'" in str(error)), "a hook")
            raise PluginError(
                f"{self.origin}: {hook} takes one parameter, which is called 'register': def {hook}(register): ..."
            ) from error

    @property
    def hooks(self) -> tuple[str, ...]:
        """The names of the hooks that it implements."""
        return tuple(caller.name for caller in self._manager.get_hookcallers(self._module) or ())

    @property
    def file(self) -> str | None:
        """Where it is written; None for what is no module."""
        return getattr(self._module, "__file__", None)

    def mistakes(self) -> list[str]:
        """What pluggy passes over in silence: a misspelt hook, one without its decorator, a plugin without any."""
        import pluggy

        found = []
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            for hook in self._unknown_hooks():
                instead = did_you_mean(hook, _HOOKS, f"the hooks are {', '.join(_HOOKS)}")
                found.append(f"{self.origin} implements an unknown hook '{hook}'; {instead}")
        implemented = [*self.hooks]
        for hook in _HOOKS:
            if hook not in implemented and inspect.isroutine(getattr(self._module, hook, None)):
                implemented.append(hook)
                found.append(
                    f"{self.origin}: {hook} is never called, because nothing marks it as a hook; "
                    "put @hookimpl above it (from trainer import hookimpl)"
                )
        if not implemented:
            found.append(
                f"{self.origin} implements no hook, so it adds nothing; "
                "write one: @hookimpl (from trainer import hookimpl), and under it def register_ops(register): "
                "register(my_op)"
            )
        return found

    def components(self, kind: str) -> dict[str, Component]:
        """Call the plugin's hook for a kind. PluginError if the hook raises or registers what cannot be registered."""
        found: dict[str, Component] = {}

        def register(obj: object, *, name: str | None = None, **traits: object) -> None:
            new = component(kind, obj, name, self.name, self.package, traits)
            known = found.setdefault(new.name, new)
            if known.target is not obj:
                raise PluginError(f"register_{kind} registers two {kind} under the name '{new.name}'")

        try:
            getattr(self._manager.hook, f"register_{kind}")(register=register)
        except PluginError as error:
            raise PluginError(f"{self.origin}: {error}") from error
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.origin}: register_{kind} raised {described(error, self.file)}") from error
        return found

    def _unknown_hooks(self) -> list[str]:
        callers = self._manager.get_hookcallers(self._module) or []
        return [caller.name for caller in callers if not caller.has_spec()]


@contextmanager
def explained(name: str, package: str | None, file: str | None = None) -> Iterator[None]:
    """Turn whatever a plugin's import raises into a PluginError that names the plugin."""
    try:
        yield
    except (Exception, SystemExit) as error:
        origin = f"plugin '{name}'" + (f" ({package})" if package else "")
        raise PluginError(f"{origin} failed to import: {described(error, file)}{_lacking(error, file)}") from error


def _lacking(error: BaseException, file: str | None) -> str:
    """The way to a module that a plugin imports and that Python does not find; empty where its package is there."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if not missing or "." in missing:
        return ""
    folder = Path(file).parent if file is not None else None
    if folder is not None and (folder / f"{missing}.py").is_file():
        return f"; set PYTHONPATH={typed(folder)}, and Python finds the {missing}.py beside it"
    return f"; install '{missing}' into the environment of {sys.executable}"


def is_file(source: str) -> bool:
    """Whether a listed plugin means a file rather than a module.

    >>> is_file("swish.py"), is_file("my_package.ops")
    (True, False)
    """
    return source.endswith(".py") or "/" in source or os.sep in source


def listed(source: str, folder: Path) -> Plugin:
    """The plugin that a person named: a file, relative to `folder`, or an importable module."""
    if is_file(source):
        path = (folder / expanded(source)).resolve()
        if not path.is_file():
            raise PluginError(f"plugin file '{source}' does not exist in {path.parent}{_suggestion(path)}")
        with explained(source, None, str(path)):
            module = _file_module(path)
        return Plugin(source, None, module)
    if not _exists(source):
        beside = folder / f"{source.rpartition('.')[2]}.py"
        hint = f"for the file beside the config write '{beside.name}'" if beside.is_file() else "is it installed?"
        installed = called(source)
        if installed is not None:
            hint = f"the plugin '{installed.name}' is installed and needs no listing: leave it out"
        raise PluginError(f"plugin module '{source}' cannot be found; {hint}")
    with explained(source, None):
        module = importlib.import_module(source)
    return Plugin(source, _package(source), module)


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # its parent package is missing, or the name is no module's
        return False


def _package(module: str) -> str | None:
    from importlib.metadata import packages_distributions, version

    names = packages_distributions().get(module.partition(".")[0])
    return f"{names[0]} {version(names[0])}" if names else None


def _suggestion(path: Path) -> str:
    if not path.parent.is_dir():
        return ", which does not exist either"
    guess = nearest_file(path.name, [file.name for file in path.parent.glob("*.py")])
    return f"; did you mean '{guess}'?" if guess else ""


class _FreshLoader(SourceFileLoader):
    """Compiles the file as it is now. Bytecode is matched by size and whole seconds, which misses a quick edit."""

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


_modules: dict[Path, tuple[int, ModuleType]] = {}
_modules_lock = threading.RLock()


def _file_module(path: Path) -> ModuleType:
    """The module of a plugin file: one per file for the whole process, until the file changes."""
    modified = path.stat().st_mtime_ns
    with _modules_lock:
        known = _modules.get(path)
        if known and known[0] == modified:
            return known[1]
        # A name that no other module has, so that dataclasses and type hints find their module in sys.modules.
        name = f"trainer_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        spec = spec_from_loader(name, _FreshLoader(name, str(path)))
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        _modules[path] = (modified, module)
        return module
