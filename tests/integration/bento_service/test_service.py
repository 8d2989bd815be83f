"""The service as a client sees it: a real process of BentoML on a packed bundle, real HTTP, a real Postgres."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cyclone.rows.frames import inputs_from_rows
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
from tests.support.serving import MODEL, ROW, TARGET, Service, run_service, wait_until


@pytest.fixture(scope="module")
def service(bundle: Path, module_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it running."""
    folder = tmp_path_factory.mktemp("served")
    with run_service(bundle, module_store, folder, TARGET, folder) as running:
        yield running


def test_rows_are_answered_and_logged_with_id_version_revision_and_event_time(service: Service) -> None:
    other = {**ROW, "weather": "cloudy/misty", "temperature": 0}
    status, answer = service.predict(ROW, other, created_at=["2011-02-01T10:00:00Z", "2011-02-01T12:00:00+01:00"])
    assert (status, answer["model"], answer["version"], answer["revision"]) == (
        200,
        "bike_demand",
        3,
        "bike-demand-v3",
    )
    ids = [item["id"] for item in answer["predictions"]]
    predictions = [item["prediction"] for item in answer["predictions"]]
    assert [uuid.UUID(id_).version for id_ in ids] == [7, 7]
    assert all(0 < value < 1000 for value in predictions)
    wait_until(lambda: len(service.read_rows(ids)) == 2, "both rows are stored")
    assert service.read_rows(ids) == [
        (ids[0], 3, "bike-demand-v3", ROW, predictions[0], "2011-02-01 10:00:00+00"),
        (ids[1], 3, "bike-demand-v3", other, predictions[1], "2011-02-01 11:00:00+00"),
    ]


def test_a_row_is_answered_as_the_estimator_answers_it(service: Service, bundle: Path) -> None:
    import skops.io

    release = json.loads((bundle / "release.json").read_text())
    estimator = skops.io.load(bundle / "model" / "model.skops", trusted=release["trusted_types"])
    rows = [{**ROW, "hour": hour} for hour in range(24)]
    expected = estimator.predict(inputs_from_rows(load_model_spec(MODEL), rows)).tolist()
    status, answer = service.predict(*rows)
    assert status == 200
    assert [item["prediction"] for item in answer["predictions"]] == expected


def test_a_repeated_row_is_logged_once_and_its_id_belongs_to_no_other(service: Service) -> None:
    times = ["2011-02-02T00:00Z"]
    for _ in range(2):
        assert service.predict({**ROW, "hour": 1}, ids=["twice"], created_at=times)[0] == 200
    status, answer = service.predict(ROW, {**ROW, "hour": 2}, ids=["new", "twice"], created_at=times * 2)
    assert (status, answer["error"]) == (409, "1 of 2 ids belong to other rows. Nothing was kept")
    assert [(item["row"], item["feature"], item["value"]) for item in answer["details"]] == [(1, "id", "twice")]
    assert service.predict(ROW, ids=["after twice"], created_at=times)[0] == 200
    wait_until(lambda: len(service.read_rows(["after twice"])) == 1, "the last row is stored")
    assert [row[3]["hour"] for row in service.read_rows(["twice"])] == [1]
    assert service.query("SELECT repeated, conflicting FROM log_completeness") == [(1, 0)]


