"""Messages reach people once: noted in a real store, carried by Airflow's notifiers to a mail and an HTTP server."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from aiosmtpd.controller import Controller
from airflow.sdk.exceptions import AirflowFailException

from cyclone.messages.outbox import list_messages, note_messages
from cyclone.policy.incidents import join_incident
from cyclone.releases import retire_releases
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.message_task import describe_failure, send_messages
from local_platform.processes import free_port
from tests.support.statements import execute, put_champion

MODEL = "bike_demand"
NOW = datetime(2011, 3, 8, tzinfo=UTC)
MAIL = {
    "name": "mail",
    "notifier": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
    "arguments": {
        "from_email": "cyclone@example.com",
        "to": ["ada@example.com"],
        "subject": "{title}",
        "html_content": "{html}",
    },
}
CHAT = {
    "name": "chat",
    "notifier": "cyclone_airflow.apprise_notifier.StrictAppriseNotifier",
    "arguments": {"title": "{title}", "body": "{text}"},
    "severities": ["critical", "warning"],
}


class Inbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # the server's name
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 kept"


def lead_mail_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """A mail server that Airflow's connection leads to."""
    kept, port = Inbox(), free_port(0)
    server = Controller(kept, hostname="127.0.0.1", port=port)
    server.start()
    lead_mail_to(port, monkeypatch)
    yield kept
    server.stop()


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What an HTTP server took, which Apprise posts JSON to."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = {"config": [{"path": f"json://127.0.0.1:{server.server_port}", "tag": "all"}]}
        connection = json.dumps({"conn_type": "apprise", "extra": {"config": json.dumps(config["config"])}})
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", connection)
        yield taken
        server.shutdown()


