"""Two runs are on the same data exactly when their fingerprints say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainer.data import Dataset, prepare
from trainer.runs import fingerprint
from trainer.runs.fingerprint import changed, code_fingerprint, data_fingerprint, numerics


def prepared(seed=0, scale=1.0):
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(40, 3)) * scale, rng.integers(0, 2, 40)
    data = Dataset("d", inputs, targets, "classification", ("a", "b"))
    return prepare(data, targets="classes", seed=seed)


def test_equal_data_have_equal_fingerprints_also_read_in_blocks(monkeypatch):
    whole = data_fingerprint(prepared())
    monkeypatch.setattr(fingerprint, "_BLOCK", 17)
    assert data_fingerprint(prepared()) == whole


def nudged(rows):
    inputs = rows.inputs.copy()
    inputs[-1, -1] = np.nextafter(inputs[-1, -1], np.float32(np.inf))
    return replace(rows, inputs=inputs)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: replace(d, train=nudged(d.train)),
        lambda d: replace(d, test=nudged(d.test)),
        lambda d: replace(d, class_names=("b", "a")),
        lambda d: replace(d, train=replace(d.train, targets=1 - d.train.targets)),
        lambda d: replace(d, train=d.train[::-1]),
        lambda d: replace(d, train=replace(d.train, inputs=d.train.inputs.astype(np.float64))),
        lambda d: replace(d, train=replace(d.train, inputs=d.train.inputs.reshape(-1, 3, 1))),
        lambda d: replace(d, train=replace(d.train, weights=np.ones(len(d.train), np.float32))),
        lambda d: prepared(seed=1),
        lambda d: prepared(scale=1 + 1e-6),
    ],
    ids=[
        "an input",
        "a test input",
        "names",
        "targets",
        "order",
        "dtype",
        "shape",
        "weights",
        "the split",
        "the scale",
    ],
)
def test_one_change_anywhere_is_another_fingerprint(change):
    data = prepared()
    assert data_fingerprint(change(data)) != data_fingerprint(data)


def test_what_differs_in_numerics_is_said():
    before, now = numerics("native"), {**numerics("eager"), "blas": []}
    said = changed(before, now)
    assert "executor was native and is eager" in said
    assert f"blas was {', '.join(before['blas'])} and is none" in said
    assert len(said) == 2
    assert changed(before, numerics("native")) == []


def test_code_is_its_sources_and_its_versions(tmp_path):
    package = tmp_path / "mine"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/rules.py", "fast.c"):
        (package / name).write_text("a\n")
    alone = tmp_path / "alone.py"
    alone.write_text("b\n")
    files = [str(package / "inner" / "rules.py"), str(alone)]
    before = code_fingerprint({"mine": "1.0"}, files)
    assert code_fingerprint({"mine": "1.0"}, [*files[::-1], str(package / "__init__.py")]) == before
    assert code_fingerprint({"mine": "1.1"}, files) != before
    assert code_fingerprint({"mine": "1.0"}, files[:1]) != before
    alone.write_text("c\n")
    assert code_fingerprint({"mine": "1.0"}, files) != before
    alone.write_text("b\n")
    fingerprint._package.cache_clear()  # as another process would look
    (package / "fast.c").write_text("d\n")
    assert code_fingerprint({"mine": "1.0"}, files) != before
