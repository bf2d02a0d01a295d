"""Pages that show a run, or several beside one another: one file each, which opens without a network.

    report([run])            # HTML of one run
    report([one, other])     # of both, compared

A page asks for nothing and runs nothing, and says so to the browser. The same run gives the same bytes. However many
epochs there are, a curve has no more points than are seen: a page stays below 2 MB.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainer.experiment.report.several import comparison
from trainer.experiment.report.single import page_of
from trainer.runs.loading import Run

__all__ = ["report"]


def report(runs: Sequence[Run], *, data: bool = True) -> str:
    """The page of one run, or of several compared, as HTML.

    Args:
        data: read the data set of a single run, for its confusions and its worst rows.
    """
    return page_of(runs[0], data=data) if len(runs) == 1 else comparison(runs)
