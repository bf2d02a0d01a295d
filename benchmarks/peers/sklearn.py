"""scikit-learn: an epoch is one `partial_fit` of its MLP on the rows in their order, which it cuts into batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import Run, Unsupported, only
from benchmarks.workloads import Data, Parameters, Workload

NEEDS = ("sklearn",)
KIND = "peer"


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    only(workload)
    activations = workload.kinds - {"dense"}
    if not activations <= {"relu", "tanh"} or len(activations) > 1:
        raise Unsupported("its MLP has dense layers with relu or tanh alone")

    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    regression = workload.cost == "mean_squared_error"
    half = 2 if regression else 1  # its squared error has a ½
    sizes = [step.size for step in workload.layers if step.kind == "dense"][:-1]
    model: Any = (MLPRegressor if regression else MLPClassifier)(
        hidden_layer_sizes=sizes, activation=activations.pop(), solver=workload.optimizer, alpha=0.0,
        batch_size=workload.batch, shuffle=False, momentum=0.0, nesterovs_momentum=False,
        learning_rate_init=half * workload.step_size,
    )  # fmt: skip
    order = data.batches.ravel()
    targets = data.targets[:, 0] if regression else np.eye(workload.layers[-1].size, dtype=bool)[data.targets]
    classes = {} if regression else {"classes": np.arange(workload.layers[-1].size)}
    model.partial_fit(data.inputs[: workload.batch], targets[: workload.batch], **classes)  # makes its arrays
    if not regression:
        model.out_activation_ = "softmax"  # of one-hot targets it would make a sigmoid each, of two classes one output
    for (weights, bias), w, b in zip(theta, model.coefs_, model.intercepts_, strict=True):
        w[...], b[...] = weights, bias
    parameters, step_size = model.coefs_ + model.intercepts_, half * workload.step_size
    model._optimizer = (
        AdamOptimizer(parameters, step_size) if workload.optimizer == "adam" else
        SGDOptimizer(parameters, step_size, momentum=0.0, nesterov=False)
    )  # fmt: skip

    def run() -> Any:
        model.partial_fit(data.inputs[order], targets[order])
        return np.array([half * model.loss_])

    return run
