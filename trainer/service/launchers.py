"""What starts attempts: the contract between the supervisor and the processes, here or on another computer.

A launcher starts, stops and says what is gone. What an attempt has learnt never travels through it. Launchers are a
kind of plugin: `register_launchers` registers frozen dataclasses that make one, and ours come through the same door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trainer.errors import PluginError, UsageError
from trainer.limits import admits, expected
from trainer.plugins.manager import Plugins
from trainer.plugins.registry import Component
from trainer.wording import did_you_mean

if TYPE_CHECKING:
    from trainer.service.children import Children
    from trainer.service.remote.attempts import Attempts
    from trainer.service.settings import Settings

__all__ = ["Exit", "Hears", "Launcher", "Site", "Work", "made"]


@dataclass(frozen=True)
class Work:
    """An attempt that is to be started: of which run, which one, and what its process is told."""

    run: str
    attempt: int
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Exit:
    """How an attempt's process ended.

    why: in words, such as "exit code 1" or "SIGKILL".
    asked: whether it was asked to, or went with the service or its fork server, and so is to blame for nothing.
    """

    why: str
    asked: bool = False
    cpu_seconds: float | None = None
    peak_bytes: int | None = None


class Hears(Protocol):
    """Who hears of attempts; called in the event loop."""

    def report(self, work: Work, message: Mapping[str, Any]) -> None:
        """A line that an attempt has said."""

    def gone(self, work: Work, ended: Exit) -> None:
        """An attempt's process is gone, and all that it has said was reported."""


@dataclass(frozen=True)
class Site:
    """What a launcher is made for: a service.

    Attributes:
        hears: who is to hear of attempts.
        children: of its fork server, for what begins here.
        attempts: that report over HTTP, for what begins elsewhere.
    """

    settings: Settings
    hears: Hears
    children: Children
    attempts: Attempts


class Launcher(Protocol):
    """Starts attempts somewhere."""

    @property
    def free(self) -> int:
        """How many more attempts it takes now."""

    @property
    def threads(self) -> int:
        """How many threads an attempt has there; it changes no bit (see `trainer.training.threads`)."""

    @property
    def outlives(self) -> bool:
        """Whether its attempts go on where the service ends, to be heard of by the next."""

    async def begin(self) -> None:
        """Get ready, if it is not. Raises TrainerError with what to mend."""

    async def launch(self, work: Work) -> str:
        """Start an attempt; gives what the launcher calls it."""

    async def stop(self, handle: str, grace: float) -> None:
        """Ask an attempt to end with a checkpoint, and kill it after so many seconds; one that is gone is no error."""

    async def adopt(self, work: Work, handle: str) -> bool:
        """Whether an attempt that a service before this one has started may live on; then it will be heard of."""

    async def end(self) -> None:
        """Stop whatever does not outlive the service, and let go of everything."""


def made(settings: Settings) -> dict[str, Any]:
    """What makes each launcher that an admin names, with its options: the components, built.

    Of plugins those are imported that the admin allows, and only where a name is none of ours. Raises UsageError.
    """
    ours = Plugins(entry_points=())
    asked = dict(_asked(text) for text in settings.launchers)
    known = ours if asked.keys() <= set(ours.names("launchers")) else Plugins(entry_points=settings.plugins)
    return {name: _built(_found(known, name), given) for name, given in asked.items()}


def _asked(text: str) -> tuple[str, Any]:
    """`NAME` or `NAME=VALUE`, where the value is YAML, as in an override: the first option, or a mapping of options."""
    name, given, value = text.partition("=")
    if not given:
        return name, {}
    import yaml

    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--launcher {text}: the value cannot be read: {' '.join(str(error).split())}") from None


def _found(plugins: Plugins, name: str) -> Component:
    try:
        return plugins.get("launchers", name)
    except PluginError as error:
        raise UsageError(f"--launcher {name}: {error}") from None


def _built(component: Component, given: Any) -> Any:
    """The component with its options, each held against its type."""
    name, parameters = component.name, {each.name: each for each in component.parameters}
    if not isinstance(given, dict):
        if not parameters:
            raise UsageError(f"--launcher {name} takes no options, found {given!r}")
        given = {next(iter(parameters)): given}
    for key, value in given.items():
        if key not in parameters:
            there = f"there are: {', '.join(parameters)}" if parameters else "it takes none"
            raise UsageError(f"--launcher {name} has no option '{key}'; {did_you_mean(str(key), parameters, there)}")
        if not admits(parameters[key].annotation, value):
            raise UsageError(f"--launcher {name}: {key} is {expected(parameters[key].annotation)}, found {value!r}")
    missing = [key for key, each in parameters.items() if each.required and key not in given]
    if missing:
        first = f"--launcher {name}=…" if missing[0] == next(iter(parameters)) else f"--launcher '{name}={{…}}'"
        raise UsageError(f"--launcher {name} needs {' and '.join(missing)}: {first}")
    return component.build(**given)