def test_a_bad_row_refuses_the_request_and_nothing_of_it_is_logged(service: Service) -> None:
    secret = "somebody's private words"
    rows = [ROW, {**ROW, "hour": 24}, {**ROW, "weather": secret, "windy": 1}]
    status, answer = service.predict(*rows, ids=["good", "late", "odd"])
    assert (status, answer) == (
        400,
        {
            "error": "2 of 3 rows cannot be used. Nothing was kept",
            "details": [
                {"row": 1, "feature": "hour", "value": 24, "allowed": "an integer from 0 to 23"},
                {
                    "row": 2,
                    "feature": "weather",
                    "value": secret,
                    "allowed": "one of 'clear', 'cloudy/misty', 'light rain/snow', 'heavy rain/snow'",
                },
                {
                    "row": 2,
                    "feature": "windy",
                    "value": 1,
                    "allowed": "no such feature. The features are " + ", ".join(ROW),
                },
            ],
        },
    )
    assert service.predict(ROW, ids=["after bad"])[0] == 200
    wait_until(lambda: len(service.read_rows(["after bad"])) == 1, "the next row is stored")
    assert service.read_rows(["good", "late", "odd"]) == []
    log = service.process.log_path.read_text()
    assert "Traceback" not in log
    assert secret not in log


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/predict", b'{"rows": [', 400),
        ("POST", "/predict", b"", 400),
        ("POST", "/predict", b'{"rows": [{"hour": NaN}]}', 400),
        ("POST", "/predict", b'{"rows": [{"hour": 1e999}]}', 400),
        ("POST", "/predict", b'{"rows": [' + json.dumps(ROW).encode()[:-1] + b', "hour": 9}]}', 400),
        ("POST", "/labels", b'{"labels": [{"id": "a", "label": 1, "label": 2}]}', 400),
        ("POST", "/predict", b'{"rows": [{"weather": "\\u0000"}]}', 400),
        ("POST", "/predict", {"rows": [ROW] * 1001}, 413),
        ("POST", "/predict", b'{"rows": "' + b" " * 10 * 1024 * 1024 + b'"}', 413),
        ("POST", "/labels", b"{", 400),
        ("POST", "/labels", {"labels": [{"id": "a", "label": 1.5}]}, 400),
        ("POST", "/labels", {"labels": [{"id": "a", "label": 1, "observed_at": "2011-01-01"}]}, 400),
        ("GET", "/predict", None, 405),
        ("DELETE", "/labels", None, 405),
        ("POST", "/nowhere", {}, 404),
    ],
)
def test_what_cannot_be_answered_gets_a_clean_4xx(
    service: Service, method: str, path: str, body: Any, status: int
) -> None:
    got, answer = service.call(method, path, body)
    assert got == status
    if status in (400, 413):
        assert sorted(answer) == ["details", "error"]
    assert "Traceback" not in service.process.log_path.read_text()


def test_labels_come_before_or_after_their_prediction_twice_or_changed(service: Service) -> None:
    early = {"id": "early", "label": 10, "observed_at": "2011-02-04T00:00:00Z"}
    assert service.label(early) == (200, {"accepted": 1, "unknown_so_far": 1})
    for id_ in ("early", "late"):
        assert service.predict(ROW, ids=[id_], created_at=["2011-02-03T00:00Z"])[0] == 200
    wait_until(lambda: len(service.read_rows(["early", "late"])) == 2, "both rows are stored")
    late = {"id": "late", "label": 20, "observed_at": "2011-02-04T00:00:00Z"}
    never = {"id": "never", "label": 1, "observed_at": "2011-02-04T00:00:00Z"}
    assert service.label(late, early, never) == (200, {"accepted": 3, "unknown_so_far": 1})
    assert service.label({**late, "label": 21, "observed_at": "2011-02-05T00:00:00Z"})[0] == 200
    assert service.label({**late, "label": 19, "observed_at": "2011-02-03T12:00:00Z"})[0] == 200
    assert service.query(
        "SELECT id, label FROM labelled_prediction WHERE id = ANY(%s) ORDER BY id", ["early", "late"]
    ) == [("early", 10), ("late", 19)]
    assert service.query(
        "SELECT id, count(*) FROM label WHERE id = ANY(%s) GROUP BY id ORDER BY id", ["early", "late", "never"]
    ) == [("early", 1), ("late", 3), ("never", 1)]


