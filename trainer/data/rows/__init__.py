"""Rows to predict: read as those of training were, a block at a time, whatever file they stand in.

    stream = open_rows(Path("new.csv"), model.inputs, model.reading)
    for block in stream.blocks:
        block.values        # (rows, *shape), float64, as the data set would have had them

A file per kind of source. What there is no room for in memory is never there as a whole, and an error names the row.
"""

from trainer.data.rows.opening import open_rows
from trainer.data.rows.stream import Block, Stream

__all__ = ["Block", "Stream", "open_rows"]
