"""The page over real HTTP on a real store, with users of every kind in Airflow's place."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from cyclone.page.rendering import HEADERS
from cyclone.policy.holds import list_holds
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.page import doing
from cyclone_airflow.page.app import MOST_BYTES, Page
from tests.support.serving_apps import serve_app
from tests.support.statements import execute, put_champion
from tests.unit.plugins.conftest import REPOSITORY

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOSTILE = "<img src=x onerror=alert(1)>'\"&"
MODEL = "bike_demand"
VIEWS = ("", "/verdicts", "/log")


@dataclass
class Users:
    """Whoever asks is `name`, who sees the models of `seen`, or all, and may act on those of `acts`."""

    name: str | None = "ann"
    seen: Collection[str] | None = None
    acts: Collection[str] = (MODEL,)
    known: Collection[str] = (MODEL,)

    async def find_user(self, request: Request) -> Any | None:
        return self.name

    def name_user(self, user: Any) -> str:
        return str(user)

    def list_seen(self, user: Any) -> Collection[str]:
        return self.known if self.seen is None else self.seen

    def may_see(self, user: Any, model: str) -> bool:
        return self.seen is None or model in self.seen

    def may_act(self, user: Any, model: str) -> bool:
        return model in self.acts


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
def page_settings(store: Store) -> Settings:
    return Settings(store_dsn=store.dsn, models_dir=REPOSITORY / "models")


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """The runs of monitors that were asked of Airflow, which has no database here."""
    found: list[tuple[str, str, str]] = []

    def wake(model: str, run_id: str, by: str) -> bool:
        found.append((model, run_id, by))
        return True

    monkeypatch.setattr(doing.request_retraining, "__defaults__", (wake,))
    return found


@pytest.fixture
def root(page_settings: Settings, users: Users, woken: list[tuple[str, str, str]]) -> Iterator[str]:
    """The address of the page, under which Airflow has it."""
    with serve_app(Starlette(routes=[Mount("/cyclone", Page(users, page_settings).build_app())])) as url:
        yield f"{url}/cyclone"


def watch(store: Store, *models: str) -> None:
    """Models whose monitors have just run."""
    execute(
        store,
        "INSERT INTO monitored_model (model, task, metric, label_delay, label_load, silent_days, error_limit,"
        " error_window_days, error_minimum_days, error_minimum_rows, completeness_floor, budget_per_week, longest_gap,"
        " monitored_at) SELECT model, 'regression', 'mean_absolute_error', '1 day', '0', 3, 1.5, 7, 3, 24, 0.95, 2,"
        " '5 min', now() FROM unnest(%(models)s) AS model",
        models=list(models),
    )


def put_decision(store: Store, action: str, reason: str, model: str = MODEL) -> None:
    execute(
        store,
        "INSERT INTO decision (model, run_id, at, version, action, reason) VALUES (%(model)s, 'run ' || %(reason)s,"
        " %(at)s, 1, %(action)s, %(reason)s)",
        model=model,
        at=NOW,
        action=action,
        reason=reason,
    )


def put_hold(store: Store, reason: str = "the budget is spent", model: str = MODEL) -> None:
    execute(
        store,
        "INSERT INTO hold (model, cause, opened_at, reason, run_id) VALUES (%(model)s, 'budget', %(at)s, %(reason)s,"
        " 'scheduled__1')",
        model=model,
        at=NOW - timedelta(hours=2),
        reason=reason,
    )


def get(root: str, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{root}/{path}", timeout=30, allow_redirects=False, **options)


def post(
    root: str, action: str, because: str = "a reason", origin: str | None = "own", **fields: Any
) -> requests.Response:
    own = root.removesuffix("/cyclone")
    headers = {} if origin is None else {"Origin": own if origin == "own" else origin}
    address = f"{root}/models/{MODEL}/{action}"
    data = {"because": because, **fields}
    return requests.post(address, data=data, headers=headers, timeout=60, allow_redirects=False)


def follow(root: str, answer: requests.Response) -> str:
    """What the page says after an action."""
    assert answer.status_code == 303, answer.text
    shown = requests.get(root.removesuffix("/cyclone") + answer.headers["Location"], cookies=answer.cookies, timeout=30)
    assert shown.status_code == 200
    assert "cyclone_said=" in shown.headers["Set-Cookie"], "it is shown once"
    return shown.text.partition('role="status">')[2].partition("</div>")[0]


def test_an_empty_store_says_how_a_model_gets_there(root: str) -> None:
    found = get(root, "")
    assert found.status_code == 200
    assert "No model is monitored yet" in found.text
    assert {name: found.headers[name] for name in HEADERS} == HEADERS


def test_the_fleet_has_those_first_that_need_a_person_and_filters_the_rest(
    root: str, store: Store, users: Users
) -> None:
    names = [f"model_{number:03d}" for number in range(200)]
    users.known = names
    watch(store, *names)
    put_hold(store, model="model_150")
    put_decision(store, "wait", "no retraining: all is well", model="model_007")
    text = get(root, "").text
    assert "200 models, 1 needs a person" in text
    assert text.count("<tr><th") == 201
    assert text.index("model_150") < text.index("model_000")
    held = get(root, "?show=held").text
    assert (held.count("<tr><th"), "model_150" in held) == (2, True)
    assert "No model is like that" in get(root, "?show=canary").text
    assert get(root, "?show=nonsense").text.count("<tr><th") == 201


def test_nobody_sees_a_model_that_is_not_his_to_see(root: str, store: Store, users: Users) -> None:
    watch(store, MODEL, "secret_one")
    users.seen = {MODEL}
    assert "secret_one" not in get(root, "").text
    for view in (*VIEWS, "/incidents/1", "/runs/manual__1"):
        assert get(root, f"models/secret_one{view}").status_code == 403
    assert get(root, "tab?dag=monitor__secret_one").status_code == 403
    assert get(root, f"models/{MODEL}").status_code == 200


def test_who_is_not_logged_in_gets_a_page_that_says_so(root: str, store: Store, users: Users) -> None:
    watch(store, MODEL)
    users.name = None
    for path in ("", f"models/{MODEL}", "tab?dag=monitor__x"):
        found = get(root, path)
        assert (found.status_code, "You are logged out" in found.text) == (401, True)
    assert post(root, "retrain").status_code == 401
    assert execute(store, "SELECT count(*) FROM incident") == [(0,)]


def test_a_store_that_is_away_is_told_and_the_next_request_tries_again(users: Users) -> None:
    settings = Settings(store_dsn="postgresql://nobody@127.0.0.1:1/none")
    with serve_app(Page(users, settings).build_app()) as url:
        found = get(url, f"models/{MODEL}?days=7")
    assert found.status_code == 503
    assert "The evaluation store does not answer" in found.text
    assert f'href="/models/{MODEL}?days=7"' in found.text


@pytest.mark.parametrize("model", ["nope", HOSTILE, "a" * 3000, "x\0y", "%2e%2e"])
def test_a_model_that_is_not_there_is_a_404_in_plain_words(root: str, model: str) -> None:
    found = get(root, f"models/{quote(model, safe='')}")
    assert found.status_code == 404
    assert HOSTILE not in found.text


@pytest.mark.parametrize("dag", ["my_etl", "", HOSTILE])
def test_a_dag_of_others_says_so_in_one_line(root: str, dag: str) -> None:
    found = get(root, f"tab?dag={quote(dag)}")
    assert found.status_code == 200
    assert "is not one of Cyclone" in found.text
    assert HOSTILE not in found.text


def test_both_dags_of_a_model_show_it_and_a_run_shows_its_answer(root: str, store: Store) -> None:
    watch(store, MODEL)
    for kind in ("monitor", "retrain"):
        assert "Should it be retrained?" in get(root, f"tab?dag={kind}__{MODEL}").text
    put_champion(store, NOW - timedelta(days=3))
    shown = get(root, f"run?dag=retrain__{MODEL}&run=first").text
    assert f"Retraining of {MODEL}" in shown
    odd = get(root, f"run?dag=retrain__{MODEL}&run={quote('manual__2026-11-30T08:26:46+00:00')}")
    assert "not known to the store yet" in odd.text


def test_the_sentence_is_that_of_the_newest_decision_whatever_it_says(root: str, store: Store) -> None:
    watch(store, MODEL)
    put_champion(store, NOW - timedelta(days=30))
    put_decision(store, "wait", f"no retraining: the debt is 3 of 10 {HOSTILE}")
    text = get(root, f"models/{MODEL}").text
    assert '<p class="word">Wait.</p> <p class="why">The debt is 3 of 10 &lt;img' in text
    assert HOSTILE not in text


def test_words_that_people_and_checks_wrote_are_escaped_in_every_view(root: str, store: Store) -> None:
    watch(store, MODEL)
    put_champion(store, NOW - timedelta(days=30))
    put_hold(store, HOSTILE)
    execute(
        store,
        "INSERT INTO incident (model, opened_at, reason) VALUES ('bike_demand', %(at)s, %(text)s);"
        "INSERT INTO retraining (run_id, model, incident_id, started_at, reason, version, outcome, finished_at) SELECT"
        " 'run/' || %(text)s, 'bike_demand', incident_id, %(at)s, %(text)s, 1, 'failed', %(at)s FROM incident;"
        "INSERT INTO check_result (run_id, model, version, kind, check_name, subject, value, sample_size, verdict,"
        " window_start, window_end, reason) VALUES ('r', 'bike_demand', 1, 'drift', %(text)s, %(text)s, 'NaN', 5,"
        " 'failed', %(at)s - interval '7 days', %(at)s, %(text)s);"
        "INSERT INTO instance_ledger (instance_id, model, version, revision, started_at, last_seen_at, handed_over,"
        " dropped, repeated) VALUES (%(text)s, 'bike_demand', 1, %(text)s, %(at)s, %(at)s, 5, 0, 0);"
        "INSERT INTO log_window (instance_id, window_start, stored, repeated, set_aside, dropped, pending) VALUES"
        " (%(text)s, %(at)s, 4, 0, 0, 1, 0)",
        at=NOW - timedelta(hours=3),
        text=HOSTILE,
    )
    end = quote((NOW - timedelta(hours=3)).isoformat())
    cell = f"kind=drift&check={quote(HOSTILE)}&subject={quote(HOSTILE)}&end={end}"
    cell += "&rows=1"
    paths = [f"models/{MODEL}{view}" for view in (*VIEWS, "/incidents/1", f"/verdicts?{cell}")]
    paths.append(f"models/{MODEL}/runs/{quote('run/' + HOSTILE, safe='')}")
    for path in ["", *paths]:
        found = get(root, path)
        assert found.status_code == 200, path
        assert "onerror" in found.text, path
        assert "<img" not in found.text, path


@pytest.mark.parametrize(
    "query",
    [
        "end=nonsense&kind=drift&check=x&subject=y",
        "end=2026-11-30T00:00:00&kind=drift&check=x&subject=y",
        "kind=drift",
        f"end={quote('2026-11-30T00:00:00+00:00')}&kind=%00&check=x&subject=y",
        f"end={quote('2026-11-30T00:00:00+00:00')}&kind=drift&check=x&subject=y",
        "since=2026-01-01&until=2026-12-31",
        "days=x",
    ],
)
def test_a_cell_or_a_period_that_is_not_there_shows_the_grid(root: str, store: Store, query: str) -> None:
    watch(store, MODEL)
    found = get(root, f"models/{MODEL}/verdicts?{query}")
    assert (found.status_code, "By check and day" in found.text) == (200, True)


def test_an_incident_that_is_not_there_is_told(root: str, store: Store) -> None:
    watch(store, MODEL)
    for number in ("7", "99999999999999999999999"):
        found = get(root, f"models/{MODEL}/incidents/{number}")
        assert (found.status_code, "has no incident" in found.text) == (404, True)


def test_who_may_only_look_is_offered_nothing_and_may_do_nothing(root: str, store: Store, users: Users) -> None:
    watch(store, MODEL)
    put_hold(store)
    assert "Request a retraining" in get(root, f"models/{MODEL}").text
    users.acts = ()
    assert '<form method="post"' not in get(root, f"models/{MODEL}").text
    for action in ("retrain", "resume", "promote", "roll-back", "recalibrate"):
        assert post(root, action).status_code == 403
    assert [hold.reason for hold in list_holds(store, MODEL)] == ["the budget is spent"]
    assert execute(store, "SELECT count(*) FROM decision") == [(0,)]


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1", "null", "http://localhost:1"])
def test_a_form_of_another_site_does_nothing(root: str, store: Store, origin: str) -> None:
    watch(store, MODEL)
    put_hold(store)
    assert post(root, "resume", origin=origin).status_code == 403
    assert len(list_holds(store, MODEL)) == 1


def test_the_address_that_users_have_is_no_other_site_behind_a_proxy(
    page_settings: Settings, store: Store, users: Users
) -> None:
    watch(store, MODEL)
    put_hold(store)
    app = Page(users, page_settings, base_url="https://airflow.corp.example/air").build_app()
    with serve_app(Starlette(routes=[Mount("/cyclone", app)])) as url:
        assert post(f"{url}/cyclone", "resume", origin="https://airflow.corp.example").status_code == 303
    assert list_holds(store, MODEL) == []


def test_a_program_without_an_origin_is_asked_for_its_rights_alone(root: str, store: Store) -> None:
    watch(store, MODEL)
    put_hold(store)
    assert "No longer held" in follow(root, post(root, "resume", origin=None))


def test_resuming_keeps_who_did_it_and_why(root: str, store: Store) -> None:
    watch(store, MODEL)
    put_hold(store)
    assert follow(root, post(root, "resume", "it may\ncost more")) == "No longer held: the budget is spent."
    assert execute(store, "SELECT closed_by, because FROM hold") == [("ann", "it may cost more")]
    again = post(root, "resume")
    assert "nothing is held" in follow(root, again)


def test_a_request_for_a_retraining_is_asked_once_and_wakes_the_monitor(
    root: str, store: Store, woken: list[tuple[str, str, str]]
) -> None:
    watch(store, MODEL)
    put_champion(store, NOW - timedelta(days=30))
    said = follow(root, post(root, "retrain", f"new fares {HOSTILE}"))
    assert said == "Requested by ann. Incident 1. A run of the monitor starts it now."
    assert "joins the open incident" in follow(root, post(root, "retrain"))
    assert woken == [(MODEL, "page__incident_1", "ann")] * 2
    asked = execute(store, "SELECT asked_by, because, despite FROM decision ORDER BY at, run_id LIMIT 1")
    assert asked == [("ann", f"new fares {HOSTILE}", [])]
    assert execute(store, "SELECT count(*) FROM incident") == [(1,)]


def test_a_refused_request_says_what_to_do_and_despite_is_kept(root: str, store: Store) -> None:
    watch(store, MODEL)
    assert "must be one of" in follow(root, post(root, "retrain", despite="moon"))
    assert "spite of budget" in follow(root, post(root, "retrain", despite="budget"))
    assert execute(store, "SELECT despite FROM decision WHERE incident_id IS NOT NULL") == [(["budget"],)]


def test_a_recalibration_by_hand_is_part_of_the_timeline(root: str, store: Store) -> None:
    watch(store, MODEL)
    assert follow(root, post(root, "recalibrate", "the fares rose")) == "No version serves."
    (told,) = store.fetch("lineage/timeline", model=MODEL)
    assert (told["event"], told["subject"]) == ("asked for", None)
    assert told["detail"] == "ann of Airflow asks for recalibrate: the fares rose → done: no version serves"
    assert store.fetch("alerts/waiting", model=MODEL) == []


def test_what_cannot_be_done_is_told_and_nothing_is_lost(root: str, store: Store) -> None:
    watch(store, MODEL)
    assert "no candidate is under way" in follow(root, post(root, "promote"))
    assert "Because is empty" in follow(root, post(root, "resume", "  "))
    assert post(root, "explode").status_code == 404
    assert post(root, "retrain", "x" * MOST_BYTES).status_code == 413
    assert get(root, f"models/{MODEL}/retrain").status_code == 405


def test_a_said_cookie_of_anything_is_shown_as_text(root: str, store: Store) -> None:
    watch(store, MODEL)
    for text in (HOSTILE, "%ff%fe", "!" * 5000):
        shown = get(root, f"models/{MODEL}", cookies={"cyclone_said": quote(text, safe="%")})
        assert shown.status_code == 200
        assert "<img" not in shown.text


def test_a_replay_shows_the_period_before_its_newest_row(page_settings: Settings, store: Store, users: Users) -> None:
    watch(store, MODEL)
    then = datetime(2011, 3, 4, tzinfo=UTC)
    put_champion(store, then)
    execute(
        store,
        "INSERT INTO row_rollup (model, version, bucket_start, count) VALUES ('bike_demand', 1, %(at)s, 1)",
        at=then,
    )
    with serve_app(Page(users, replace_clock(page_settings)).build_app()) as url:
        text = get(url, f"models/{MODEL}?days=7").text
    assert 'name="until" value="2011-03-04"' in text


def replace_clock(settings: Settings) -> Settings:
    return settings.model_copy(update={"clock": "replay"})


def test_the_rows_behind_a_cell_are_named_with_what_explains_them_and_without_values(root: str, store: Store) -> None:
    watch(store, MODEL)
    put_champion(store, NOW - timedelta(days=30))
    end = NOW - timedelta(hours=3)
    execute(
        store,
        "INSERT INTO check_result (run_id, model, version, kind, check_name, subject, value, sample_size, verdict,"
        " window_start, window_end) VALUES ('r', 'bike_demand', 1, 'drift', 'wasserstein', 'wind', 1, 5, 'failed',"
        " %(end)s - interval '1 day', %(end)s);"
        "SELECT ensure_partition('prediction_log', %(end)s), ensure_partition('prediction_log', %(end)s - interval"
        " '2 days');"
        "INSERT INTO prediction_log (model, id, version, revision, input, prediction, created_at) SELECT 'bike_demand',"
        " 'a row; ' || n, 1, 'v1', '{\"wind\": 12345}', '1', %(end)s - n * interval '5 hours'"
        " FROM generate_series(0, 9) AS n",
        end=end,
    )
    cell = f"kind=drift&check=wasserstein&subject=wind&end={quote(end.isoformat())}"
    assert "a row; 1" not in get(root, f"models/{MODEL}/verdicts?{cell}").text
    text = get(root, f"models/{MODEL}/verdicts?{cell}&rows=1").text
    assert [f"a row; {n}" in text for n in (0, 1, 4, 5)] == [False, True, True, False]
    assert "cyclone explain &#39;a row; 1&#39; --model bike_demand" in text
    assert "12345" not in text


def test_a_fault_of_our_own_is_told_on_a_page_and_its_words_stay_in_the_log(
    root: str, users: Users, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(users, "may_see", lambda user, model: 1 / 0)
    found = get(root, f"models/{MODEL}")
    assert (found.status_code, "a fault of Cyclone" in found.text) == (500, True)
    assert "division" not in found.text
    assert "could not be answered" in caplog.text
