"""The public checker: it tries to prove an op's derivatives wrong.

It shares no line with tests/ops/op_checking.py, on purpose: each of the two would find what the other was blind to.

    trainer.check(op)                     # a Report; print it
    trainer ops check NAME                # the same from the command line
    pytest -p trainer.checker.pytest_plugin

`checks/` holds the checks, one function each; `references` finds derivatives without any rule; `comparison` judges.
"""

from trainer.checker.report import Failure, Report
from trainer.checker.run import check

__all__ = ["Failure", "Report", "check"]
