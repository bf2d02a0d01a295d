"""From the recorded tape to a program that runs without it.

trace       a function of arrays, run once, becomes a program
passes      the program becomes smaller
buffers     its values get their places
executors   it runs

step = trainer.compile(f)     # the same results as f, to the bit
"""

from trainer.compiler.compiled import Compiled, compile
from trainer.compiler.program import Instruction, Program, Value
from trainer.compiler.trace import trace

__all__ = ["Compiled", "Instruction", "Program", "Value", "compile", "trace"]
