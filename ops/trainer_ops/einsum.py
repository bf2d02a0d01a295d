"""Sums of products by Einstein's convention. Each factor's rule is another such sum, of δy and the other factors."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, refuse
from trainer_ops.shaping import sum_to


def _binder(*operands: Any, out: None = None, optimize: Any = False, **others: Any) -> Any:
    refuse("np.einsum", out=out, **others)
    if isinstance(operands[0], str):
        return operands[1:], {"subscripts": operands[0], "optimize": optimize}
    # The other spelling: array, its labels as a list of numbers, array, its labels, …, and perhaps the result's.
    arrays = operands[: len(operands) // 2 * 2 : 2]
    terms = [_letters(labels) for labels in operands[1 : 2 * len(arrays) : 2]]
    result = "->" + _letters(operands[-1]) if len(operands) % 2 else ""
    return arrays, {"subscripts": ",".join(terms) + result, "optimize": optimize}


def _letters(labels: Sequence[Any]) -> str:
    return "".join("..." if label is Ellipsis else ascii_letters[label] for label in labels)


@op(implements=np.einsum, binder=_binder)
def einsum(*arrays: Array, subscripts: str, optimize: Any = False) -> Array:
    """The sum of products that the subscripts say, as `np.einsum`: "ij,jk->ik" is the matrix product."""
    return np.einsum(subscripts, *arrays, optimize=optimize)


def explicit(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """The labels of each factor and of the result, with letters in place of "..." and of what "->" leaves out.

    >>> explicit("ij,j", (2, 1))
    (['ij', 'j'], 'i')
    >>> explicit("...i,i->...", (3, 1))
    (['abi', 'i'], 'ab')
    """
    terms, arrow, result = subscripts.replace(" ", "").partition("->")
    labels = terms.split(",")
    free = [c for c in ascii_letters if c not in subscripts]
    longest = max((n - len(t) + 3 for t, n in zip(labels, ndims, strict=True) if "..." in t), default=0)
    dots = "".join(free[:longest])
    labels = [
        t.replace("...", dots[len(dots) - (n - len(t) + 3) :] if "..." in t else "")
        for t, n in zip(labels, ndims, strict=True)
    ]
    if not arrow:  # implicit: the axes of "...", then the labels that occur once, in alphabetical order
        joined = terms.replace("...", "").replace(",", "")
        return labels, dots + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    return labels, result.replace("...", dots)


@einsum.vjp("arrays")
def _(dy: Array, arrays: Sequence[Array], wanted: Sequence[bool], *, subscripts: str, optimize: Any) -> list[Any]:
    labels, result = explicit(subscripts, [np.ndim(a) for a in arrays])
    lengths = {c: n for a, t in zip(arrays, labels, strict=True) for c, n in zip(t, np.shape(a), strict=True) if n != 1}
    return [
        _factor(i, dy, result, arrays, labels, lengths, optimize) if want else None for i, want in enumerate(wanted)
    ]


def _factor(
    i: int, dy: Array, result: str, arrays: Sequence[Array], labels: list[str], lengths: dict[str, int], optimize: Any
) -> Array:
    """The cotangent of factor i: δy times the other factors, summed over the labels that are not its own.

    A label that it alone has was summed, so δy is the same along it: a factor of ones. A label that it has twice took
    its diagonal, so δy belongs there: the second becomes a label of its own, tied to the first by the identity matrix.
    """
    others = [j for j in range(len(arrays)) if j != i]
    terms, factors = [result, *(labels[j] for j in others)], [dy, *(arrays[j] for j in others)]
    free = iter(c for c in ascii_letters if c not in "".join(labels) + result)
    own = ""
    for c in labels[i]:
        n = lengths.get(c, 1)
        if c in own:
            c, twin = next(free), c
            terms.append(twin + c)
            factors.append(np.eye(n, dtype=dy.dtype))
        elif not any(c in t for t in terms):
            terms.append(c)
            factors.append(np.ones(n, dtype=dy.dtype))
        own += c
    g = np.einsum(f"{','.join(terms)}->{own}", *factors, optimize=optimize)
    shape = np.shape(arrays[i])
    if g.shape != shape:  # a length of 1 that broadcast, in this factor or in the others
        g = sum_to(np.broadcast_to(g, np.broadcast_shapes(g.shape, shape)), shape=shape)
    return g


@einsum.operations
def _(*shapes: Any) -> int:
    return 2 * max(int(np.prod(s)) for s in shapes)


@einsum.samples
def _(rng: np.random.Generator) -> list[Any]:
    cases: dict[str, list[tuple[int, ...]]] = {
        "ij,jk->ik": [(3, 4), (4, 2)],
        "ij->ji": [(3, 4)],
        "ij->": [(3, 4)],
        "ii->i": [(3, 3)],
        "ii": [(3, 3)],
        "ij,ij": [(3, 4), (3, 4)],
        "i,j,k->kji": [(2,), (3,), (4,)],
        "bij,bjk->bik": [(2, 3, 4), (2, 4, 2)],
        "...ij,...jk->...ik": [(5, 2, 3, 4), (2, 4, 2)],
        "...i,i": [(2, 3), (3,)],
        "ij,kj->i": [(3, 4), (2, 4)],
        "iij,j->i": [(3, 3, 2), (2,)],
        "ij,jk": [(3, 1), (4, 2)],
        ",i->i": [(), (3,)],
    }
    return [(*(np.asarray(rng.normal(size=n)) for n in s), {"subscripts": k}) for k, s in cases.items()]
