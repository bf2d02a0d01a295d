"""Every example in a docstring runs and gives what it shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import trainer
import trainer_datasets
import trainer_ops
from trainer import Op
from trainer.compiler.executors import native_available

# Without a C compiler there is no machine, and nothing imports the modules that drive it.
DRIVES_THE_MACHINE = {
    f"trainer.compiler.machine.{name}" for name in ("executor", "instructions", "loop", "lowering", "lowering_chain")
}
ABSENT = set() if native_available() else DRIVES_THE_MACHINE
MODULES = sorted(
    m.name
    for p in (trainer, trainer_ops, trainer_datasets)
    for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")
    if not m.name.endswith("__main__") and m.name not in ABSENT
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    tests = finder.find(module, name, extraglobs={"np": np})
    for value in vars(module).values():
        if isinstance(value, Op) and value.module == name and not isinstance(value.forward, np.ufunc):
            globs = {**vars(module), "np": np}
            tests.append(
                doctest.DocTestParser().get_doctest(value.doc, globs, f"{name}.{value.name}", module.__file__, 0)
            )
    for test in tests:
        runner.run(test)
    assert runner.failures == 0
