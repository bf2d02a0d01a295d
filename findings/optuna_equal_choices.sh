#!/usr/bin/env bash
# Optuna's best_params are not those of its best trial, where two choices are equal in Python: 1 for 1.0, or False for 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 scikit-learn==1.9.1 optuna==5.0.0
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import optuna
from sklearn.ensemble import RandomForestRegressor

optuna.logging.set_verbosity(optuna.logging.WARNING)
rng = np.random.default_rng(0)
truth = rng.normal(size=300)
x, y = truth[:, None] + rng.normal(size=(300, 8)), truth + rng.normal(size=300)


def error(max_features):
    """Of a forest whose splits look at one column (1) or at all of them (1.0), on other rows."""
    forest = RandomForestRegressor(30, max_features=max_features, random_state=0).fit(x[:150], y[:150])
    return float(np.mean((forest.predict(x[150:]) - y[150:]) ** 2))


study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
study.optimize(lambda trial: error(trial.suggest_categorical("max_features", [1.0, 1])), n_trials=6)
reported, again = study.best_params["max_features"], error(study.best_params["max_features"])
print(f"best error {study.best_value:.3f}, said to be with max_features={reported!r}, which gives {again:.3f}; 1 gives {error(1):.3f}")
assert repr(reported) == "1.0" and again != study.best_value == error(1), "equal choices are told apart now"
PYTHON
