"""One contract, every op: whatever is registered passes every check."""

from __future__ import annotations

import pytest

from trainer import check
from trainer.checker.library import registered_ops
from trainer.plugins import shared

OPS = {name: component.target for name, component in registered_ops(shared()).items()}


@pytest.mark.parametrize("name", OPS)
def test_op_passes_the_checker(name):
    check(OPS[name]).raise_()
