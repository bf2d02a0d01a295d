"""The lists of planted faults are about the source and the tests as they are (`tools/planted.py` tries them)."""

from __future__ import annotations

import ast
import runpy
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FAULTS = list(runpy.run_path(str(ROOT / "tools" / "planted.py"), run_name="planted")["faults"]())


@pytest.mark.parametrize("area", sorted({fault.area for fault in FAULTS}))
def test_every_fault_can_be_planted_and_names_tests_that_there_are(area):
    for fault in (f for f in FAULTS if f.area == area):
        source = (ROOT / fault.file).read_text(encoding="utf-8")
        planted = fault.planted(source)  # raises where what it replaces does not stand there exactly once
        assert planted != source
        if fault.file.endswith(".py"):
            ast.parse(planted)
        for test in fault.tests:
            path, _, name = test.partition("::")
            assert (ROOT / path).exists(), f"{fault.name}: {path}"
            assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{fault.name}: {test}"


def test_every_fault_has_a_name_of_its_own():
    assert [name for name, count in Counter(fault.name for fault in FAULTS).items() if count > 1] == []
