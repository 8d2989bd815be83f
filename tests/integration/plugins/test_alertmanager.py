"""Alertmanager itself, with the configuration of the documentation, sends to the real webhooks on a real store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from cyclone.keys import add_key
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.webhook_app import build_app
from tests.support.faults import Postgres
from tests.support.prometheus import (
    DOCUMENTED,
    Alertmanager,
    check_files,
    read_documented,
    run_alertmanager,
)
from tests.support.serving import wait_until
from tests.support.serving_apps import serve_app
from tests.support.statements import execute

REPOSITORY = Path(__file__).resolve().parents[3]
SLOW = {"alertname": "SlowAnswers", "cyclone": "retrain", "model": "bike_demand"}
QUICK = {"group_wait": "100ms", "group_interval": "1s", "repeat_interval": "1s"}
"""A pace at which a test sees what else takes minutes or hours: `repeat_interval` is 4 h by default."""


@dataclass
class Webhooks:
    """The webhooks, which Alertmanager reaches with a key."""

    settings: Settings
    key_file: Path
    statuses: list[int] = field(default_factory=list)
    """What was answered, in the order of the answers."""
    woken: list[str] = field(default_factory=list)
    """The runs of the monitor that were started."""

    def wake(self, model: str, run_id: str) -> bool:
        if run_id not in self.woken:  # Airflow has a run of an id once
            self.woken.append(run_id)
        return True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            await send(message)

        await self._app(scope, receive, note)

    def __post_init__(self) -> None:
        self._app = Starlette(routes=[Mount("/cyclone/webhooks", build_app(self.settings, self.wake))])


def make_webhooks(store_dsn: str, folder: Path) -> Webhooks:
    key_file = folder / "cyclone-key"
    key_file.write_text(add_key(folder / "keys.json", "alertmanager", ("alert",)))
    keys = folder / "keys.json"
    return Webhooks(Settings(store_dsn=store_dsn, models_dir=REPOSITORY / "models", api_keys_file=keys), key_file)


@contextmanager
def run_against(webhooks: Webhooks, folder: Path, pace: dict[str, str], **changes: Any) -> Iterator[Alertmanager]:
    """An Alertmanager that sends to the webhooks."""
    with (
        serve_app(webhooks) as address,
        run_alertmanager(folder, read_documented(address, webhooks.key_file, pace, **changes)) as alertmanager,
    ):
        yield alertmanager


def test_the_configuration_of_the_documentation_is_what_alertmanager_reads(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(DOCUMENTED)
    assert "2 receivers" in check_files("amtool", "check-config", path)
    for label, receivers in (("cyclone=retrain", "cyclone,people"), ("team=db", "people")):
        said = check_files("amtool", "config", "routes", "test", f"--config.file={path}", label)
        assert said.splitlines()[0] == receivers, "people are told of each"
    path.write_text(DOCUMENTED.replace("credentials_file", "credential_file"))
    with pytest.raises(ValueError, match="credential_file not found"):
        check_files("amtool", "check-config", path)


def test_an_alert_is_taken_once_and_its_repeats_and_its_end_do_nothing_more(store: Store, tmp_path: Path) -> None:
    webhooks = make_webhooks(store.dsn, tmp_path)
    with run_against(webhooks, tmp_path, QUICK, send_resolved=True) as alertmanager:
        alertmanager.post_alert({"alertname": "DiskIsFull", "host": "db-1"})
        alertmanager.post_alert(SLOW)
        wait_until(lambda: webhooks.statuses.count(202) >= 3, "it is sent three times")
        alertmanager.post_alert(SLOW, ended=True)
        wait_until(lambda: 200 in webhooks.statuses, "its end is sent")
    assert set(webhooks.statuses) == {202, 200}
    sent = execute(store, "SELECT name, answer, sender LIKE 'http://%%', summary, times FROM alert")
    times = webhooks.statuses.count(202)
    assert sent == [("SlowAnswers", "retrain", True, "p99 is above one second", times)]
    assert execute(store, "SELECT count(*) FROM incident") == [(1,)]
    assert webhooks.woken == ["alert__incident_1"]


def test_the_end_of_an_alert_is_not_sent_with_the_configuration_of_the_documentation(
    store: Store, tmp_path: Path
) -> None:
    webhooks = make_webhooks(store.dsn, tmp_path)
    with run_against(webhooks, tmp_path, QUICK) as alertmanager:
        alertmanager.post_alert(SLOW)
        wait_until(lambda: 202 in webhooks.statuses, "it is sent")
        alertmanager.post_alert(SLOW, ended=True)
        wait_until(lambda: alertmanager.list_alerts() == [], "it has ended")
    assert set(webhooks.statuses) == {202}


def test_an_alert_that_comes_while_postgres_is_away_is_sent_again_until_it_is_back(
    postgres: Postgres, tmp_path: Path
) -> None:
    postgres.start()
    store = postgres.make_store("alertmanager")
    webhooks = make_webhooks(store.dsn, tmp_path)
    # the group's next interval is after the test, so what comes again is the same notification
    with run_against(webhooks, tmp_path, {"group_wait": "100ms"}) as alertmanager:
        postgres.stop()
        alertmanager.post_alert(SLOW)
        wait_until(lambda: len(webhooks.statuses) >= 2, "it is sent again")
        assert set(webhooks.statuses) == {503}
        postgres.start()
        wait_until(lambda: 202 in webhooks.statuses, "it is taken")
        assert alertmanager.count_failed() == 0
    assert execute(store, "SELECT name, answer, times FROM alert") == [("SlowAnswers", "retrain", 1)]
    assert webhooks.woken == ["alert__incident_1"]


def test_a_notification_with_a_wrong_key_is_not_tried_again_until_the_next_group_interval(
    store: Store, tmp_path: Path
) -> None:
    webhooks = make_webhooks(store.dsn, tmp_path)
    key = webhooks.key_file.read_text()
    webhooks.key_file.write_text("cyclone_invented")
    with run_against(webhooks, tmp_path, {"group_wait": "100ms", "group_interval": "10s"}) as alertmanager:
        alertmanager.post_alert(SLOW)
        wait_until(lambda: alertmanager.count_failed() == 1, "it is given up")
        assert webhooks.statuses == [401]
        webhooks.key_file.write_text(key)
        wait_until(lambda: 202 in webhooks.statuses, "the next interval has sent it")
    assert webhooks.statuses == [401, 202]
    assert execute(store, "SELECT answer, times FROM alert") == [("retrain", 1)]
