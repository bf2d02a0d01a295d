"""Products of the machine's own have the bits of a sum that is spelt out, and of NumPy wherever they are taken."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

m = pytest.importorskip("trainer.compiler.machine._machine", reason="there is no machine here")

from trainer.compiler.machine import instructions as make  # noqa: E402  the machine first
from trainer.compiler.machine import products  # noqa: E402
from trainer.compiler.machine.products import cuts_of, sums_of  # noqa: E402

WIDTHS = [width for width in (32, 64) if width <= m.VECTORS]
needs_vectors = pytest.mark.skipif(not WIDTHS, reason="this processor has no products of its own")


def numbers(shape: tuple[int, int], dtype: Any, turned: bool = False, seed: int = 0) -> Any:
    drawn = np.random.default_rng(seed).standard_normal(shape[::-1] if turned else shape).astype(dtype)
    return drawn.T if turned else drawn


def fused(x: Any, y: Any, total: Any, dtype: Any) -> Any:
    """x y + total, rounded once."""
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(total))
    if dtype == np.float64:
        return np.float64(float(exact))
    near = np.float32(float(exact))  # rounded twice: a neighbour may be nearer
    around = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
    return min([near, *around], key=lambda each: abs(Fraction(float(each)) - exact))


def spelt_out(a: Any, b: Any, classes: bytes, cuts: tuple[int, ...]) -> Any:
    n, columns, dtype = len(a), b.shape[1], a.dtype
    blocks = -(-columns // 8)
    result = np.zeros((n, columns), dtype)
    for i in range(n):
        for j in range(columns):
            start = 0
            for end in cuts:
                length, chains = end - start, [dtype.type(0), dtype.type(0)]
                double = classes[i * blocks + j // 8] == 2
                for q in range(length):
                    way = q % 2 if double and q < length - length % 8 else 0
                    chains[way] = fused(a[i, start + q], b[start + q, j], chains[way], dtype)
                result[i, j] += chains[0] + chains[1] if double else chains[0]
                start = end
    return result


@needs_vectors
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "k", "columns", "cuts"),
    [
        (1, 1, 1, (1,)),
        (7, 11, 9, (11,)),
        (6, 17, 16, (9, 17)),
        (5, 8, 24, (8,)),
        (13, 3, 70, (1, 3)),
        (2, 24, 33, (24,)),
    ],
)
def test_every_way_of_summing_is_what_it_says(n, k, columns, cuts, dtype, width):
    blocks = -(-columns // 8)
    classes = bytes(np.random.default_rng(n).integers(1, 3, n * blocks).tolist())
    for left in (False, True):
        for right in (False, True):
            a, b = numbers((n, k), dtype, left, 1), numbers((k, columns), dtype, right, 2)
            place = np.full((n, columns + 3), np.nan, dtype)
            m.Machine([make.product(a, b, place[:, :columns], classes, cuts, width=width)]).run(0, 1)
            assert place[:, :columns].tobytes() == spelt_out(a, b, classes, cuts).tobytes()
            assert np.isnan(place[:, columns:]).all()  # nothing is written beside it


@needs_vectors
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_found_by_trial_holds_for_other_numbers(dtype):
    rng, found = np.random.default_rng(3), 0
    for _ in range(120):
        n, k, columns = (int(x) for x in rng.integers(2, 90, 3))
        left, right = rng.integers(0, 2, 2).astype(bool)
        a, b = numbers((n, k), dtype, left, 4), numbers((k, columns), dtype, right, 5)
        place = np.zeros((n, columns), dtype)
        sums = sums_of(a, b, place)
        if sums is None:
            continue
        found += 1
        for scale in (1.0, 1e-3, 1e4):
            for array in (a, b):
                array[...] = rng.standard_normal(array.shape) * scale
            m.Machine([make.product(a, b, place, *sums)]).run(0, 1)
            assert place.tobytes() == np.matmul(a, b).tobytes()
    from threadpoolctl import threadpool_info

    known = ("Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids")
    if any(each.get("architecture") in known for each in threadpool_info()):
        assert found > 40  # there the rule is known but for odd rows, so that finding few would be a fault


@needs_vectors
@pytest.mark.parametrize("width", WIDTHS)
def test_zeros_infinities_and_what_is_no_number_come_out_as_numpy_has_them(width):
    a, b = numbers((8, 16), np.float32), numbers((16, 16), np.float32, seed=1)
    sums = sums_of(a, b, np.zeros((8, 16), np.float32))
    if sums is None:
        pytest.skip("NumPy's BLAS sums in another way here")
    a[0], a[1, 3], a[2, 5], a[3] = -0.0, np.inf, np.nan, -1e-30
    b[:, 2], b[:, 3] = 0.0, 1e-30
    place = np.empty((8, 16), np.float32)
    m.Machine([make.product(a, b, place, *sums, width=width)]).run(0, 1)
    with np.errstate(all="ignore"):
        expected = np.matmul(a, b)
    np.testing.assert_array_equal(np.isnan(place), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(place), np.isinf(expected))
    zeros = expected == 0
    assert zeros.any()
    assert place[zeros].tobytes() == expected[zeros].tobytes()  # also where all is below the smallest number


@needs_vectors
def test_stacks_are_multiplied_one_by_one_also_where_one_is_spread_out():
    a, b = numbers((6, 5), np.float32), np.stack([numbers((5, 9), np.float32, seed=seed) for seed in range(3)])
    place = np.empty((3, 6, 9), np.float32)
    sums = products.Sums(bytes([1]) * 12, (5,))
    m.Machine([make.product(np.broadcast_to(a, (3, 6, 5)), b, place, *sums)]).run(0, 1)
    for own, of in zip(place, b, strict=True):
        assert own.tobytes() == spelt_out(a, of, sums.classes, sums.cuts).tobytes()


@needs_vectors
@pytest.mark.parametrize("width", WIDTHS)
def test_sums_are_added_to_zero_or_left_as_they_are(width):
    a, b = numbers((4, 6), np.float32), numbers((6, 8), np.float32)
    a[1], b[:, 3] = -np.finfo(np.float32).tiny, np.finfo(np.float32).tiny  # a sum below the smallest number: -0
    found = []
    for zero in (0.0, -0.0):
        place = np.empty((4, 8), np.float32)
        m.Machine([make.product(a, b, place, bytes([1]) * 4, (6,), zero, width=width)]).run(0, 1)
        found.append(place)
    assert not np.signbit(found[0][1, 3])
    assert np.signbit(found[1][1, 3])
    np.testing.assert_array_equal(*found)


@needs_vectors
def test_the_whole_is_numpys_where_that_is_the_quicker_one_and_parts_are_the_machines():
    a, b, place = numbers((24, 9), np.float32), numbers((9, 16), np.float32), np.empty((24, 16), np.float32)
    classes, cuts = bytes([1]) * 48, (4, 9)  # NumPy cuts no sum so short: it is seen who did it
    table = m.Machine([make.product(a, b, place, classes, cuts, whole=np.matmul)])
    table.run(0, 1)
    assert place.tobytes() == np.matmul(a, b).tobytes() != spelt_out(a, b, classes, cuts).tobytes()
    for pieces in (2, 3, -2, -5):
        place[...] = 0
        table.run(0, 1, pieces)
        assert place.tobytes() == spelt_out(a, b, classes, cuts).tobytes()


@needs_vectors
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": bytes(3)}, "do not suit a product"),
        ({"cuts": (4,)}, "do not suit a product"),
        ({"cuts": (5, 5)}, "do not suit a product"),
        ({"cuts": (6,)}, "do not suit a product"),
        ({"cuts": ()}, "do not suit a product"),
        ({"width": 16}, "do not suit a product"),
        ({"width": 128}, "do not suit a product"),
        ({"zero": 1.0}, "do not suit a product"),
        ({"zero": np.nan}, "do not suit a product"),
        ({"target": np.zeros((9, 6), np.float32).T}, "do not suit a product"),
        ({"target": np.zeros((6, 9))}, "do not suit a product"),
        ({"target": np.zeros((6, 8), np.float32)}, "do not fit"),
    ],
)
def test_what_a_product_cannot_take_is_refused(change, message):
    given = {
        "a": numbers((6, 5), np.float32), "b": numbers((5, 9), np.float32), "target": np.zeros((6, 9), np.float32),
        "classes": bytes([1]) * 12, "cuts": (5,),
    }  # fmt: skip
    m.Machine([make.product(**given)]).run(0, 1)
    with pytest.raises(ValueError, match=message):
        m.Machine([make.product(**{**given, **change})])


def test_sums_are_cut_where_openblas_cuts_them():
    assert cuts_of(5, 320, 8) == (5,)
    assert cuts_of(320, 320, 8) == (320,)
    assert cuts_of(321, 320, 8) == (160, 321)
    assert cuts_of(400, 320, 8) == (200, 400)
    assert cuts_of(1000, 320, 8) == (320, 640, 824, 1000)
