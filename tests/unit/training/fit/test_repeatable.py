import os
import subprocess
import sys
from typing import Any

from training.data.folds import SEED
from training.fit.repeatable import seed

FIT = """
import hashlib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec
from training.fit.scores import predict
from training.fit.train import fit_estimator

draw = np.random.default_rng(0)
names = [f"x{place}" for place in range(12)]
spec = ModelSpec(
    name="m",
    task="regression",
    features=tuple(Feature(name=name, type="number") for name in names),
    label=Label(name="y", type="number", expected_delay_hours=0),
)
features = pd.DataFrame(draw.normal(size=(60_000, 12)), columns=names)
labels = pd.Series(features.to_numpy() @ draw.normal(size=12))
times = pd.Series(pd.date_range("2011-01-01", periods=len(labels), freq="s", tz="UTC"))
for build in (Ridge, lambda: RandomForestRegressor(9, max_depth=4, n_jobs=4)):
    fitted = fit_estimator(spec, build, features, labels, times)
    print(hashlib.sha256(predict(spec, fitted, features).tobytes()).hexdigest())
"""


def fit(threads: int) -> list[str]:
    """The sha256 of the predictions of a linear model and of a forest, trained in a process with so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_training_gives_the_same_bits_on_any_number_of_threads() -> None:
    few, many = fit(1), fit(4)
    assert len(few) == 2
    assert few == many


def test_only_seeds_and_jobs_that_were_left_open_are_set() -> None:
    from lightgbm import LGBMRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    chosen = make_pipeline(QuantileTransformer(), RandomForestRegressor(random_state=7, n_jobs=2))
    found = seed(chosen).get_params()
    assert found["quantiletransformer__random_state"] == SEED
    assert (found["randomforestregressor__random_state"], found["randomforestregressor__n_jobs"]) == (7, 2)
    assert seed(RandomForestRegressor()).get_params()["n_jobs"] is None, "one, and some warn of any number"
    assert seed(make_pipeline(LGBMRegressor())).get_params()["lgbmregressor__n_jobs"] == 1


def test_an_estimator_without_parameters_is_left_alone() -> None:
    class Plain:
        def fit(self, features: Any, labels: Any) -> "Plain":
            return self

    plain = Plain()
    assert seed(plain) is plain
