#!/usr/bin/env bash
# TensorBoard shows each step of a resumed run once, as purge_step asks; tbparse gives the steps that were trained twice twice.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 tensorboardX==2.6.5 tensorboard==2.21.0 tbparse==0.0.9
"$work/venv/bin/python" - "$work/events" <<'PYTHON'
import sys

from tbparse import SummaryReader
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

folder = sys.argv[1]
for suffix, first, end in (".first", 0, 10), (".resumed", 5, 12):  # killed after step 9, resumed from a checkpoint at 5
    with SummaryWriter(folder, purge_step=first, filename_suffix=suffix) as writer:
        for step in range(first, end):
            writer.add_scalar("loss", 1 / (step + 1), step)
accumulator = EventAccumulator(folder)
accumulator.Reload()
shown = [each.step for each in accumulator.Scalars("loss")]
parsed = sorted(SummaryReader(folder).scalars["step"])
print(f"TensorBoard: {len(shown)} points, {len(set(shown))} steps; tbparse: {len(parsed)} points, {len(set(parsed))} steps")
assert sorted(shown) == list(range(12)) and len(parsed) == 17, "what was purged is left out now"
PYTHON
