"""The native executor: a small machine in C that walks a table of instructions and calls NumPy's own inner loops."""
