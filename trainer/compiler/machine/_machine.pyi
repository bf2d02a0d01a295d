# What machine.c offers to Python.
from typing import Any

# Kinds of instructions.
LOOP: int
FUSED: int
REDUCE: int
MATMUL: int
COPY: int
CAST: int
FILL: int
WHERE: int
GATHER: int
STREAM: int
RANDOM: int
CHECK: int
CALL: int

# What a chain may consist of.
NEGATIVE: int
SQUARE: int
SQRT: int
ABSOLUTE: int
ADD: int
SUBTRACT: int
MULTIPLY: int
DIVIDE: int
MAXIMUM: int
MINIMUM: int
GREATER: int
GREATER_EQUAL: int
LESS: int
LESS_EQUAL: int
EQUAL: int
NOT_EQUAL: int
STEP: int
MOVE: int
MOVE_SQUARE: int
STEP_ROOT: int
TANH_BACK: int
RELU_BACK: int

class Machine:
    def __new__(cls, instructions: list[tuple[Any, ...]], /) -> Machine: ...
    def run(self, start: int, stop: int, /) -> int: ...
