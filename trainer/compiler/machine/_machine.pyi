# What the machine, written in C, offers to Python.
from typing import Any

from trainer.compiler.machine.instructions import MachineInstruction

# Kinds of instructions.
LOOP: int
FUSED: int
REDUCE: int
MATMUL: int
PRODUCT: int
COPY: int
CAST: int
FILL: int
WHERE: int
GATHER: int
STREAM: int
RANDOM: int
CHECK: int
CALL: int

# What a chain may consist of; machine.h has the formulas.
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
AXPY: int
MOVING_AVERAGE: int
MOVING_SQUARE: int
ADAM_STEP: int
MULTIPLY_ADD: int
TANH_VJP: int
RELU_VJP: int

SOURCES: str  # SHA-256 of what this was compiled from
VECTORS: int  # bytes of the widest for PRODUCT; 0 where this processor has it not

class Machine:
    raised: int
    @property
    def stretches(self) -> list[tuple[int, int, int]]: ...
    def __new__(cls, instructions: list[MachineInstruction] | list[tuple[Any, ...]], /) -> Machine: ...
    def run(self, start: int, stop: int, pieces: int = 0, /) -> int: ...

def threads(wanted: int = 0, /) -> int: ...
def divided(whole: list[float], pieces: list[float], /) -> list[bool]: ...
def count_lines(text: bytes | bytearray, /) -> tuple[int, bool]: ...
def read_cells(
    text: bytes | bytearray,
    signs: bytes,
    marks: bytes,
    any_case: bool,
    units: bytes,
    kinds: bytes,
    powers: bytes,
    numbers: Any,
    spans: Any,
    /,
) -> tuple[int, int, int]: ...
