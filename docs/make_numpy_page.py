"""Write docs/numpy.md: what becomes of a Tensor in each of NumPy's public functions.

    python docs/make_numpy_page.py

Read off the tables that NumPy's dispatch is answered from.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainer.engine.dispatch import STRUCTURAL, TABLE, WAYS_OUT, function_name
from trainer.plugins import shared

PAGE = Path(__file__).parent / "numpy.md"

# These are given no array to compute with: they format, configure, name types, or build from plain numbers.
NO_ARRAYS = """
    array_repr array_str array2string base_repr binary_repr format_float_positional format_float_scientific
    bmat show_config show_runtime info get_include getbufsize setbufsize geterr seterr geterrcall seterrcall
    get_printoptions set_printoptions printoptions test tri eye identity diag_indices tril_indices triu_indices
    mask_indices indices ix_ dtype issubdtype typename mintypecode isdtype sctype2char promote_types
    fromfile fromfunction fromiter frombuffer fromregex fromstring from_dlpack genfromtxt loadtxt load nested_iters
    iterable frompyfunc vectorize bartlett blackman hamming hanning kaiser busday_offset busday_count is_busday
    datetime_as_string datetime_data set_string_function asmatrix isscalar can_cast may_share_memory shares_memory
    isfortran broadcast_shapes fftfreq rfftfreq einsum_path unravel_index require
""".split()  # noqa: SIM905  a hundred names read better without quotes

# Why the others are refused for which nothing stands to be written instead.
REASONS = {
    name: why
    for why, names in {
        "its result is a plain array; np.stack and np.concatenate join Tensors": """
            array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray""",
        "it takes plain numbers": "empty ones zeros",
        "a set of numbers has no derivative": """
            intersect1d setdiff1d setxor1d union1d unique_all unique_counts unique_inverse unique_values""",
        "counts have no derivative": "histogram2d histogramdd",
        "of whole numbers or dates": "isnat packbits ravel_multi_index unpackbits",
        "a file holds numbers; save t.value": "save savetxt savez savez_compressed",
        "it is np.vstack's old name": "row_stack",
    }.items()
    for name in names.split()
}

HEAD = """# NumPy's functions and the tape

What becomes of a Tensor in each of NumPy's public functions. Written by `python docs/make_numpy_page.py`.

- **differentiable**: the call is recorded, and there are rules for the arguments that are named, or for all.
- **constant**: the call is recorded, and its result (a bool, an index, a count) passes no gradient; *shapes* looks at
  shapes and types alone and gives plain values.
- **refused**: an error that says so, with what to write instead where there is something. A Tensor never drops off the
  tape in silence; `t.value` leaves it on purpose.

*Arguments* are those besides the arrays that the function takes on a Tensor. `out=` is refused everywhere: a Tensor is
never written to. What has an op under another name, such as SciPy's functions, is on [the page of ops](ops.md).

"""


def public_functions() -> Iterator[tuple[str, Any]]:
    """NumPy's functions of arrays, by the names that a person types."""
    for module in (np, np.linalg, np.fft):
        for name in sorted(module.__all__):
            function = getattr(module, name, None)
            if (inspect.isroutine(function) or isinstance(function, np.ufunc)) and name not in NO_ARRAYS:
                yield f"{module.__name__.replace('numpy', 'np')}.{name}", function
    methods = [f for f in TABLE if isinstance(getattr(f, "__self__", None), np.ufunc)]
    yield from sorted((function_name(method), method) for method in methods)


def page() -> str:
    """The page for what is installed."""
    shared().names("ops")  # everything that is installed has claimed its functions
    rows = [f"| `{name}` | {' | '.join(_row(function))} |" for name, function in public_functions()]
    return HEAD + "| function | a Tensor in it | arguments |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _row(function: Any) -> tuple[str, str]:
    if function in STRUCTURAL:
        return "constant: shapes", ""
    op: Any = TABLE.get(function)
    if op is None:
        way_out = f"write {WAYS_OUT[function]}" if function in WAYS_OUT else REASONS.get(function.__name__, "")
        return f"refused: {way_out or 'nobody has written a rule'}", ""
    if not op.differentiable:
        return "constant", ", ".join(op.attributes)
    named = "" if op.differentiable == op.inputs else f" in {', '.join(op.differentiable)}"
    return f"differentiable{named}", ", ".join(op.attributes)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
