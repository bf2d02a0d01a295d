"""Initial values of parameters, by the name of who proposed them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np

from trainer.errors import UsageError
from trainer.rng import Drawing, Sketch
from trainer.types import Array, Shape
from trainer.wording import did_you_mean

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

__all__ = ["Initial", "draw"]

_Name = Literal[
    "zeros", "ones", "glorot", "glorot_uniform", "glorot_normal", "he", "he_uniform", "he_normal", "lecun",
    "lecun_uniform", "lecun_normal", "orthogonal", "normal", "truncated_normal", "uniform", "constant",
]  # fmt: skip

# What a name may be given, the first of which `{name: number}` sets, with what each is by default.
_OPTIONS: dict[str, dict[str, float]] = {
    "constant": {"value": 0.0},
    "normal": {"deviation": 0.05, "mean": 0.0},
    "truncated_normal": {"deviation": 0.05, "mean": 0.0},
    "uniform": {"limit": 0.05, "mean": 0.0},
    "orthogonal": {"gain": 1.0},
}
_SIGNED = ("value", "mean")

PIECE = 1 << 16  # numbers that are drawn in double at a time

# The deviation of a standard normal number that is drawn again until it lies within ±2.
_CUT = math.sqrt(1 - 4 * math.exp(-2) / (math.sqrt(2 * math.pi) * math.erf(math.sqrt(2))))


@dataclass(frozen=True)
class _Spelling:
    """Tells a config's reader how initial values are written: a name, or a name with its options."""

    words: tuple[str, str] = ("a name with its options, such as {normal: 0.02}",) * 2

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> Any:
        from pydantic_core import core_schema as schema

        options = schema.dict_schema(schema.str_schema(), schema.any_schema())
        return schema.no_info_after_validator_function(_admitted, options)


def _admitted(initial: object) -> Any:
    try:
        _read(initial)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return initial


@dataclass(frozen=True)
class _Either:
    """Decides which of the two spellings is meant, so that a complaint is about that one."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> Any:
        from pydantic_core import core_schema as schema

        name, options = get_args(source)
        return schema.tagged_union_schema(
            {"name": handler.generate_schema(name), "options": handler.generate_schema(options)},
            discriminator=lambda value: "options" if isinstance(value, dict) else "name",
        )


Initial = Annotated[_Name | Annotated[dict[str, Any], _Spelling()], _Either()]


def draw(initial: Initial, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Initial values of a name, or of a name with its options: `{truncated_normal: {deviation: 0.02}}`.

    They are of the generator's dtype if it is a `Drawing`, and else float64; the numbers are the same.

    | name                          | variance               | source                                            |
    |-------------------------------|------------------------|---------------------------------------------------|
    | `glorot`                      | 2 / (fan_in + fan_out) | Glorot & Bengio 2010: linear, tanh                |
    | `he`                          | 2 / fan_in             | He et al. 2015: relu                              |
    | `lecun`                       | 1 / fan_in             | LeCun et al. 1998, *Efficient BackProp*: selu     |
    | `zeros`, `ones`               | 0                      | for biases, last layers and scales                |
    | `constant: value`             | 0                      | by default 0                                      |
    | `normal: deviation`           | deviation²             | also `mean`; by default 0.05 and 0                |
    | `truncated_normal: deviation` | 0.77 deviation²        | as `normal`, cut at ±2 deviations from the mean   |
    | `uniform: limit`              | limit² / 3             | `mean` ± limit; by default 0 ± 0.05               |
    | `orthogonal: gain`            | gain² / longer side    | Saxe et al. 2014: rows or columns are orthonormal |

    The first three are uniform on ±√(3·variance), also under the names `glorot_uniform`, `he_uniform` and
    `lecun_uniform`; `glorot_normal`, `he_normal` and `lecun_normal` are normal numbers cut at ±2 deviations that have
    that variance after the cut. All is as in Keras, except that `uniform` has one limit. An orthogonal array of several
    axes is a matrix whose columns are the last axis.

    Args:
        fan_in: how many inputs an output is a sum of.
        fan_out: how many outputs an input goes into.

    Raises UsageError for a name or an option that there is not.

    >>> draw("zeros", np.random.default_rng(0), (2, 1), 2, 1).tolist()
    [[0.0], [0.0]]
    >>> q = draw("orthogonal", np.random.default_rng(0), (4, 2), 4, 2)
    >>> np.allclose(q.T @ q, np.eye(2))
    True
    """
    name, options = _read(initial)
    if name == "orthogonal" and len(shape) < 2:
        raise UsageError(f"initial: orthogonal makes matrices, and this parameter has shape {shape}; take normal")
    if isinstance(rng, Sketch):
        return rng.drawn(shape)
    if name in _DRAWN:
        return _DRAWN[name](rng, shape, **options)
    source, _, kind = name.partition("_")
    variance = {"glorot": 2 / max(1, fan_in + fan_out), "he": 2 / max(1, fan_in), "lecun": 1 / max(1, fan_in)}[source]
    if kind == "normal":
        return _truncated(rng, shape, deviation=variance**0.5 / _CUT, mean=0.0)
    return _uniform(rng, shape, (3 * variance) ** 0.5, mean=0.0)


