"""A sample of rows that are too many to hold: every n-th, where n doubles when the sample is full."""

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Thinned(Generic[Item]):
    """Items in their order, of which at most `limit` are kept, evenly spread over all.

    `step` is 1 while all are kept. Then it is 2, 4, 8 and so on: of so many items one is kept.

    >>> sample = Thinned(2)
    >>> for number in range(5):
    ...     sample.add(number)
    >>> sample.items, sample.step, sample.count
    ([0, 4], 4, 5)
    """

    def __init__(self, limit: int) -> None:
        self.items: list[Item] = []
        self.step = 1
        self.count = 0
        self._limit = limit

    def add(self, item: Item) -> None:
        """Take the next item, or leave it out."""
        if self.count % self.step == 0:
            if len(self.items) == self._limit:
                self.items = self.items[::2]
                self.step *= 2
            if self.count % self.step == 0:
                self.items.append(item)
        self.count += 1
