"""The engine: records, replays in reverse, checks. It knows NumPy and nothing else of the project.

Read `node`, `rules`, `op`, `tensor` and `sweep` in this order; `dispatch` and `verify` are what they look up and what
they say when something is wrong.
"""
