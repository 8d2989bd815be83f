"""Turns a fitted estimator into an array of nodes that a service answers with, where that gives the same predictions.

The model's own file goes into the image all the same. It answers wherever there are no such trees.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.rows.trees import NODE, Link, Trees
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LINKS: dict[str, Link] = {"IdentityLink": "identity", "LogLink": "log"}
"""The links that `Trees` knows, by scikit-learn's name of them."""
PROOF_ROWS = 2000
"""How many rows are predicted by both. They meet each threshold of a usual model several times, in half a second."""


def write_trees(spec: ModelSpec, estimator: Any, path: Path) -> Link | None:
    """Write an estimator's trees to a file, and return their link. None without a file when it has no such trees.

    It has them if it is a `HistGradientBoostingRegressor` on a matrix without categorical splits, if they are small
    enough, and if both give the same predictions to the last bit. The rehearsal compares them again, with real requests
    and in the real image.
    """
    import numpy as np

    # A version that was trained before the features were edited answers by itself.
    is_of_spec = getattr(estimator, "n_features_in_", None) == len(spec.features)
    found = list_nodes(estimator) if spec.inputs == "matrix" and is_of_spec else None
    if found is None:
        return None
    nodes, link = found
    try:
        trees = Trees.of(nodes, link)
    except ValueError:
        return None
    if not is_equal(trees, estimator, len(spec.features)):
        return None
    np.save(path, nodes, allow_pickle=False)  # the same nodes give the same bytes
    return link


def list_nodes(estimator: Any) -> tuple["Array", Link] | None:
    """The nodes of a fitted estimator's trees and their link, or None if it is of another kind."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor

    if type(estimator) is not HistGradientBoostingRegressor:  # a subclass may predict in another way
        return None
    link = LINKS.get(type(estimator._loss.link).__name__)
    parts = [predictor.nodes for (predictor,) in estimator._predictors]
    if link is None or any(part["is_categorical"].any() for part in parts):
        return None
    baseline = np.zeros(1, parts[0].dtype)
    baseline["value"], baseline["is_leaf"] = estimator._baseline_prediction.ravel()[0], True
    starts = np.cumsum([0, 1, *map(len, parts)])
    pieces = [_convert(part, start) for part, start in zip([baseline, *parts], starts[:-1], strict=True)]
    return np.concatenate(pieces), link


def _convert(part: "Array", start: int) -> "Array":
    """The nodes of one tree of scikit-learn, whose first node is to stand at `start`."""
    import numpy as np

    nodes, places = np.zeros(len(part), np.dtype(NODE)), start + np.arange(len(part))
    is_leaf = part["is_leaf"].astype(bool)
    nodes["is_root"][0] = True
    nodes["feature"] = np.where(is_leaf, 0, part["feature_idx"])
    nodes["threshold"], nodes["value"] = part["num_threshold"], part["value"]
    nodes["missing_left"] = part["missing_go_to_left"]
    for side in ("left", "right"):
        nodes[side] = np.where(is_leaf, places, start + part[side].astype(np.int64))
    return nodes


def is_equal(trees: Trees, estimator: Any, features: int) -> bool:
    """Whether both predict the same to the last bit, alone and in a batch.

    The rows are drawn where trees may differ: from each feature's thresholds, the next numbers beside them, nulls and
    numbers beyond all thresholds.
    """
    import numpy as np

    draw = np.random.default_rng(0)  # the same rows each time, so that an image can be built again
    rows = draw.choice([np.nan, 0.0, 1.0], (PROOF_ROWS, features))
    for feature, found in zip(trees.features, trees.thresholds, strict=True):
        near: list[Any] = [found, np.nextafter(found, np.inf), np.nextafter(found, -np.inf), [np.nan, -np.inf, np.inf]]
        rows[:, feature] = draw.choice(np.concatenate(near), PROOF_ROWS)
    alone = all(np.array_equal(trees.predict(row), estimator.predict(row)) for row in rows[:20, None])
    return alone and np.array_equal(trees.predict(rows), estimator.predict(rows))