def _filled(rng: np.random.Generator, shape: Shape, numbers: Callable[[int, int], Array]) -> Array:
    """An array of what `numbers(start, count)` gives, float64, for one piece of it after another."""
    values = np.empty(shape, rng.dtype if isinstance(rng, Drawing) else np.float64)
    flat = values.reshape(-1)
    for start in range(0, flat.size, PIECE):
        flat[start : start + PIECE] = numbers(start, min(PIECE, flat.size - start))
    return values


def _constant(rng: np.random.Generator, shape: Shape, value: float) -> Array:
    return _filled(rng, shape, lambda start, count: np.full(count, float(value)))


def _normal(rng: np.random.Generator, shape: Shape, deviation: float, mean: float) -> Array:
    return _filled(rng, shape, lambda start, count: rng.normal(mean, deviation, count))


def _uniform(rng: np.random.Generator, shape: Shape, limit: float, mean: float) -> Array:
    return _filled(rng, shape, lambda start, count: rng.uniform(mean - limit, mean + limit, count))


def _truncated(rng: np.random.Generator, shape: Shape, deviation: float, mean: float) -> Array:
    """Those outside of ±2 are drawn again once all are drawn, in their order, until none is."""
    outside: list[Array] = []

    def numbers(start: int, count: int) -> Array:
        drawn = rng.normal(size=count)
        outside.append(start + np.flatnonzero(np.abs(drawn) > 2))
        return drawn * deviation + mean

    values = _filled(rng, shape, numbers)
    flat, places = values.reshape(-1), np.concatenate([np.zeros(0, np.int64), *outside])
    while places.size:
        drawn = rng.normal(size=len(places))
        flat[places] = drawn * deviation + mean
        places = places[np.abs(drawn) > 2]
    return values


def _orthogonal(rng: np.random.Generator, shape: Shape, gain: float) -> Array:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # without this the signs are not evenly spread
    return gain * np.reshape(q if rows >= columns else q.T, shape)


_DRAWN: Mapping[str, Callable[..., Array]] = {
    "zeros": lambda rng, shape: _constant(rng, shape, 0.0),
    "ones": lambda rng, shape: _constant(rng, shape, 1.0),
    "constant": _constant,
    "normal": _normal,
    "truncated_normal": _truncated,
    "uniform": _uniform,
    "orthogonal": _orthogonal,
}


def _read(initial: object) -> tuple[str, dict[str, float]]:
    """The name and all of its options. Raises UsageError where either is wrong."""
    given: object = {}
    if isinstance(initial, str):
        name = initial
    elif isinstance(initial, Mapping) and len(initial) == 1:
        ((name, given),) = initial.items()
    else:
        raise UsageError(f"initial values are a name, or one name with its options: {{normal: 0.02}}, not {initial!r}")
    if name not in get_args(_Name):
        hint = did_you_mean(name, get_args(_Name), f"there are: {', '.join(get_args(_Name))}")
        raise UsageError(f"there are no initial values named '{name}'; {hint}")
    known = _OPTIONS.get(name, {})
    given = {} if given is None else given
    if not known and given != {}:
        raise UsageError(f"initial values '{name}' have no options; write '{name}' alone")
    if not isinstance(given, Mapping):
        given = {next(iter(known)): given}
    for option, value in given.items():
        if option not in known:
            raise UsageError(f"initial values '{name}' take {' and '.join(known)}, not '{option}'")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(f"{option} of initial values '{name}' is a number, not {value!r}")
        if option not in _SIGNED and value < 0:
            raise UsageError(f"{option} of initial values '{name}' is at least 0, not {value!r}")
    return name, {**known, **given}
