"""Gradient-boosted trees as one array of nodes, and their predictions with NumPy alone.

A service that answers with them does not load scikit-learn, which is two thirds of a cold start. The same numbers are
compared and added in the same order as scikit-learn does, so the predictions are the same to the last bit.

The method is QuickScorer's (Lucchese et al., SIGIR 2015). A tree's leaves are bits, from left to right. A node whose
test fails rules out the leaves on its left. The first leaf that no node rules out is the answer. What a value rules out
in all trees is one row of a table, so a prediction is one row for each feature, and no walk.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from cyclone.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    Array = np.ndarray[Any, Any]

NODE = [
    ("is_root", "?"),
    ("feature", "<i4"),
    ("threshold", "<f8"),
    ("missing_left", "?"),
    ("left", "<i4"),
    ("right", "<i4"),
    ("value", "<f8"),
]
"""The fields of a node. Both children of a leaf are the leaf itself. Those of another node stand behind it."""
Link = Literal["identity", "log"]
"""What the sum of the leaves is: the prediction or its logarithm."""
LINKS = ("identity", "log")
LEAVES = 64
"""The most leaves of a tree. They are the bits of one number. scikit-learn grows 31 by default."""
TABLE_BYTES = 32 * 2**20
"""The most memory of the tables. They may not need more than the scikit-learn that they spare, about 100 MB."""


@dataclass(frozen=True)
class Trees:
    """The trees of a regression, ready to predict. The first tree is one leaf, the prediction before all others.

    `thresholds` and `tables` have one entry for each feature that is asked for. Row `i` of a table says which leaves of
    each tree remain when a value is above the first `i` thresholds. Its last row is for a null.
    """

    link: Link
    features: tuple[int, ...]
    thresholds: tuple["Array", ...]
    tables: tuple["Array", ...]
    values: "Array"
    """The value of each leaf, of shape (trees, `LEAVES`)."""

    @classmethod
    def of(cls, nodes: "Array", link: Link) -> Self:
        """Trees of these nodes. Errors: ValueError when a child is none, or the trees are too large for this form."""
        import numpy as np

        _check(nodes)
        tree = np.cumsum(nodes["is_root"]) - 1
        values, ruled_out = _number_leaves(nodes, tree)
        inner = np.flatnonzero(nodes["left"] != np.arange(len(nodes)))
        features = np.unique(nodes["feature"][inner])
        tests = [inner[nodes["feature"][inner] == feature] for feature in features]
        thresholds = tuple(np.unique(nodes["threshold"][test]) for test in tests)
        if (size := sum(len(found) + 2 for found in thresholds) * len(values) * 8) > TABLE_BYTES:
            raise ValueError(f"the tables of the trees would be of {size} bytes, and {TABLE_BYTES} are allowed")
        tables = tuple(
            _build_table(nodes[test], tree[test], ruled_out[test], found, len(values))
            for test, found in zip(tests, thresholds, strict=True)
        )
        return cls(link, tuple(int(feature) for feature in features), thresholds, tables, values)

    @classmethod
    def load(cls, path: "Path", link: str, features: int) -> Self:
        """The trees in a file of nodes. Errors: `ConfigurationError` when it is none for so many features."""
        import numpy as np

        try:
            nodes = np.load(path, allow_pickle=False)
            if nodes.dtype != np.dtype(NODE) or link not in LINKS:
                raise ValueError(f"its nodes are {nodes.dtype} and its link is {link!r}")
            trees = cls.of(nodes, "log" if link == "log" else "identity")
            if trees.features and not 0 <= min(trees.features) <= max(trees.features) < features:
                raise ValueError(f"it asks for feature {max(trees.features)}, and there are {features}")
            return trees
        except (OSError, ValueError, EOFError) as error:
            raise ConfigurationError(
                f"{path}: the trees cannot be loaded. Build the version's image again: {error}"
            ) from error

    def predict(self, inputs: "Array") -> "Array":
        """One prediction a row of a float64 matrix of shape (rows, features)."""
        import numpy as np

        trees = len(self.values)
        left = np.full((len(inputs), trees), ~np.uint64(0))
        for feature, thresholds, table in zip(self.features, self.thresholds, self.tables, strict=True):
            column = inputs[:, feature]
            row = np.searchsorted(thresholds, column)
            row[np.isnan(column)] = len(table) - 1
            left &= table[row]
        leaf = np.bitwise_count((left & -left) - np.uint64(1))  # the place of the lowest bit
        # A cumulative sum adds tree after tree, as scikit-learn does. A plain sum adds in pairs, and rounds otherwise.
        sums = np.cumsum(self.values[np.arange(trees), leaf], axis=1)[:, -1]
        return np.exp(sums) if self.link == "log" else sums


def _check(nodes: "Array") -> None:
    """Errors: ValueError for a child that does not exist, is in another tree or stands before its parent."""
    import numpy as np

    if not len(nodes) or not nodes["is_root"][0]:
        raise ValueError("the first node is no root")
    places, tree = np.arange(len(nodes)), np.cumsum(nodes["is_root"])
    is_leaf = nodes["left"] == places
    for side in ("left", "right"):
        child = nodes[side]
        is_behind = (child > places) & (child < len(nodes))
        if not np.all(np.where(is_leaf, child == places, is_behind & (tree[child % len(nodes)] == tree))):
            raise ValueError(f"a node has a {side} child that is none")


def _number_leaves(nodes: "Array", tree: "Array") -> tuple["Array", "Array"]:
    """The value of each leaf of each tree, and which leaves each node's left side has, as bits.

    Errors: ValueError for more than `LEAVES` leaves in a tree.
    """
    import numpy as np

    left, right = nodes["left"].tolist(), nodes["right"].tolist()
    values = np.zeros((int(tree[-1]) + 1, LEAVES))
    below, lefts = [0] * len(nodes), [0] * len(nodes)
    count = [0] * len(values)
    for root in np.flatnonzero(nodes["is_root"]).tolist():
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if left[node] != node:
                waiting += [right[node], left[node]]  # the left one is taken first, so leaves are met from the left
                continue
            place = count[tree[node]]
            if place == LEAVES:
                raise ValueError(f"a tree has more than {LEAVES} leaves")
            values[tree[node], place], below[node], count[tree[node]] = nodes["value"][node], 1 << place, place + 1
    for node in reversed(range(len(nodes))):
        if left[node] != node:
            lefts[node] = below[left[node]]
            below[node] = below[left[node]] | below[right[node]]
    return values, np.array(lefts, dtype=np.uint64)


def _build_table(nodes: "Array", tree: "Array", ruled_out: "Array", thresholds: "Array", trees: int) -> "Array":
    import numpy as np

    table = np.full((len(thresholds) + 2, trees), ~np.uint64(0))
    first_failing = np.searchsorted(thresholds, nodes["threshold"]) + 1
    for row, place, bits, missing_left in zip(first_failing, tree, ruled_out, nodes["missing_left"], strict=True):
        table[row:-1, place] &= ~bits
        if not missing_left:
            table[-1, place] &= ~bits
    return table