def test_the_openapi_page_has_the_models_own_features(service: Service) -> None:
    status, page = service.call("GET", "/docs.json")
    assert status == 200
    row = page["components"]["schemas"]["Row"]
    assert list(row["properties"]) == list(ROW)
    assert row["properties"]["hour"]["description"] == "an integer from 0 to 23"
    assert row["properties"]["weather"]["enum"][0] == "clear"
    assert {"/predict", "/labels", "/healthz", "/readyz", "/metrics"} <= set(page["paths"])
    assert "security" not in page["paths"]["/predict"]["post"]  # no keys are configured
    rows = page["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert rows["properties"]["rows"]["items"] == {"$ref": "#/components/schemas/Row"}


def test_the_openapi_document_and_the_page_are_the_models_own(service: Service) -> None:
    info = service.call("GET", "/docs.json")[1]["info"]
    description = "Hourly demand of a bike-sharing system, from the calendar and the weather."
    assert info == {"title": "bike_demand", "version": "3", "description": description}
    status, page = service.call("GET", "/")
    assert status == 200
    assert "<title>bike_demand, version 3</title>" in page
    assert "BentoML" not in page
    assert [service.call("GET", f"/{path}")[0] for path in ("static_content/index.css", "assets/index.css")] == [
        404
    ] * 2


def test_health_and_metrics_answer(service: Service) -> None:
    assert [service.call("GET", path)[0] for path in ("/healthz", "/readyz", "/livez")] == [200] * 3
    assert service.predict(ROW)[0] == 200
    status, text = service.call("GET", "/metrics")
    assert status == 200
    for name in (
        'cyclone_requests_total{code="2xx"}',
        "cyclone_request_seconds_bucket",
        "cyclone_log_queue_rows",
        "cyclone_log_spool_bytes",
        'cyclone_log_rows_total{outcome="stored"}',
        'cyclone_log_rows_total{outcome="dropped"} 0.0',
    ):
        assert name in text


def test_requests_are_counted_by_minute_of_event_time(service: Service) -> None:
    minute = "2011-03-01T07:30"
    for second, hour in ((1, 1), (2, 2), (3, 99)):
        service.predict({**ROW, "hour": hour}, created_at=[f"{minute}:0{second}Z"])
    select = (
        "SELECT sum(requests)::int, sum(rejected)::int, sum(failures)::int,"
        " sum((SELECT sum(bin) FROM unnest(latency_counts) AS bin))::int"
        " FROM request_stat WHERE bucket_start = %s"
    )
    wait_until(lambda: service.query(select, minute + "Z") == [(3, 1, 0, 2)], "three requests are counted")


def test_a_refused_request_that_does_not_say_when_it_happened_counts_now(service: Service) -> None:
    recent = "SELECT coalesce(sum(rejected), 0)::int FROM request_stat WHERE bucket_start > now() - interval '1 hour'"
    before = service.query(recent)[0][0]
    assert service.predict(ROW, created_at=["2011-03-01T08:00:00Z"])[0] == 200
    assert service.call("POST", "/predict", b"{")[0] == 400
    wait_until(lambda: service.query(recent) == [(before + 1,)], "the refusal is counted")


def test_the_ledger_adds_up(service: Service) -> None:
    assert service.predict(*[ROW] * 50, created_at=["2011-03-02T00:00Z"] * 50)[0] == 200
    wait_until(lambda: service.read_ledger() == [(0, False)], "every row is accounted for")


def test_a_packed_bento_serves_what_its_own_spec_says(bundle: Path, store: Store, tmp_path: Path) -> None:
    """Its spec takes no event times, and a weather that its estimator does not know."""
    packed, home = tmp_path / "bundle", tmp_path / "home"
    shutil.copytree(bundle, packed)
    settings = packed / "models" / "bike_demand" / "model.yaml"
    text = settings.read_text().replace("accept_created_at: true", "accept_created_at: false")
    settings.write_text(text.replace("heavy rain/snow]", "heavy rain/snow, hail]"))
    replace_model(packed, load_model_spec(MODEL))
    build_bento(packed, home)
    with run_service(tmp_path, store, tmp_path, "bike_demand:v3", home) as service:
        status, answer = service.predict(ROW, created_at=["2011-02-01T10:00:00Z"])
        assert (status, answer["details"]) == (400, [])
        assert answer["error"].startswith("bike_demand does not accept created_at")
        assert service.predict({**ROW, "weather": "hail"}) == (
            500,
            {"error": "bike_demand could not answer these rows", "details": []},
        )
        assert service.predict(ROW)[0] == 200
        counts = "SELECT sum(requests)::int, sum(rejected)::int, sum(failures)::int FROM request_stat"
        wait_until(lambda: service.query(counts) == [(3, 1, 1)], "a failure and a refusal are counted")
        wait_until(lambda: service.read_ledger() == [(0, False)], "every row is accounted for")
        assert service.query("SELECT count(*) FROM prediction_log") == [(1,)]
        log = service.process.log_path.read_text()
        assert "the request failed with ValueError at" in log
        assert "hail" not in log


def replace_model(packed: Path, spec: ModelSpec) -> None:
    """By one that raises for a category that it was not fitted with."""
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = [{**ROW, "weather": value} for value in spec.features[5].values or ()]
    encode = ColumnTransformer([("weather", OneHotEncoder(), [5])], remainder="passthrough")
    estimator = make_pipeline(encode, LinearRegression()).fit(inputs_from_rows(spec, rows), range(len(rows)))
    skops.io.dump(estimator, packed / "model" / "model.skops")
    release = json.loads((packed / "release.json").read_text())
    del release["trees"]  # they are those of the estimator that was there
    (packed / "release.json").write_text(json.dumps(release))


def build_bento(packed: Path, home: Path) -> None:
    code = (
        "import bentoml; bentoml.bentos.build(service='bento_service.service:PredictionService',"
        f" name='bike_demand', version='v3', build_ctx={str(packed)!r})"
    )
    env = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    subprocess.run([sys.executable, "-c", code], cwd=packed, env=env, check=True, capture_output=True)


def test_an_outage_of_the_store_and_the_end_lose_no_acknowledged_row(bundle: Path, tmp_path: Path) -> None:
    folder, port = tmp_path / "postgres", free_port(0)
    postgres = EmbeddedPostgres.start(folder, port)
    store = Store(postgres.dsn())
    store.migrate()
    with run_service(bundle, store, tmp_path, TARGET, tmp_path) as service:
        assert service.predict(ROW, ids=["before"])[0] == 200
        wait_until(lambda: len(service.read_rows(["before"])) == 1, "the first row is stored")
        postgres.stop()
        during = [f"during {number}" for number in range(20)]
        assert [service.predict(ROW, ids=[id_])[0] for id_ in during] == [200] * 20
        status, answer = service.label({"id": "before", "label": 1})
        assert (status, answer["error"]) == (
            503,
            "the evaluation store does not answer: no label was kept, send them again",
        )
        assert [service.call("GET", path)[0] for path in ("/healthz", "/readyz")] == [200] * 2
        with EmbeddedPostgres.start(folder, port):
            wait_until(lambda: len(service.read_rows(during)) == 20, "what waited is stored")
            assert service.query("SELECT count(*) FROM label") == [(0,)]
            acknowledged = stop_under_load(service)
            stored = {id_ for (id_,) in service.query("SELECT id FROM prediction_log")}
            assert stored >= {"before", *during, *acknowledged}
            assert acknowledged != []
            assert service.read_ledger() == [(0, True)]


def stop_under_load(service: Service) -> list[str]:
    """Ids that were answered by a service that is told to stop while four clients keep asking."""
    acknowledged: list[str] = []

    def ask(client: int) -> None:
        for number in range(100_000):
            id_ = f"load {client} {number}"
            try:
                status, _ = service.predict(ROW, ids=[id_])
            except (OSError, http.client.HTTPException):
                return
            if status == 200:
                acknowledged.append(id_)

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    wait_until(lambda: len(acknowledged) > 50, "the clients are answered")
    assert service.process.stop() == 0
    for client in clients:
        client.join(30)
    return acknowledged
