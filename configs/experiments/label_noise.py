"""How many wrong labels does a network forgive?

Digits, of whose training labels a share is drawn anew by chance; the test labels stay right. Five seeds each, with and
without weight decay.
"""

import tempfile
from pathlib import Path

import numpy as np
from common import asked, curve, picture, reached, told

CONFIG = {
    "network": [{"dense": 64}, "relu", {"dense": 10}],
    "cost": "softmax_cross_entropy",
    "optimizer": "adam",
    "step_size": 0.003,
}


def main() -> None:
    given = asked(__doc__, __file__)
    shares, seeds, epochs = ([0.0, 0.4], range(2), 2) if given.quick else ([0.0, 0.1, 0.2, 0.4, 0.6, 0.8], range(5), 40)
    x, y = digits()
    found: dict[str, list[np.ndarray]] = {"none": [], "l2: 0.01": []}
    with tempfile.TemporaryDirectory() as folder:
        for share in shares:
            data = halves(Path(folder), x, y, share)
            for penalty, values in found.items():
                l2 = {} if penalty == "none" else {"penalty": {"l2": 0.01, "parameters": "*.weights"}}
                values.append(reached({**CONFIG, **l2}, seeds, dataset=data, epochs=epochs))
    with picture(given.out, "share of training labels drawn by chance", "accuracy on test rows") as axes:
        for (penalty, values), colour in zip(found.items(), ("#7b8794", "#2563eb"), strict=True):
            curve(axes, shares, values, f"penalty: {penalty}", colour)
        axes.set_ylim(0, 1.02)
    at = shares.index(0.4)
    print(
        f"with two labels in five drawn by chance: {told(found['none'][at])}, "
        f"and with l2 0.01 {told(found['l2: 0.01'][at])}"
    )


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images in an order drawn by chance, their sixteen greys from 0 to 1, and what they show."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return images[order] / 16, labels[order]


def halves(folder: Path, x: np.ndarray, y: np.ndarray, share: float) -> dict[str, str]:
    """Two files: rows to train with wrong labels among them, and rows to test."""
    rng = np.random.default_rng(1)
    half = len(y) // 2
    noisy = np.where(rng.random(half) < share, rng.integers(10, size=half), y[:half])
    np.savez(folder / "train.npz", inputs=x[:half], targets=noisy)
    np.savez(folder / "test.npz", inputs=x[half:], targets=y[half:])
    return {"path": str(folder / "train.npz"), "test_path": str(folder / "test.npz")}


if __name__ == "__main__":
    main()
