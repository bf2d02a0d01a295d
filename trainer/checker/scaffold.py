"""`trainer ops new NAME`: a plugin that already passes every check, with its tests."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from pathlib import Path

from trainer.errors import UsageError

__all__ = ["write_op"]

PLUGIN = '''\
"""The op `{name}`, as a plugin. In a config:

    plugins: [{name}.py]
    network: [{{dense: 16}}, {name}]

Check it, on the command line or with its tests:

    trainer ops check {name}.py
    pytest test_{name}.py
"""

import numpy as np

from trainer import hookimpl, op


@op
def {name}(x, *, beta=1.0):
    """x · σ(beta·x), with σ(x) = 1/(1 + e⁻ˣ). Any shape.

    Arrays are positional; what stays fixed, such as beta, is keyword-only.
    """
    return x / (1 + np.exp(-beta * x))


@{name}.vjp("x")
def _(dy, x, y, *, beta):
    """δx = dy/dx · δy. The parameters say what is kept: dy is the cotangent, y the result, the rest goes by name."""
    s = 1 / (1 + np.exp(-beta * x))
    return dy * (s + beta * y * (1 - s))


@{name}.samples
def _(rng):
    """What the checker calls it with: an array, and several with attributes."""
    yield rng.normal(size=(3, 4))
    yield rng.normal(size=5), {{"beta": 2.0}}


@hookimpl
def register_ops(register):
    register({name})
'''

TEST = '''\
"""Tests of the op `{name}`: its values by hand, its derivative by everything that the checker knows."""

from pathlib import Path

import numpy as np

from trainer import check, grad
from trainer.plugins import Plugins

{name} = Plugins([str(Path(__file__).with_name("{name}.py"))]).get("ops", "{name}").target


def test_the_value_at_0_and_far_out():
    np.testing.assert_allclose({name}(np.array([0.0, 40.0, -40.0])), [0.0, 40.0, 0.0], atol=1e-15)


def test_the_derivative_at_0():
    assert grad({name})(0.0) == 0.5


def test_the_checker_finds_nothing():
    check({name}).raise_()
'''


def write_op(name: str, folder: Path, taken: Collection[str] = ()) -> tuple[Path, Path]:
    """Write `NAME.py` and `test_NAME.py` into a folder and return their paths.

    Raises UsageError for a name that Python or a config could not write, for one that is `taken` by a registered op,
    and when a file of that name exists.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(f"'{name}' cannot name an op: use lower-case letters, digits and underscores, as in soft_sign")
    if name in ("np", "op", "hookimpl", "check", "grad"):
        raise UsageError(f"'{name}' is a name that the file itself uses; choose another")
    if name in taken:
        raise UsageError(f"there is an op '{name}' already (trainer ops show {name}); choose another name")
    if not folder.is_dir():
        raise UsageError(f"folder {folder} does not exist; make it first: mkdir {folder}")
    files = {folder / f"{name}.py": PLUGIN, folder / f"test_{name}.py": TEST}
    for path in files:
        if path.exists():
            raise UsageError(f"{path} exists and stays as it is; choose another name, or move it away")
    for path, text in files.items():
        path.write_text(text.format(name=name), encoding="utf-8")
    plugin, test = files
    return plugin, test
