"""Checked on load: a third-party op is tried before a run trusts it.

The first time that an op is used in a run it is checked for a few milliseconds. The verdict is kept on disk under
everything that it depends on, so that the next run reads it: the checker's own version, NumPy's, the plugin's package
and version, and a digest of the sources of the op, its rules and whatever they can reach. A wrong op does not train
unless somebody says so.
What ships with this project is checked before it ships.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from trainer.checker.case import Subject, cases_of
from trainer.checker.checks import BRIEF
from trainer.checker.reach import reached
from trainer.checker.run import examine
from trainer.data.cache import cache_folder
from trainer.engine.op import Op
from trainer.engine.provider import package_of
from trainer.engine.rules import Rule
from trainer.errors import RuleError
from trainer.plugins import shared
from trainer.plugins.registry import is_ours

__all__ = ["Verdict", "digest_of", "ensure_checked", "verdict_of"]

FORMAT = 5  # raise it when a check changes: verdicts of other formats are made again


@dataclass(frozen=True)
class Verdict:
    """What a brief check said of an op.

    Attributes:
        op: its name.
        origin: its plugin and package.
        ok: whether nothing was found.
        finding: the first failure in a sentence; empty when ok.
        digest: the key of everything that the verdict depends on.
        cached: whether it was read from disk.
    """

    op: str
    origin: str
    ok: bool
    finding: str
    digest: str
    cached: bool = False


def ensure_checked(ops: Iterable[Op | tuple[Op, Mapping[str, object]]], allow_unchecked: bool = False) -> list[Verdict]:
    """The verdicts on the third-party ops among these, each checked now or read from the cache.

    With an op come the attributes that it will be called with: a rule may be right for the defaults alone.
    Raises RuleError, naming the op and how to see the full report, when one is wrong and `allow_unchecked` is False.
    An op of several arrays without samples cannot be checked and counts as wrong.

    >>> import trainer
    >>> scaled = trainer.op(lambda x, w: x * w, name="scaled").defvjp(x=lambda dy, w: dy * w)
    >>> _is_ours(scaled)  # it is of this package's own module here, so there is no verdict
    True
    >>> ensure_checked([scaled])
    []
    """
    verdicts, pairs = [], [(op, {}) if isinstance(op, Op) else op for op in ops]
    for op, attributes in {(op, repr(sorted(a.items()))): (op, a) for op, a in pairs}.values():
        if not _is_ours(op):
            verdict = verdict_of(op, attributes)
            verdicts.append(verdict)
            if not verdict.ok and not allow_unchecked:
                raise _refusal(op, verdict)
    return verdicts


def verdict_of(op: Op, attributes: Mapping[str, object] | None = None) -> Verdict:
    """The verdict on one op, from the cache or from a brief check: of its samples, and of one with these attributes."""
    digest = digest_of(op, attributes or {})
    path = cache_folder() / "verdicts" / f"{digest}.json"
    known = _read(path, digest)
    if known is not None:
        return known
    report = examine(op, (), BRIEF)
    as_used = _as_used(op, attributes) if attributes and report.ok else None
    if as_used is not None:
        report = examine(op, [as_used], BRIEF)
    finding = report.failures[0].what if report.failures else ""
    finding += f" with {attributes}" if as_used is not None and finding else ""
    verdict = Verdict(op.name, op.origin, report.ok, finding, digest)
    _write(path, verdict)
    return verdict


def _as_used(op: Op, attributes: Mapping[str, object]) -> tuple[Any, ...] | None:
    """A sample with these attributes, on the arrays of the first sample that takes them; None where none does."""
    own = [(case.arguments, case.attributes) for case in cases_of(Subject(op), (), "")]
    if not own and len(op.inputs) == 1:
        own = [((np.random.default_rng(0).normal(size=(3, 4)),), {})]
    for arguments, others in own:
        merged = {**others, **attributes}
        try:
            with np.errstate(all="ignore"):
                op.forward(*arguments, **merged)
        except Exception:  # noqa: S112  arrays of a size that these attributes are not for; the next may be
            continue
        return (*arguments, merged)
    return None


def _is_ours(op: Op) -> bool:
    return is_ours(package_of(op.module)) or op.module.split(".")[0] == "numpy"


def _refusal(op: Op, verdict: Verdict) -> RuleError:
    file = inspect.getsourcefile(inspect.unwrap(op.forward)) if inspect.isroutine(op.forward) else None
    registered = any(op is component.target for component in shared().all("ops").values())
    what = file if op.module.startswith("trainer_plugin_") and file else op.name
    if what == op.name and not registered:  # a layer's or a cost's own, which has no name there
        what = op.module.partition(".")[0]
    return RuleError(
        f"op '{op.name}', from {op.origin}, has not passed the check that an op gets before its first use: "
        f"{verdict.finding}\n"
        f"  the full report    trainer ops check {what}\n"
        f"  train regardless   add --allow-unchecked; the run will record it"
    )


def _read(path: Path, digest: str) -> Verdict | None:
    """A verdict from disk; None where there is none that can be trusted."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        sound = isinstance(values["ok"], bool) and values["digest"] == digest
        return Verdict(**{**values, "cached": True}) if sound else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(path: Path, verdict: Verdict) -> None:
    from trainer.files import atomic_write  # here, because reading a verdict is the usual case

    values = asdict(verdict)
    del values["cached"]
    with suppress(OSError):  # a cache that cannot be written costs a few milliseconds next time
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps(values, ensure_ascii=False, indent=1))


def digest_of(op: Op, attributes: Mapping[str, object] | None = None) -> str:
    """A key of what the verdict depends on."""
    used = repr(sorted((attributes or {}).items()))
    parts = [
        f"format {FORMAT}",
        used,
        np.__version__,
        op.name,
        op.origin,
        repr((op.inputs, op.attributes, op.elementwise)),
    ]
    functions = [op.forward, op._samples]
    for name in op.inputs:
        rule = op.rules.get(name)
        parts.append(f"{name}: {','.join(rule.inputs) if isinstance(rule, Rule) else rule}")
        functions.append(rule.function if isinstance(rule, Rule) else None)
    for function in functions:
        parts += _content(function)
    parts += reached(inspect.unwrap(op.forward))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _content(function: Callable[..., object] | None) -> Iterator[str]:
    """What a function does, as text: its instructions and constants, and its whole file."""
    function = None if function is None else inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        yield repr(getattr(function, "__name__", None))
        return
    yield from _instructions(code)
    with suppress(OSError):
        yield Path(code.co_filename).read_text(encoding="utf-8", errors="replace")
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            yield repr(cell.cell_contents) if isinstance(cell.cell_contents, int | float | str | tuple) else ""


def _instructions(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
        else:
            yield repr(constant)
