"""Which rows the newest ids of clients were given to, as far as this instance knows."""

from collections.abc import Mapping, Sequence
from typing import Any

REMEMBERED = 20_000
"""The least number of ids that are remembered. Twice as many take about 8 MB, which an instance of 512 MB has left."""


class RecentIds:
    """Remembers a hash of each row, so that an id that comes with another row can be refused before it is answered.

    Not for use by two threads. What other instances answered it does not know: the store finds that out later.
    """

    def __init__(self, features: Sequence[str], remembered: int = REMEMBERED) -> None:
        self._features = tuple(features)
        self._remembered = remembered
        self._newest: dict[str, int] = {}
        self._older: dict[str, int] = {}

    def claim(self, ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Remember whose ids these are. The places of rows whose id is another row's; then nothing is remembered.

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
    """A hash that equal values share, 1 and 1.0 among them. It is never 0.

    Python gives -1 and -2 the same hash, so where -1 stands is told apart.
    """
    ones = [place for place, value in enumerate(values) if value == -1] if -1 in values else ()
    return hash((values, *ones)) or 1
