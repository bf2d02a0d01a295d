"""Of the same number of parameters, is it better to be wide or deep?

Networks of about 2,400 parameters with one to four hidden layers, on spirals, with ten seeds each.
"""

from common import asked, curve, picture, reached, told

# Hidden layers of w units each have 2w + w + (h - 1)(w² + w) + 2w + 2 parameters.
WIDTHS = {1: 480, 2: 46, 3: 33, 4: 27}
CONFIG = {
    "dataset": {"name": "spirals", "standardize": True, "test_fraction": 0.5, "turns": 2.0},
    "cost": "softmax_cross_entropy",
    "optimizer": "adam",
    "step_size": 0.005,
}


def main() -> None:
    given = asked(__doc__, __file__)
    seeds, epochs = (range(2), 2) if given.quick else (range(10), 60)
    found = {}
    for layers, width in WIDTHS.items():
        hidden = [{"dense": {"units": width, "initial": "he"}}, "relu"] * layers
        found[layers] = reached(CONFIG, seeds, network=[*hidden, {"dense": 2}], epochs=epochs)
    with picture(given.out, "hidden layers, of 2,400 parameters together", "accuracy on test rows") as axes:
        curve(axes, list(found), list(found.values()), "", "#2563eb")
        axes.set_xticks(list(found), [f"{layers}\n({WIDTHS[layers]} wide)" for layers in found])
    print("accuracy by hidden layers: " + ", ".join(f"{layers}: {told(v)}" for layers, v in found.items()))


if __name__ == "__main__":
    main()
