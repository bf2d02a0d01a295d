"""Which activation tells two spirals apart soonest?

A network of two hidden layers of 32 units on spirals that wind one and a half times, for 40 epochs at the same step
size, with ten seeds for each activation.
"""

from common import asked, interval, picture, reached, told

ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid")
CONFIG = {
    "dataset": {"name": "spirals", "standardize": True, "test_fraction": 0.5},
    "cost": "softmax_cross_entropy",
    "optimizer": "adam",
    "step_size": 0.005,
}


def main() -> None:
    given = asked(__doc__, __file__)
    seeds, epochs = (range(2), 2) if given.quick else (range(10), 40)
    found = {
        name: reached(CONFIG, seeds, network=[{"dense": 32}, name, {"dense": 32}, name, {"dense": 2}], epochs=epochs)
        for name in ACTIVATIONS
    }
    order = sorted(found, key=lambda name: -found[name].mean())
    with picture(given.out, "accuracy on test rows", "") as axes:
        means, halves = zip(*(interval(found[name]) for name in order[::-1]), strict=True)
        axes.errorbar(means, order[::-1], xerr=halves, fmt="o", capsize=3, color="#2563eb")
    print(f"{order[0]}: {told(found[order[0]])}, before " + ", ".join(f"{n} {told(found[n])}" for n in order[1:]))


if __name__ == "__main__":
    main()
