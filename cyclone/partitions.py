"""Partitions of the prediction log and of the labels, made before anybody needs them."""

from cyclone.errors import StoreError
from cyclone.store import Store


def make_ahead(store: Store) -> str:
    """Make the partitions of the coming months where they are missing. What went wrong in words, or an empty text.

    It is no failure: they are made two months ahead, so later calls have time to make what this one could not.
    """
    try:
        store.fetch("log/partitions_ahead")
    except StoreError as error:
        return f"no partition was made ahead, the next run tries again: {error}"
    return ""
