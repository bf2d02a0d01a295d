"""Data sets that lie in scikit-learn's package. The first load imports it, which takes over a second; the cache keeps
the arrays under the version of scikit-learn that they came from, so a second load takes milliseconds.
"""

from __future__ import annotations

from importlib.metadata import version

from trainer.data import Dataset, cached

__all__ = ["breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine"]


def digits() -> Dataset:
    """Handwritten digits: 1,797 images of 8 × 8 pixels from 0 to 16, row by row; which digit is it?

    Source: E. Alpaydin & C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI repository (1998), test half.
    """
    return _load("digits", "Images of handwritten digits, 8 × 8 pixels from 0 to 16")


def iris() -> Dataset:
    """Iris flowers: 150 of three species by the length and width of sepal and petal in cm.

    Source: R. A. Fisher, *The use of multiple measurements in taxonomic problems* (1936).
    """
    return _load("iris", "Three species of iris by their sepals and petals in cm")


def wine() -> Dataset:
    """Wines: 178 from three growers of one region of Italy by 13 chemical measurements.

    Source: S. Aeberhard & M. Forina, *Wine*, UCI repository (1991).
    """
    return _load("wine", "Three growers' wines by 13 chemical measurements")


def breast_cancer() -> Dataset:
    """Breast tumours: 569, malignant or benign by 30 measurements of cell nuclei in an image.

    Source: W. Wolberg, O. Mangasarian, N. Street & W. Street, *Breast Cancer Wisconsin (Diagnostic)*, UCI (1995).
    """
    return _load("breast_cancer", "Malignant and benign tumours by 30 measurements of cell nuclei")


def diabetes() -> Dataset:
    """Diabetes patients: 442, how far the disease progresses in a year by ten measurements at its start.

    The inputs are as scikit-learn gives them: centred, and scaled so that the squares of a column sum to 1.
    Source: B. Efron, T. Hastie, I. Johnstone & R. Tibshirani, *Least angle regression* (2004).
    """
    return _load("diabetes", "Progression of diabetes in a year by ten centred and scaled measurements")


def linnerud() -> Dataset:
    """Men in a fitness club: 20, weight in pounds, waist in inches and pulse by three exercises.

    Inputs are chin-ups, sit-ups and jumps; the targets are three numbers, shape (20, 3).
    Source: M. Tenenhaus, *La régression PLS* (1998), after A. C. Linnerud.
    """
    return _load("linnerud", "Weight, waist and pulse of 20 men by three exercises")


def _load(name: str, description: str) -> Dataset:
    """scikit-learn's `load_<name>()`, from the cache if it is there."""

    def make() -> Dataset:
        import sklearn.datasets

        bunch = getattr(sklearn.datasets, f"load_{name}")()
        is_regression = name in ("diabetes", "linnerud")
        return Dataset(
            name=name,
            inputs=bunch.data,
            targets=bunch.target,
            task="regression" if is_regression else "classification",
            class_names=() if is_regression else tuple(str(label) for label in bunch.target_names),
            feature_names=tuple(bunch.feature_names),
            description=description,
        )

    return cached(f"{name}-scikit-learn-{version('scikit-learn')}", make)
