"""What configs/mlp.yaml declares, in scikit-learn. It tells nothing before its first epoch is done."""

import numpy as np
from sklearn.neural_network import MLPClassifier

data = dict(np.load("digits.npz"))
x, y = data["train_inputs"], data["train_targets"]
model = MLPClassifier(
    (256,), solver="sgd", alpha=0.0, batch_size=32, learning_rate_init=0.03, momentum=0.0, random_state=1
)
for epoch in range(20):
    model.partial_fit(x, y, classes=np.arange(10))
    if not epoch:
        print("first step", flush=True)
    print(epoch + 1, model.loss_, model.score(data["test_inputs"], data["test_targets"]))
