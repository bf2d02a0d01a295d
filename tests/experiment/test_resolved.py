"""A resolved config is the same run again."""

from __future__ import annotations

from pathlib import Path

import pytest

import trainer
from trainer.runs import read_metrics

CONFIG = """
dataset: wine
network: [dense: 3]
cost: softmax_cross_entropy
metrics: [METRIC]
stop: {best: true, watched: roc_auc, part: train}
step_size: 0.01
epochs: 2
"""


@pytest.mark.parametrize("metric", ["roc_auc", "roc_auc: macro", "{roc_auc: {average: macro}}"])
def test_the_columns_are_the_same_however_a_default_is_spelt(metric: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.replace("METRIC", metric))
    first = trainer.train(path, out=tmp_path)
    assert first.folder is not None
    again = trainer.train(first.folder / "resolved.yaml", out=tmp_path)
    assert again.folder is not None
    columns = read_metrics(first.folder / "metrics.csv"), read_metrics(again.folder / "metrics.csv")
    assert "test_roc_auc" in columns[0]
    for name in columns[0]:
        if name not in ("seconds", "rows_per_second"):
            assert columns[0][name].tolist() == columns[1][name].tolist()
    assert list(columns[0]) == list(columns[1])
