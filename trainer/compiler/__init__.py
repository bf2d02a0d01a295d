"""From the recorded tape to a program that runs without it.

trace       a function of arrays, run once, becomes a program
passes      the program becomes smaller
buffers     its values get their places
executors   it runs

step = trainer.compile(f)     # the same results as f, to the bit

What is asked for is imported from its module: whoever asks for processors alone needs no NumPy.
"""
