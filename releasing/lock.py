"""The lock on the releases of a model, and the fence that outlives it.

A lock of Postgres goes with its connection, and whoever had it is not told. So whoever takes the lock also gets a
number, the fence. It grows each time. Record and traffic are changed only by the newest number.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cyclone.errors import LostLockError, StoreError
from cyclone.store import Mode, Row, Store, Transaction


class LockedReleases(Store):
    """The store, for whoever has the lock on a model's releases.

    Its transactions write nothing once somebody else has taken the lock. `CloudRun` asks `check` before and after each
    change. The record moves last, because after that `check` refuses.
    Errors: `LostLockError` in each call once the lock is lost.
    """

    def __init__(self, store: Store, model: str, lock: Transaction) -> None:
        super().__init__(store.dsn)
        self._model, self._lock = model, lock
        row = store.fetch_one("release/fence_take", model=model)  # committed at once, so that others see it
        assert row is not None, "the statement returns the new number"
        self._taken = {**self._read_fence(), **row}

    @property
    def number(self) -> int:
        """The number of this lock. Locks that are taken later have higher ones."""
        return int(self._taken["number"])

    def check(self) -> None:
        """Check that the lock still lives, that nobody has taken it since, and that the record stands as it was."""
        found = self._read_fence()
        if found != self._taken:
            raise self._lose(f"lock {found['number']} was taken, and the record has generation {found['generation']}")

    @contextmanager
    def transaction(self, mode: Mode = "write") -> Iterator[Transaction]:
        """A transaction of the store. One that may write is refused once somebody else has taken the lock."""
        with super().transaction(mode) as transaction:
            if mode == "write":
                row = transaction.fetch_one("release/fence_keep", model=self._model)
                if row is None or row["number"] != self.number:
                    raise self._lose("somebody else took it")
            yield transaction

    def _read_fence(self) -> Row:
        try:
            row = self._lock.fetch_one("release/fence", model=self._model)  # where the lock lives, or not any more
        except StoreError as error:
            raise self._lose(str(error)) from error
        assert row is not None, "it has just been taken"
        return row

    def _lose(self, why: str) -> LostLockError:
        return LostLockError(
            f"{self._model}: the lock on its releases was lost ({why}), so nothing more was changed. Try again, and"
            f" look at `cyclone timeline {self._model}` if it happens often"
        )


@contextmanager
def hold_releases(store: Store, model: str) -> Iterator[LockedReleases]:
    """Hold the lock on a model's traffic and record. Whoever else wants it waits.

    A process that dies lets go of the lock, because Postgres ends its transaction.
    """
    with store.lock("release/lock", model=model) as lock:
        yield LockedReleases(store, model, lock)
