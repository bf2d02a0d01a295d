# What machine.c offers to Python.
from typing import Any

LOOP: int
MATMUL: int
COPY: int
CAST: int
FILL: int
WHERE: int
GATHER: int
STREAM: int
CHECK: int
CALL: int

class Machine:
    def __new__(cls, instructions: list[tuple[Any, ...]], /) -> Machine: ...
    def run(self, start: int, stop: int, /) -> int: ...
