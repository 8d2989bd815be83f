"""What makes a training repeatable: open seeds are set, and sums are added up in one order on any number of cores.

And what keeps it quick beside other work: threads only for as many rows as give each enough to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SEED = 20110101
ROWS_PER_THREAD = 100_000
"""A boosted tree meets its threads thousands of times a fit. Where another process holds one of the cores, each
meeting waits for it: 2,000 rows took 5 s on two such cores and 0.3 s on one thread, 200,000 rows 9 s and 1.4 s."""


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
def limit_threads(rows: int) -> Iterator[None]:
    """One thread of linear algebra, whose sums depend on their number; an OpenMP thread for `ROWS_PER_THREAD` rows."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    allowed = [pool["num_threads"] for pool in controller.select(user_api="openmp").info()]
    openmp = max(1, min([*allowed, rows // ROWS_PER_THREAD]))
    with controller.limit(limits={"blas": 1, "openmp": openmp}):
        yield


@contextmanager
def one_job(rows: int) -> Iterator[None]:
    """The same, and joblib's jobs one after the other: a forest adds up its trees in the order in which they end."""
    from joblib import parallel_config

    with limit_threads(rows), parallel_config(backend="sequential"):
        yield
