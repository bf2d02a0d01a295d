"""Passes: programs in, smaller programs out. Each keeps every bit of every output.

`simplify` runs them in the order in which they help one another. `recompute` comes after it, for whom memory counts
more than time: the program is longer, and less is alive in it at once.
"""

from trainer.compiler.passes.common import share_common
from trainer.compiler.passes.constants import fold_constants
from trainer.compiler.passes.dead import drop_dead
from trainer.compiler.passes.fusion import fuse
from trainer.compiler.passes.noops import drop_noops
from trainer.compiler.passes.recomputed import recompute
from trainer.compiler.program import Program

__all__ = ["drop_dead", "drop_noops", "fold_constants", "fuse", "recompute", "share_common", "simplify"]


def simplify(program: Program) -> Program:
    """All passes, once: what one of them leaves for an earlier one has not been seen to matter."""
    for one in (drop_dead, fold_constants, drop_noops, share_common, drop_dead, fuse):
        program = one(program)
    return program
