"""The engine: records, replays in reverse, checks. It knows NumPy and nothing else of the project.

Read `rules`, `plan`, `node`, `tensor`, `op` and `sweep` in this order; `dispatch` and `verify` are what they look up
and what they say when something is wrong. Imports run the same way. One arrow points back, by choice: `Tensor.backward`
imports the sweep when it is called, as in PyTorch.
"""
