"""From the recorded tape to a program that runs without it.

trace       a function of arrays, run once, becomes a program
passes      the program becomes smaller
buffers     its values get their places
executors   it runs

step = trainer.compile(f)     # the same results as f, to the bit
"""

from trainer.compiler.compiled import PROGRAMS, Compiled, ProgramsWarning, compile
from trainer.compiler.program import Instruction, Program, Value
from trainer.compiler.tracing import Record, trace

__all__ = [
    "PROGRAMS", "Compiled", "Instruction", "Program", "ProgramsWarning", "Record", "Value", "compile", "trace",
]  # fmt: skip
