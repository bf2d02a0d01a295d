"""What configs/mlp.yaml declares, in Keras."""

import keras
import numpy as np

keras.utils.set_random_seed(1)
data = dict(np.load("digits.npz"))
network = keras.Sequential([keras.Input((64,)), keras.layers.Dense(256, activation="relu"), keras.layers.Dense(10)])
network.compile(
    keras.optimizers.SGD(0.03), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
told = False


def tell(batch: int, logs: object) -> None:
    global told
    if not told:
        told = True
        print("first step", flush=True)


history = network.fit(
    data["train_inputs"], data["train_targets"], batch_size=32, epochs=20, verbose=0,
    validation_data=(data["test_inputs"], data["test_targets"]),
    callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=tell)],
)  # fmt: skip
for epoch, (loss, accuracy) in enumerate(zip(history.history["loss"], history.history["val_accuracy"], strict=True)):
    print(epoch + 1, loss, accuracy)
