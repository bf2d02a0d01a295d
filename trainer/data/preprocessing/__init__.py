"""What is fitted on the training rows and applied to all: scaling, steps in a row, and how they are kept in a file.

In a saved file the names of their arrays begin with these two words, where those of parameters begin with the number of
a layer or the name of a sub-network: so no sub-network may be called so.
"""

__all__ = ["SCALING", "STEPS"]

SCALING, STEPS = "scaling", "preprocess"
