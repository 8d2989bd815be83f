"""SQL that tests ask the store beside its named statements."""

from typing import Any

from cyclone.store import Store


def execute(store: Store, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement, in a transaction of its own; none where it returns none."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []
