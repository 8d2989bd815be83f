"""The doctor's checks of the evaluation store: does it answer, is its schema the code's, does its clock agree."""

from collections.abc import Iterator
from datetime import UTC, datetime

from cyclone.errors import StoreError
from cyclone.image_contract import STORE_DSN_VARIABLE
from cyclone.settings import Settings
from cyclone.store import Store, list_scripts
from releasing.doctor.findings import Diagnosis, absent, fault, well

LEAST_POSTGRES = 15
MOST_SECONDS_APART = 5.0
"""How far this machine's clock may be from the store's. Windows of checks and steps of a canary are minutes long."""


def check_store(settings: Settings) -> Iterator[Diagnosis]:
    """Does the store answer, in a version that Cyclone runs on, and does its clock agree with this machine's?"""
    if not settings.store_dsn:
        yield fault("store", f"{STORE_DSN_VARIABLE} is empty", 'eval "$(cyclone env)"')
        return
    store = Store(settings.store_dsn)
    before = datetime.now(UTC)
    server = store.fetch_one("installation/server")
    assert server is not None, "the statement always has a row"
    version = server["version"] // 10000
    if version < LEAST_POSTGRES:
        yield fault("store", f"PostgreSQL {version} at {store.address}", f"upgrade it to {LEAST_POSTGRES} or later")
    else:
        yield well("store", f"PostgreSQL {version} at {store.address}")
    yield check_clock(before, server["at"], datetime.now(UTC))


def check_clock(before: datetime, at: datetime, after: datetime) -> Diagnosis:
    """Was the store's time between two times of this machine, or near them?"""
    apart = max((before - at).total_seconds(), (at - after).total_seconds(), 0.0)
    if apart > MOST_SECONDS_APART:
        said = f"this machine and the store are {apart:.0f} s apart. {MOST_SECONDS_APART:g} s are allowed"
        return fault("clock", said, "timedatectl set-ntp true")
    return well("clock", f"this machine and the store are at most {apart:.1f} s apart")


def check_migrations(settings: Settings) -> Iterator[Diagnosis]:
    """Has the store had all migrations of this code, and none of a newer one?"""
    known = {path.stem for path in list_scripts("migrations")}
    try:
        applied = {row["name"] for row in Store(settings.store_dsn).fetch("installation/migrations")}
    except StoreError as error:
        if "no schema" not in str(error):
            raise
        applied = set()
    if missing := sorted(known - applied):
        yield fault("migrations", f"{len(missing)} are missing, from {missing[0]} on", "cyclone migrate")
    elif newer := sorted(applied - known):
        said = f"the store has {newer[-1]}, which this code does not know"
        yield fault("migrations", said, "install the version of Cyclone that made it, or a later one")
    else:
        yield well("migrations", f"all {len(known)} are applied")


def check_training_store(settings: Settings) -> Iterator[Diagnosis]:
    """Does the store answer that training reads from, if it is another one?"""
    if settings.training_store_dsn == settings.store_dsn:
        yield absent("training store", "training reads from the store")
        return
    store = Store(settings.training_store_dsn)
    store.fetch("installation/migrations")
    yield well("training store", store.address)
