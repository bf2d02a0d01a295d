"""What is fitted on the training rows and applied to all: scaling, steps in a row, and how they are kept in a file."""
