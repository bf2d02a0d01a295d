"""From what a config chose to what is run: components with their options, nested ones first."""

from __future__ import annotations

from typing import Any

from trainer.config.schema import Chain, Choice, SubNetwork
from trainer.nn.layers import OpLayer
from trainer.nn.structure import Sequential, Shared

__all__ = ["built"]


def built(value: object) -> Any:
    """A choice as its component with its options: an instance of a class, otherwise a callable with the options bound.

    An op in a network becomes a layer, a list among layers a sequence, and a named sub-network one that is shared.
    What is neither a choice nor a chain of them stays what it is.
    """
    if isinstance(value, Chain):
        return tuple(Sequential(built(item)) if isinstance(item, Chain) else built(item) for item in value)
    if not isinstance(value, Choice):
        return value
    component, options = value.component, {name: built(option) for name, option in value.options.items()}
    if isinstance(component.target, SubNetwork):
        return Shared(component.name, built(component.target.layers))
    if component.kind == "ops":
        return OpLayer(component.target, **options)
    return component.build(**options)
