"""The way in for Grafana: a role that may only read the views, and the addresses that dashboards link on to."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cyclone.errors import ConfigurationError, StoreError
from cyclone.store import Store, Transaction

ROLE = "cyclone_grafana"
"""The name of the role. `sql/views/grafana/99_grants.sql` grants to it."""
LEAST_CHARACTERS = 12
"""A shorter password can be guessed by who can reach the server."""
BY_AN_ADMINISTRATOR = (
    "CREATE ROLE cyclone_grafana LOGIN CONNECTION LIMIT 20 PASSWORD '…';\n"
    "ALTER ROLE cyclone_grafana SET default_transaction_read_only = on;\n"
    "ALTER ROLE cyclone_grafana SET statement_timeout = '30s';\n"
    "ALTER ROLE cyclone_grafana SET jit = off;"
)
"""What makes the role, for a server on which the user of `CYCLONE_STORE_DSN` may make none."""


def connect_grafana(store: Store, password_file: Path | None, addresses: Mapping[str, str]) -> None:
    """Make the role or give it another password, grant it the views, and keep the addresses. Safe to run twice.

    Without `password_file` the role is one that an administrator has made. `addresses` has `airflow`, `mlflow` and
    `cloud_run`, or some of them. Nothing is changed when one thing is not possible.
    Errors: `ConfigurationError` for an unusable password or address. `StoreError` when there is no role and none can
    be made. It says what an administrator has to do.
    """
    for name, address in addresses.items():
        _check_address(name, address)
    password = read_password(password_file) if password_file else None
    with store.transaction() as transaction:
        if password is not None:
            _make_role(transaction, password)
        elif not _has_role(transaction):
            raise StoreError(f"there is no role {ROLE}: name a file with its password by --password-file")
        transaction.run("views/grafana/99_grants")
        for name, address in addresses.items():
            transaction.run("grafana/address_note", name=name, address=address.rstrip("/"))


def read_password(path: Path) -> str:
    """The password in a file, without the blanks around it. Errors: `ConfigurationError` naming the file."""
    try:
        password = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}. Name a file with the password alone") from error
    if len(password) < LEAST_CHARACTERS or "\n" in password:
        raise ConfigurationError(f"{path}: one line of {LEAST_CHARACTERS} or more characters is needed as the password")
    return password


def _make_role(transaction: Transaction, password: str) -> None:
    # A verifier, so that a server which logs its statements does not log the password.
    verifier = transaction.encrypt_password(ROLE, password)
    try:
        with transaction.savepoint():
            if not _has_role(transaction):
                transaction.run("grafana/role_create")
            transaction.run("grafana/role_password", password=verifier)
    except Exception as error:
        if getattr(error, "pgcode", None) != "42501":  # insufficient_privilege
            raise
        raise StoreError(
            f"the user of CYCLONE_STORE_DSN may not make or change the role {ROLE} ({str(error).splitlines()[0]}). Have"
            f" an administrator of the server run this, with the password of the file:\n{BY_AN_ADMINISTRATOR}\n"
            "Then run `cyclone grafana connect` again without --password-file"
        ) from error


def _has_role(transaction: Transaction) -> bool:
    row = transaction.fetch_one("grafana/role_find")
    return bool(row and row["is_there"])


def _check_address(name: str, address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc or '"' in address or any(map(str.isspace, address)):
        raise ConfigurationError(f"the address of {name} is {address!r}: http://… or https://… is allowed")
    if name == "cloud_run" and "{service}" not in address:
        raise ConfigurationError(f"the address of {name} is {address!r}: {{service}} has to stand in it")
