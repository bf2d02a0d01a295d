"""Who brings ops that the engine has not met yet, and knows where they come from.

For this package these are its plugins, of which the engine knows nothing: `trainer` hands in who is to be asked. This
module imports nothing, for it is there as soon as `trainer` is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Provider", "load_ops", "name_of", "package_of", "provided_by", "troubles"]


class Provider(Protocol):
    """What is asked of a provider."""

    def load_ops(self) -> None:
        """Import whatever is installed, so that its ops enter the table (`trainer.engine.dispatch`)."""

    def package_of(self, module: str) -> str | None:
        """The distribution that a plugin's module came in and its version, `my-package 1.2`; None for other modules."""

    def name_of(self, module: str) -> str | None:
        """What the plugin of that module is called where plugins are listed; None for other modules."""

    def troubles(self) -> list[str]:
        """Why some of what is installed could not be imported, a sentence each."""


_provider: Callable[[], Provider] | None = None


def provided_by(provider: Callable[[], Provider]) -> None:
    """From now on `provider()`, called when there is something to ask, is who is asked."""
    global _provider
    _provider = provider


def load_ops() -> None:
    """As `Provider.load_ops`; nothing where there is no provider."""
    if _provider is not None:
        _provider().load_ops()


def troubles() -> list[str]:
    """As `Provider.troubles`; none where there is no provider."""
    return [] if _provider is None else _provider().troubles()


def package_of(module: str) -> str | None:
    """As `Provider.package_of`; None where there is no provider."""
    return None if _provider is None else _provider().package_of(module)


def name_of(module: str) -> str | None:
    """As `Provider.name_of`; None where there is no provider."""
    return None if _provider is None else _provider().name_of(module)
