#!/usr/bin/env bash
# mpi4py sums the memory of an array, not its elements: Allreduce of a Fortran-ordered matrix with one rank is not the matrix.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 mpi4py==4.1.2 mpich==5.0.2
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
from mpi4py import MPI

gradient = np.asfortranarray(np.arange(6.0).reshape(2, 3))
total = np.zeros((2, 3))
MPI.COMM_WORLD.Allreduce(gradient, total)
print(f"one rank sends {gradient.tolist()} and receives {total.tolist()}")
assert total.tolist() == [[0.0, 3.0, 1.0], [4.0, 2.0, 5.0]], "the order is respected now, or refused"
PYTHON
