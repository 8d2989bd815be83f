"""The rows that the newest ids of clients were given to, as far as this instance knows."""

from collections.abc import Mapping, Sequence
from typing import Any

REMEMBERED = 20_000
"""The least number of ids that are remembered. Up to twice as many are kept.

These take about 8 MB, which an instance of 512 MB has left.
"""


class RecentIds:
    """Remembers a hash of the row of each id. So an id that comes with another row is refused before it is answered.

    Only one thread may use it. It does not know what other instances answered. The store finds out about those later.
    """

    def __init__(self, features: Sequence[str], remembered: int = REMEMBERED) -> None:
        self._features = tuple(features)
        self._remembered = remembered
        self._newest: dict[str, int] = {}
        self._older: dict[str, int] = {}

    def claim(self, ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Remember which row each id belongs to. Returns the places of rows whose id belongs to another row.

        If there are such rows, nothing is remembered.

        >>> recent = RecentIds(["hour"])
        >>> recent.claim(["a", "b", "b"], [{"hour": 1}, {"hour": 2}, {"hour": 3}])
        [2]
        >>> recent.claim(["a"], [{"hour": 1}]), recent.claim(["a"], [{"hour": 1.0}]), recent.claim(["a"], [{"hour": 4}])
        ([], [], [0])
        """
        newest, older, features = self._newest, self._older, self._features
        claimed: dict[str, int] = {}
        conflicts = []
        for place, (id_, row) in enumerate(zip(ids, rows, strict=True)):
            mark = hash_values(tuple(map(row.get, features)))
            known = newest.get(id_) or older.get(id_) or claimed.setdefault(id_, mark)
            if known != mark:
                conflicts.append(place)
        if not conflicts:
            newest.update(claimed)
            if len(newest) > self._remembered:
                self._older, self._newest = newest, {}
        return conflicts


def hash_values(values: tuple[Any, ...]) -> int:
    """A hash of a row's values. Equal values have the same hash, such as 1 and 1.0. It is never 0.

    Python gives -1 and -2 the same hash. So the places of -1 are hashed as well.
    """
    ones = [place for place, value in enumerate(values) if value == -1] if -1 in values else ()
    return hash((values, *ones)) or 1