@pytest.fixture
def routes(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "messages.yaml"
    path.write_text(yaml.safe_dump([MAIL, CHAT]))
    monkeypatch.setenv("CYCLONE_MESSAGES_FILE", str(path))
    return path


def put_hold(store: Store, at: datetime) -> None:
    execute(
        store,
        "INSERT INTO hold (model, cause, opened_at, reason, run_id)"
        " VALUES (%(model)s, 'upstream', %(at)s, 'labels of 3 days are missing', 'run')",
        model=MODEL,
        at=at,
    )


def send(store: Store, at: datetime) -> list[str]:
    note_messages(store, MODEL, at)
    told: list[str] = send_messages.function(MODEL)
    return told


def test_each_event_is_told_once_by_each_of_its_routes(
    store: Store, routes: Path, inbox: Inbox, posts: list[dict[str, Any]]
) -> None:
    incident = join_incident(store, MODEL, "an alarm", NOW, "the error is 31.2, the limit 28.9", {}).incident_id
    put_hold(store, NOW)
    told = send(store, NOW)
    assert len(told) == 4
    assert send(store, NOW + timedelta(hours=1)) == []
    assert [mail["Subject"] for mail in inbox.mails] == [
        "bike_demand: incident (warning)",
        "bike_demand: hold (critical)",
    ]
    first = inbox.mails[0].get_body(("html",)).get_content()
    assert f"Incident {incident} is open: the error is 31.2, the limit 28.9." in first
    assert f"`cyclone explain incident:{incident}`" in first
    assert [post["title"] for post in posts] == [mail["Subject"] for mail in inbox.mails]
    assert "labels of 3 days are missing. Look at the data first." in posts[1]["message"]
    assert posts[1]["message"].endswith("/plugin/cyclone/cyclone/models/bike_demand")


def test_a_server_that_is_away_gets_its_messages_later_and_nobody_else_gets_them_twice(
    store: Store, routes: Path, posts: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port(0)
    lead_mail_to(port, monkeypatch)
    put_hold(store, NOW)
    for _ in range(2):
        with pytest.raises(AirflowFailException, match=r"1 messages were not carried\. mail: "):
            send(store, NOW)
    assert len(posts) == 1
    kept = Inbox()
    server = Controller(kept, hostname="127.0.0.1", port=port)
    server.start()
    assert len(send(store, NOW)) == 1
    server.stop()
    assert (len(kept.mails), len(posts)) == (1, 1)
    assert list_messages(store, MODEL) == []


def test_a_service_of_apprise_that_is_away_is_a_failure_and_not_silence(
    store: Store, routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes.write_text(yaml.safe_dump([CHAT]))
    config = json.dumps([{"path": f"json://127.0.0.1:{free_port(0)}", "tag": "all"}])
    connection = json.dumps({"conn_type": "apprise", "extra": {"config": config}})
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", connection)
    put_hold(store, NOW)
    with pytest.raises(AirflowFailException, match="chat: a service of the connection apprise_default"):
        send(store, NOW)


def test_a_message_is_given_up_in_the_end(store: Store, routes: Path) -> None:
    routes.write_text(yaml.safe_dump([{"name": "none", "notifier": "json.JSONDecoder"}]))
    put_hold(store, NOW)
    for _ in range(60):
        with pytest.raises(AirflowFailException, match=r"'json\.JSONDecoder' is no notifier of Airflow"):
            send(store, NOW)
    execute(store, "UPDATE message SET noted_at = now() - interval '25 hours'")
    with pytest.raises(AirflowFailException):
        send(store, NOW)
    assert send(store, NOW) == []


def test_a_failure_is_kept_without_the_address_that_holds_a_secret() -> None:
    try:
        requests.post("http://127.0.0.1:9/services/T000/B000/SECRETTOKEN", timeout=1)
    except requests.RequestException as error:
        said = describe_failure(error)
    assert said == "ConnectionError, from MaxRetryError, from NewConnectionError, from ConnectionRefusedError"


def test_the_releases_that_a_retirement_ends_are_no_roll_backs(store: Store, routes: Path) -> None:
    put_champion(store, NOW)
    execute(
        store,
        "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
        " created_at) VALUES (%(model)s, 2, 'v2', 'image', 'digest', 'second', 'canary', 20, %(at)s)",
        model=MODEL,
        at=NOW,
    )
    retire_releases(store, MODEL, NOW, "ada", "it is not needed any more")
    assert [each.kind for each in note_messages(store, MODEL, NOW)] == ["promotion"]


def test_a_past_from_before_the_first_look_is_told_to_nobody(store: Store, routes: Path) -> None:
    put_hold(store, NOW - timedelta(days=2))
    assert note_messages(store, MODEL, NOW) == []
    join_incident(store, MODEL, "an alarm", NOW - timedelta(days=2), "late news", {})
    assert [each.kind for each in note_messages(store, MODEL, NOW)] == ["incident"]


def test_every_kind_of_event_becomes_a_message(store: Store, routes: Path) -> None:
    put_hold(store, NOW)
    join_incident(store, MODEL, "an alarm", NOW, "the error is high", {})
    for outcome in ("failed", "kept_champion", "promoted"):
        execute(
            store,
            "INSERT INTO retraining (run_id, model, started_at, finished_at, outcome, reason)"
            " VALUES (%(outcome)s, %(model)s, %(at)s, %(at)s, %(outcome)s, 'so it was')",
            model=MODEL,
            at=NOW,
            outcome=outcome,
        )
    put_champion(store, NOW)
    execute(
        store,
        "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
        " created_at, ended_at, reason)"
        " VALUES (%(model)s, 2, 'v2', 'image', 'digest', 'second', 'rolled_back', 0, %(at)s, %(at)s, 'worse')",
        model=MODEL,
        at=NOW,
    )
    kinds = sorted((each.kind, each.severity) for each in note_messages(store, MODEL, NOW))
    assert kinds == [
        ("hold", "critical"),
        ("incident", "warning"),
        ("promotion", "info"),
        ("retraining", "critical"),
        ("retraining", "info"),
        ("roll_back", "warning"),
    ]
