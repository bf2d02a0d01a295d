"""The command `trainer`: parse, call, print.

What only one command needs is imported inside it, so that `trainer --help` answers at once.
"""

from trainer.engine.uncollected import beginning

with beginning():
    from trainer.cli.app import main

__all__ = ["main"]
