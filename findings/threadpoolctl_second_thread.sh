#!/usr/bin/env bash
# threadpool_limits(limits=1) in a second Python thread limits nothing and says nothing, from threadpoolctl 3.8 on, where
# another thread of the process has set a limit of its own and is still alive: OpenBLAS hears the first thread alone until
# that one leaves its block. 3.6 set the limit, which is the process's. Needs two processors.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/second.py" <<'PYTHON'
import threading

import numpy as np  # brings OpenBLAS
from threadpoolctl import threadpool_info, threadpool_limits


def blas() -> int:
    """The threads of NumPy's OpenBLAS."""
    return next(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")


def second() -> None:
    with threadpool_limits(limits=1):
        seen.append(blas())


seen: list[int] = []
with threadpool_limits(limits=2):
    first = blas()
    other = threading.Thread(target=second)
    other.start()
    other.join()
print(first, seen[0])
PYTHON
said=()
for version in 3.6.0 3.8.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet numpy==2.4.6 threadpoolctl==$version
    said+=("$("$work/$version/bin/python" "$work/second.py")")
    echo "threadpoolctl $version: threads in the first block, and in a block of another thread that asks for one: ${said[-1]}"
done
[[ ${said[0]} == "2 1" ]] || { echo "3.6 does not limit a second thread's BLAS either, or there are not two processors"; exit 1; }
[[ ${said[1]} == "2 2" ]] || { echo "3.8 limits it: this has changed"; exit 1; }
