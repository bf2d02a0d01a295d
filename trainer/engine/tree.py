"""Nested dicts, lists and tuples of arrays, taken apart and put together again.

Dict entries are visited in sorted order of their keys, so that equal dicts give equal lists of leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from trainer.errors import UsageError

__all__ = ["flatten", "leaves", "refilled", "sorted_keys", "tree_map"]


def flatten(tree: object) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The leaves of `tree`, and a function that puts a list of as many values into the same structure.

    >>> values, rebuild = flatten({"b": 2, "a": [0, 1]})
    >>> values
    [0, 1, 2]
    >>> rebuild([10, 20, 30])
    {'b': 30, 'a': [10, 20]}
    """
    values = list(leaves(tree))

    def rebuild(replacements: Sequence[object]) -> Any:
        if len(replacements) != len(values):
            raise UsageError(f"{len(replacements)} values do not fill a structure of {len(values)} leaves")
        return _rebuild(tree, iter(replacements))

    return values, rebuild


def leaves(tree: object) -> Iterator[Any]:
    """The leaves of `tree`, in order."""
    if isinstance(tree, dict):
        for key in sorted_keys(tree):
            yield from leaves(tree[key])
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from leaves(item)
    else:
        yield tree


def tree_map(function: Callable[..., object], tree: object) -> Any:
    """`tree` with `function` applied to each leaf.

    >>> tree_map(lambda v: v + 1, {"a": (1, 2)})
    {'a': (2, 3)}
    """
    values, rebuild = flatten(tree)
    return rebuild([function(v) for v in values])


def sorted_keys(tree: dict[object, object]) -> list[Any]:
    """A dict's keys in the order in which its leaves come."""
    try:
        return sorted(tree)
    except TypeError:  # keys of several types have no order of their own
        return sorted(tree, key=lambda k: (type(k).__name__, repr(k)))


def _rebuild(tree: object, values: Iterator[object]) -> Any:
    if isinstance(tree, dict):
        built = {key: _rebuild(tree[key], values) for key in sorted_keys(tree)}
        return {key: built[key] for key in tree}
    if isinstance(tree, list | tuple):
        items = [_rebuild(item, values) for item in tree]
        if hasattr(tree, "_fields"):  # a named tuple takes its fields one by one
            return type(tree)(*items)
        return type(tree)(items)
    return next(values)


def refilled(value: object, function: Callable[[object], object]) -> Any:
    """The same with `function` applied to everything that is no tuple, list, dict or slice."""
    if isinstance(value, list | tuple):
        items = [refilled(item, function) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: refilled(item, function) for key, item in value.items()}
    if type(value) is slice:
        return slice(*(refilled(part, function) for part in (value.start, value.stop, value.step)))
    return function(value)
