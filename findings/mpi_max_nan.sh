#!/usr/bin/env bash
# MPI's Allreduce(MAX) of numbers of which one is NaN: each rank receives another maximum, so that ranks decide apart.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 mpi4py==4.1.2 mpich==5.0.2
cat > "$work/largest.py" <<'PYTHON'
import numpy as np
from mpi4py import MPI

ranks = MPI.COMM_WORLD
loss = np.array([np.nan if ranks.rank == 0 else 1.0])
largest = np.empty(1)
ranks.Allreduce(loss, largest, op=MPI.MAX)
received = ranks.gather(float(largest[0]))
if ranks.rank == 0:
    print(f"the largest of nan and 1 is {received[0]} at rank 0 and {received[1]} at rank 1")
    assert received[0] == 1.0 and np.isnan(received[1]), "every rank receives the same now"
PYTHON
PATH="$work/venv/bin:$PATH" mpiexec -n 2 python "$work/largest.py"
