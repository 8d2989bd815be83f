"""Faults of the store: what an error of Postgres says about the server, the moment or the statement."""

from typing import TYPE_CHECKING

from cyclone.errors import StatementError, StatementFault, StoreError

if TYPE_CHECKING:
    import psycopg2

OUTAGES = ("08", "57P")
"""How the codes of Postgres begin that say that the connection or the server has gone."""
TROUBLES = ("40", "53", "55P03", "57014", "58")
"""How the codes begin of what another moment may not bring: a deadlock, a lock, a limit of time, a full disk.

Any other code says that the statement itself is at fault. It would be refused again.
"""


def name_fault(error: "psycopg2.Error", address: str, statement: str) -> StoreError | StatementError:
    """The error of ours for an error of Postgres in a named statement.

    An outage and a trouble of the moment are a `StoreError` that names the store. Anything else is a `StatementError`
    that names the statement, however the driver classifies it: limits of Postgres are no outage.
    """
    import psycopg2

    text = join_lines(error)
    if _is_outage(error):
        return StoreError(f"the store at {address} stopped answering: {text}")
    if isinstance(error, psycopg2.errors.UndefinedTable):
        return StoreError(f"the store at {address} has no schema: run `cyclone migrate` ({text})")
    if _is_of_the_moment(error):
        return StoreError(f"the store at {address} could not do {statement} at this moment: {text}. Try again later")
    return StatementError(
        f"Postgres refused the statement {statement}: {text}. The store answers, so this is a defect of Cyclone:"
        " report it with this message",
        _find_cause(error),
    )


def join_lines(error: Exception) -> str:
    """What an error says, in one line. Postgres tells its details and hints in lines of their own."""
    return " ".join(str(error).split())


def explain_refusal(error: "psycopg2.Error") -> Exception:
    """The `StatementError` for SQL that has no name. An outage, or a trouble of the moment, is returned as it is.

    `name_fault` turns those into an error that names the store.
    """
    import psycopg2

    text = join_lines(error)
    if isinstance(error, psycopg2.errors.QueryCanceled):
        return StatementError(text, "stopped")
    if _is_outage(error) or _is_of_the_moment(error):
        return error
    return StatementError(text, _find_cause(error))


def _is_outage(error: "psycopg2.Error") -> bool:
    import psycopg2

    if error.pgcode is None:  # an error of the driver, not of the server
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return error.pgcode.startswith(OUTAGES)


def _is_of_the_moment(error: "psycopg2.Error") -> bool:
    return (error.pgcode or "").startswith(TROUBLES)


def _find_cause(error: "psycopg2.Error") -> StatementFault:
    import psycopg2

    # A row without a partition and one that breaks a CHECK have the same code. Only the latter names a constraint.
    if isinstance(error, psycopg2.errors.CheckViolation) and error.diag.constraint_name is None:
        return "partition"
    return "value" if isinstance(error, psycopg2.DataError) else "statement"
