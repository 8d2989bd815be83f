"""What makes a training repeatable: open seeds are set, and sums are added in one order on any number of cores.

The number of threads also follows the number of rows. So a small training is fast beside other work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from training.data.folds import SEED

ROWS_PER_THREAD = 100_000
"""How many rows keep one thread of OpenMP busy.

A boosted tree waits for all its threads thousands of times a fit. If another process holds one of the cores, each of
these waits is long. On two such cores 2,000 rows took 5 s, and on one thread 0.3 s. For 200,000 rows it was 9 s and
1.4 s.
"""


def seed(estimator: Any) -> Any:
    """The estimator with what pipeline.py left open set, in its steps too: `random_state` to `SEED`, `n_jobs` to 1.

    An open seed is drawn anew in each fit. Then nobody could train the same version again. An open number of jobs is
    one in scikit-learn, and some of its estimators warn of any other value. XGBoost and LightGBM would take every core,
    and their sums depend on how many there are.
    """
    if not hasattr(estimator, "get_params"):
        return estimator
    given, found = estimator.get_params(), {}
    for name in (name for name, value in given.items() if value is None):
        place, _, parameter = name.rpartition("__")
        owner = given[place] if place else estimator
        if parameter == "random_state":
            found[name] = SEED
        elif parameter == "n_jobs" and not type(owner).__module__.startswith("sklearn."):
            found[name] = 1
    return estimator.set_params(**found) if found else estimator


@contextmanager
def limit_threads(rows: int) -> Iterator[None]:
    """Limit threads while the block runs: one for linear algebra, and one of OpenMP for each `ROWS_PER_THREAD` rows.

    The sums of linear algebra depend on the number of threads, so there is always one.
    """
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    # A smaller limit that somebody has set stays.
    allowed = [pool["num_threads"] for pool in controller.select(user_api="openmp").info()]
    openmp = max(1, min([*allowed, rows // ROWS_PER_THREAD]))
    with controller.limit(limits={"blas": 1, "openmp": openmp}):
        yield


@contextmanager
def one_job(rows: int) -> Iterator[None]:
    """Limit threads as `limit_threads` does, and run joblib's jobs one after the other.

    A forest adds its trees in the order in which their jobs end. Side by side that order is another each time.
    """
    from joblib import parallel_config

    with limit_threads(rows), parallel_config(backend="sequential"):
        yield
