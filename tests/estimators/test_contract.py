"""scikit-learn's own contract for estimators."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from trainer import TrainerClassifier, TrainerRegressor

# Whatever a check needs its own estimator for, these are what a person gets who says nothing.
ESTIMATORS = [TrainerClassifier(), TrainerRegressor()]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")  # a check gives a column of labels
@parametrize_with_checks(ESTIMATORS)
def test_it_keeps_scikit_learns_contract(estimator, check):
    check(estimator)
