"""Makes torch_export.json: what modules of PyTorch give that were written by an export. Run by hand:

    pip install torch==2.14.1
    python tests/references/record_torch_export.py

Each network of tests/export/torch_cases.py is exported, its module run and its parameters loaded, and it is asked about
the rows there. Recorded are the text of the module, a digest of the state that it loads, and its outputs. Fails where
these are not the network's own to 1e-6, relative to the largest.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.export.torch_cases import CASES, Case, digest_of, module_of
from trainer.export.pytorch import to_pytorch

TARGET = Path(__file__).with_name("torch_export.json")


def asked(case: Case, folder: Path) -> dict[str, object]:
    """What PyTorch makes of a case."""
    model, rows = case
    state, _ = to_pytorch(model, "")
    save_file(state, folder / "m.safetensors")
    text = to_pytorch(model, str(folder / "m.safetensors"))[1]
    (folder / "m.py").write_text(text, encoding="utf-8")
    with torch.no_grad():
        outputs = runpy.run_path(str(folder / "m.py"))["model"](torch.from_numpy(rows)).numpy()
    expected = model.outputs(rows)
    difference = np.abs(outputs - expected).max() / max(1.0, np.abs(expected).max())
    assert difference <= 1e-6, f"{difference}: {text}"
    digits = 8 if outputs.dtype == np.float32 else 12
    return {"module": module_of(text), "state": digest_of(state), "outputs": outputs.round(digits).tolist()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        recorded = {name: asked(case, Path(temporary)) for name, case in CASES.items()}
    TARGET.write_text("{\n" + ",\n".join(f"{json.dumps(n)}: {json.dumps(r)}" for n, r in recorded.items()) + "\n}\n")
