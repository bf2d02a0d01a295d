"""Is an activation of one's own better than relu, or was it luck?

snake, x + sin²(ax)/a, written in a file beside the configs, against relu on moons and on spirals: twenty seeds, each
of which draws the same data and shuffles for both, so that differences count and not what a seed has in common.
"""

from pathlib import Path

from common import asked, interval, picture, reached

CONFIG = {
    "plugins": [str(Path(__file__).parents[1] / "snake.py")],
    "cost": "softmax_cross_entropy",
    "optimizer": "adam",
    "step_size": 0.005,
}
DATA = {"moons": {"noise": 0.2}, "spirals": {"noise": 0.05}}


def main() -> None:
    given = asked(__doc__, __file__)
    seeds, epochs = (range(2), 1) if given.quick else (range(20), 25)
    differences = {}
    for name, options in DATA.items():
        dataset = {"name": name, "test_fraction": 0.5, "standardize": True, **options}
        own, relu = (
            reached(
                CONFIG,
                seeds,
                dataset=dataset,
                network=[{"dense": 24}, each, {"dense": 24}, each, {"dense": 2}],
                epochs=epochs,
            )
            for each in ({"snake": {"a": 1.0}}, "relu")
        )
        differences[name] = own - relu
    with picture(given.out, "accuracy with snake, less that with relu", "") as axes:
        for row, (_, values) in enumerate(differences.items()):
            axes.plot(values, [row + 0.15] * len(values), ".", color="#9aa5b1")
            axes.errorbar(*interval(values)[:1], row, xerr=interval(values)[1], fmt="o", capsize=3, color="#2563eb")
        axes.axvline(0, color="#7b8794", linestyle=":")
        axes.set_yticks(range(len(differences)), list(differences))
        axes.set_ylim(-0.5, len(differences) - 0.5)
    for name, values in differences.items():
        mean, half = interval(values)
        verdict = (
            "no difference to be seen" if abs(mean) <= half else "snake is better" if mean > 0 else "relu is better"
        )
        print(f"{name}: {mean:+.4f} ± {half:.4f} of {len(values)} seeds, {verdict}")


if __name__ == "__main__":
    main()
