#!/usr/bin/env bash
# PyTorch's TransformerEncoderLayer takes nn.GELU(approximate="tanh") for the exact one where no gradient is wanted.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 torch==2.14.1
"$work/venv/bin/python" - <<'PYTHON'
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

x = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
outputs = []
for activation in (nn.GELU(approximate="tanh"), partial(F.gelu, approximate="tanh"), F.gelu):
    torch.manual_seed(1)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation=activation, batch_first=True).eval()
    with torch.no_grad():
        outputs.append(layer(x))
module, function, exact = outputs
wrong, right = (module - function).abs().max().item(), (module - exact).abs().max().item()
print(f"the module differs from its own function by {wrong:.1e}, and from the exact gelu by {right:.1e}")
assert wrong > 1e-5 and right < 1e-6, "the activation is used as it was given now"
PYTHON
