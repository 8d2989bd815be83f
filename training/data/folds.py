"""Folds: the parts of the training rows that siblings of a version are measured on, and whether each has what it needs.

A sibling is trained on all folds but one. So a class has to have rows in two folds at least.
"""

import json
from typing import TYPE_CHECKING, Any

from cyclone.errors import DataError
from cyclone.spec import ModelSpec
from cyclone.wording import count_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SEED = 20110101
"""The seed of training's random choices, so that the same days are in the same fold every time.

Any fixed number does. This one is the first day of the example's data.
"""


def assign_folds(created_at: "pd.Series[Any]", folds: int) -> "np.ndarray[Any, Any]":
    """The fold of each row, counted from 0, shape (rows,).

    A fold is random whole days, about as many as in every other fold. It is the same every time.
    Errors: `DataError` with fewer days than folds.
    """
    import numpy as np

    days, place = np.unique(created_at.dt.floor("D").to_numpy(), return_inverse=True)
    if len(days) < folds:
        raise DataError(
            f"rows lie on {len(days)} days before the hold-out, and retrain.folds {folds} needs at least as many. Wait"
            " for more days, or lower retrain.folds or retrain.holdout_days in model.yaml"
        )
    fold_of_day = np.random.default_rng(SEED).permutation(len(days)) % folds
    return np.asarray(fold_of_day[place])


def check_folds(spec: ModelSpec, labels: "pd.Series[Any]", created_at: "pd.Series[Any]") -> None:
    """Refuse rows of which a sibling would miss a class. A regression needs nothing in each fold.

    Errors: `DataError` naming the class, its rows and their fold.
    """
    if spec.task == "regression":
        return
    fold = assign_folds(created_at, spec.retrain.folds)
    for name in sorted(labels.unique().tolist()):
        of_class = labels == name
        folds = set(fold[of_class].tolist())
        if len(folds) > 1:
            continue
        number, days = folds.pop(), created_at[of_class].dt.floor("D").nunique()
        raise DataError(
            f"{spec.name}: all {count_of(int(of_class.sum()), 'training row')} with the label {json.dumps(name)} lie on"
            f" {count_of(days, 'day')} of fold {number + 1} of {spec.retrain.folds}. The sibling that is trained on the"
            f" other folds would not know that label, so it has to be in 2 folds at least. Wait until it has come on"
            " more days, or widen retrain.window_days in model.yaml"
        )
