"""A config as an estimator of scikit-learn's: in its pipelines, its searches and its cross-validation."""

from trainer.estimators.classifier import TrainerClassifier
from trainer.estimators.regressor import TrainerRegressor

__all__ = ["TrainerClassifier", "TrainerRegressor"]
