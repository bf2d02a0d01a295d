"""The same training steps here and in the systems people would use instead, side by side.

    pip install -e '.[peers]'
    python -m benchmarks                      every workload, every installed system; a table, JSON and a chart
    python -m benchmarks --quick --only tiny  a look, in seconds
    python -m benchmarks --scaling            time and memory against batch, width, depth and parameters
    python -m benchmarks --readme             the table in README.md, and the file of results that it is made of

**What is timed.** A training step from shuffled row numbers to the updated θ: gather the batch, forward, backward,
update, and keep the loss. Data set, initial parameters and the order of rows are given and the same for all, in
float32. Steps are timed in bulk, whole epochs until at least `seconds` have gone by, and divided by their number.
Not timed: start, imports, compilation (`--only cold` is about those), printing; nor evaluation, but of the workloads
whose whole epochs are timed, with the loss and the accuracy on all rows, training and test, after their steps.
Both clocks are read: of the time that passes, and of the processors, which others at work lengthen less.

**What makes it fair.** Every system runs in a process of its own, restricted to so many cores. All processes of a
workload stay alive, and take turns: each round times each once, in another order, so that a slow moment of the machine
hits all of them, and ratios are taken within rounds. Before each turn, one epoch goes untimed. Each system first trains
its first steps from the same start, without dropout, and its losses are held against plain NumPy in float64, or where
nobody wrote that by hand, against the tape: who computes something else is reported, and is not ranked. Peers are used
at their best: JAX compiles a whole epoch as one scan, PyTorch has its fused optimizers, scikit-learn is called once per
epoch. Environment variables that tell one library which kernels to use are cleared and reported (`--as-is` keeps them):
with OPENBLAS_CORETYPE=Haswell, NumPy's products take nearly twice as long on a processor with AVX-512, while PyTorch's
and JAX's do not know of it.

**To add a peer**, put a file into `peers/`; `peers/__init__.py` says what must be in it.
"""
