"""Which public function of NumPy or SciPy the user has called, when a Tensor meets plain code inside of it.

Not every function hands a Tensor on to its op: SciPy's Python functions know nothing of it, and NumPy asks some of its
functions' arguments alone (`np.take` the array, not the indices). What then fails is a conversion, or a ufunc that
nobody has heard of, somewhere within. Only an error looks here, so it may take its time: the outermost of the frames
that NumPy and SciPy have on the stack is the call that the user wrote.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dis import opmap
from types import FrameType

from trainer.engine import dispatch
from trainer.engine.node import Operation
from trainer.engine.provider import troubles
from trainer.errors import DetachError

__all__ = ["advice", "is_operator", "spelling", "unknown"]

_LIBRARIES = ("numpy", "scipy")


def is_operator() -> bool:
    """Whether the function that asks was called by an operator, `a ** t`, and not by name, `np.power(a, t)`."""
    frame = sys._getframe(2)
    return frame.f_code.co_code[frame.f_lasti] == opmap["BINARY_OP"]


def advice(tensor: object = None) -> str | None:
    """What to call instead of the library's function that is running; None where none is, or it has no public name.

    `tensor` is who met plain code; the argument that it came in is then named.
    """
    frames = list(_library_frames())
    for frame in reversed(frames):
        name = _public_name(frame)
        if name is None:
            continue
        op = dispatch.known_by(name)
        if op is None and dispatch.named(name) in dispatch.WAYS_OUT:
            return _way_out(name, dispatch.named(name))
        if op is None:
            return (
                f"{name} is written for plain arrays, and a Tensor would drop off the tape in it. Write it in NumPy "
                "functions that have an op (`trainer ops list` names them), make an op of it, or leave the tape on "
                "purpose: t.value"
            )
        argument = next((n for n, v in frame.f_locals.items() if tensor is not None and v is tensor), None)
        if argument in op.attributes:
            return (
                f"argument '{argument}' of {name} is static, and a Tensor came: no gradient would reach it. "
                f"Pass {argument}=t.value"
            )
        seen = f"'{argument}' of {name} does not reach its op" if argument else f"{name} is written for plain arrays"
        return f"{seen}, and a Tensor would drop off the tape in it. Call the op itself: {spelling(op, name)}"
    return None


def unknown(function: object) -> DetachError:
    """The error for a function that nobody has written a rule for."""
    known = advice()
    if known is not None and not known.startswith(dispatch.function_name(function) + " "):
        return DetachError(known)  # a part of a function that is known by another name
    name = dispatch.function_name(function)
    if name.startswith("np.frompyfunc"):
        return DetachError(
            f"{name} computes with Python numbers, one element at a time, and would drop a Tensor from the tape. Write "
            "the function with NumPy's functions, which take whole arrays; or leave the tape on purpose: t.value"
        )
    if function in dispatch.WAYS_OUT:
        return DetachError(_way_out(name, function))
    short = name.rsplit(".", 1)[-1]
    if hasattr(function, "nin"):
        target = "x" if function.nin == 1 else "x1"
        how = f"    op({name}).defvjp({target}=lambda dy, {target}: ...)"
    else:
        how = f"    @op(implements={name})\n    def {short}(x, *, ...): ..."
    missing = "".join(f"\nIt may be one of a plugin's that is not there: {trouble}" for trouble in troubles())
    return DetachError(
        f"{name} has no rule, so its result would drop off the tape. Register one:\n{how}\n"
        f"or leave the tape on purpose: {name}(t.value).{missing}"
    )


def _way_out(name: str, function: object) -> str:
    return (
        f"{name} has no op, so its result would drop off the tape. Write {dispatch.WAYS_OUT[function]}; or leave "
        f"the tape on purpose: {name}(t.value)"
    )


def spelling(op: Operation, but: str = "") -> str:
    """How to call an op: a NumPy function that leads to it (other than `but`), or where to import it from."""
    for function, other in dispatch.TABLE.items():
        if other is op and not isinstance(function, str) and getattr(function, "__module__", "").startswith("numpy"):
            name = dispatch.function_name(function)
            if name != but and not hasattr(function, "nin"):
                return f"{name}(t) is recorded"
    for place in (op.module.partition(".")[0], op.module):
        for name, value in vars(sys.modules[place]).items() if place in sys.modules else ():
            if value is op and not name.startswith("_"):
                return f"from {place} import {name}; {_call(op, name)}"
    return f"op '{op.name}' of {op.module}"


def _call(op: Operation, name: str) -> str:
    return repr(op).removeprefix("<op ").removesuffix(">").replace(op.name, name, 1)


def _library_frames() -> Iterator[FrameType]:
    """The frames that NumPy and SciPy have on the stack without anybody else's between, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _root(frame) == "trainer":
        frame = frame.f_back
    while frame is not None and _root(frame) in _LIBRARIES:
        yield frame
        frame = frame.f_back


def _root(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _public_name(frame: FrameType) -> str | None:
    """The dotted name of the function that a frame runs, or that it wraps; as a person types it."""
    owner = frame.f_locals.get("self")
    if owner is not None and type(owner).__module__.partition(".")[0] in _LIBRARIES:
        return _exported(type(owner).__module__, type(owner).__name__)
    wrapped = [v for v in frame.f_locals.values() if inspect.isfunction(v)]
    names = [(frame.f_globals["__name__"], frame.f_code.co_name), *((f.__module__, f.__name__) for f in wrapped)]
    return next((found for module, name in names if (found := _exported(module, name))), None)


def _exported(module: str, name: str) -> str | None:
    """The name under the innermost public package that exports it."""
    parts = module.split(".")
    private = next((i for i, part in enumerate(parts) if part.startswith("_")), len(parts))
    for end in range(private, 0, -1):
        package = ".".join(parts[:end])
        if not name.startswith("_") and callable(getattr(sys.modules.get(package), name, None)):
            return package.replace("numpy", "np", 1) + f".{name}"
    return None
