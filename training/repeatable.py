"""What makes a training repeatable: open seeds are set, and sums are added up in one order on any number of cores."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SEED = 20110101


def seed(estimator: Any) -> Any:
    """The estimator with every `random_state` that its pipeline.py left open, its steps' too, set to `SEED`.

    Left open, each fit would draw its own, and nobody could train the version again.
    """
    if not hasattr(estimator, "get_params"):
        return estimator
    names = [
        name
        for name, value in estimator.get_params().items()
        if value is None and name.split("__")[-1] == "random_state"
    ]
    return estimator.set_params(**dict.fromkeys(names, SEED)) if names else estimator


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Linear algebra rounds as one thread does: with several, a sum depends on how many there are."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


@contextmanager
def one_job() -> Iterator[None]:
    """The same, and joblib's jobs one after the other: a forest adds up its trees in the order in which they end."""
    from joblib import parallel_config

    with one_blas_thread(), parallel_config(backend="sequential"):
        yield
