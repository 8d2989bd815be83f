"""The board Model: one model's error, labels, requests, predictions and features over time."""

from grafana.boards.board import Board, Placed, link_to
from grafana.boards.panels import (
    VERDICTS,
    Appearance,
    Words,
    hide,
    override,
    round_off,
    show_bars,
    show_history,
    show_series,
    show_table,
)
from grafana.boards.queries import MODEL, VERSIONS, ask_rows, ask_series

TO_RELEASE = {"The releases": link_to("release")}
TO_LOOP = {"The loop": link_to("loop")}
TO_LOG = {"The log": link_to("log")}
OUT = {
    "The run that released it": "${__data.fields.airflow_url:raw}",
    "The version in MLflow": "${__data.fields.mlflow_url:raw}",
    "The revisions": "${__data.fields.revision_url:raw}",
}
FEATURES = "ARRAY[${feature:sqlstring}]::text[]"
SINCE, UNTIL = "$__timeFrom()::timestamptz", "$__timeTo()::timestamptz"
STEP = "date_bin(make_interval(secs => greatest($__interval_ms / 1000, 3600)), start, '2000-01-01T00:00Z')"
"""The beginning of the step that an hour falls in. A step is as long as a point of the panel, and an hour at least."""


def build_now() -> Placed:
    """What serves, in one row."""
    sql = f"""
        SELECT model, verdict, sentence, version, revision, traffic, age_seconds AS age, error,
            accepted_error AS accepted, error_limit AS "limit", explain, airflow_url, mlflow_url, revision_url
        FROM model_status WHERE model = {MODEL}
    """
    words = Words(
        "What serves",
        "The version that serves by its release record, with a typical day's error beside the accepted one.",
        "This model is not monitored yet.",
    )
    overrides = [
        override("age", Appearance(unit="s", decimals=0)),
        override("sentence", Appearance(links=TO_LOOP), wrapText=True, width=380),
        *round_off(3, "error", "accepted", "limit"),
        *hide("airflow_url", "mlflow_url", "revision_url"),
    ]
    return Placed(show_table(1, words, ask_rows(sql), Appearance(links=OUT | TO_RELEASE), overrides), 24, 4)


def build_error() -> Placed:
    """Error by day with what it is compared with, and how much of each day has labels."""
    by_day = f"FROM error_day WHERE model = {MODEL} AND version = {VERSIONS} AND $__timeFilter(day)"
    targets = [
        ask_series(f"SELECT day AS time, 'error of v' || version AS metric, error {by_day} ORDER BY day", "A"),
        ask_series(f"SELECT day AS time, max(accepted_error) AS accepted {by_day} GROUP BY day ORDER BY day", "B"),
        ask_series(f'SELECT day AS time, max(error_limit) AS "limit" {by_day} GROUP BY day ORDER BY day', "C"),
        ask_series(
            f"""
            SELECT window_end AS time, 'expected of v' || version AS metric, value FROM current_verdict
            WHERE model = {MODEL} AND version = {VERSIONS} AND kind = 'estimate' AND $__timeFilter(window_end)
            ORDER BY window_end
            """,
            "D",
        ),
        ask_series(
            f"""
            SELECT day AS time, sum(labelled) / sum(rows)::float AS "with a label" FROM label_day
            WHERE model = {MODEL} AND version = {VERSIONS} AND $__timeFilter(day) GROUP BY day ORDER BY day
            """,
            "E",
        ),
    ]
    words = Words(
        "Error by day",
        "A day has the rows whose label was due in it. Beside the error: what the version was accepted with, the limit"
        " at which the policy retrains, and the error that is expected before labels come. The shade is the share of a"
        " day's rows that have a label by now, on the right: where it is low, the error may still move.",
        "No label has come in this time.",
    )
    dashed = {"dash": [8, 6], "fill": "dash"}
    overrides = [
        override("accepted", Appearance(unit="short"), lineStyle=dashed, lineColor="green"),
        override("limit", Appearance(unit="short"), lineStyle=dashed, lineColor="red"),
        override(
            "with a label",
            Appearance(unit="percentunit", minimum=0, maximum=1),
            axisPlacement="right",
            fillOpacity=12,
            lineWidth=0,
        ),
    ]
    return Placed(
        show_series(2, words, targets, Appearance(unit="short", minimum=0, links=TO_RELEASE), overrides), 24, 11
    )


def build_calibrations() -> Placed:
    """The corrections of the version that serves."""
    sql = f"""
        SELECT served_at, version, method, parameters, error_without, error_with, row_count, is_in_force, withdrawn_at,
            reason, revision, explain
        FROM calibration_history WHERE model = {MODEL} ORDER BY served_at DESC
    """
    words = Words(
        "Calibrations",
        "Corrections of what a version predicts, by its newest labels. The one in force answers with its revision.",
        "No calibration has served.",
    )
    errors = round_off(3, "error_without", "error_with")
    return Placed(show_table(3, words, ask_rows(sql), Appearance(links=TO_LOOP), errors), 24, 6)


def build_requests() -> list[Placed]:
    """Requests, the share that failed, and latency, by version."""
    told = "By version. A step is of one hour or more."
    by_step = (
        f"FROM request_hour WHERE model = {MODEL} AND $__timeFilter(start) GROUP BY 1, version ORDER BY 1, version"
    )
    requests = f"SELECT {STEP} AS time, 'v' || version AS metric, sum(requests) AS requests {by_step}"
    failures = f"""
        SELECT {STEP} AS time, 'v' || version AS metric, sum(failures) / nullif(sum(requests), 0)::float AS failed,
            sum(rejected) / nullif(sum(requests), 0)::float AS refused {by_step}
    """
    latency = f"""
        SELECT start AS time, 'v' || version AS metric, p50_ms, p95_ms, p99_ms
        FROM latency_series({MODEL}, {SINCE}, {UNTIL}, $__interval_ms / 1000.0) ORDER BY start, version
    """
    nothing = "No request came in this time."
    return [
        Placed(
            show_series(
                4,
                Words("Requests", f"Answered requests. {told}", nothing),
                [ask_series(requests)],
                Appearance(unit="short", minimum=0, links=TO_LOG),
                draw="bars",
                is_stacked=True,
            ),
            8,
        ),
        Placed(
            show_series(
                5,
                Words("Failed and refused", f"Shares of requests answered 5xx and 4xx. {told}", nothing),
                [ask_series(failures)],
                Appearance(unit="percentunit", minimum=0, steps=((None, "green"), (0.01, "red")), links=TO_LOG),
            ),
            8,
        ),
        Placed(
            show_series(
                6,
                Words(
                    "Latency", f"Quantiles of the time to answer, linear within a bin of the histogram. {told}", nothing
                ),
                [ask_series(latency)],
                Appearance(unit="ms", minimum=0, steps=((None, "green"), (500, "red")), links=TO_LOG),
            ),
            8,
        ),
    ]


def build_revisions() -> Placed:
    """Requests, failures and latency by revision."""
    sql = f"""
        SELECT told.revision, told.version, requests, failed, refused, p50_ms, p95_ms, p99_ms, known.revision_url
        FROM revision_requests({MODEL}, {UNTIL}) AS told
        LEFT JOIN model_status AS known ON known.model = {MODEL}
        ORDER BY told.version DESC, told.revision
    """
    words = Words(
        "Requests by revision",
        "Of the last day of this time: how many, the shares answered 5xx and 4xx, and quantiles of the time to answer.",
        "No request came in the last day of this time.",
    )
    overrides = [
        *(override(name, Appearance(unit="percentunit", decimals=2)) for name in ("failed", "refused")),
        *(override(name, Appearance(unit="ms", decimals=1)) for name in ("p50_ms", "p95_ms", "p99_ms")),
        *hide("revision_url"),
    ]
    links = {"The revisions": OUT["The revisions"]} | TO_LOG
    return Placed(show_table(10, words, ask_rows(sql), Appearance(unit="short", links=links), overrides), 24, 6)


def build_predictions() -> Placed:
    """What was predicted, by day."""
    sql = f"""
        WITH counted AS (
            SELECT date_bin('1 day', start, '2000-01-01T00:00Z') AS day, bin, sum(rows) AS rows FROM bin_hour
            WHERE model = {MODEL} AND version = {VERSIONS} AND feature = 'prediction' AND $__timeFilter(start)
            GROUP BY 1, bin
        ), named AS MATERIALIZED (
            SELECT DISTINCT ON (bin) bin, name FROM known_bin
            WHERE model = {MODEL} AND version = {VERSIONS} AND feature = 'prediction' ORDER BY bin, version DESC
        )
        SELECT day AS time, coalesce(name, 'unknown') AS metric, rows / sum(rows) OVER (PARTITION BY day) AS share
        FROM counted LEFT JOIN named USING (bin) ORDER BY day, bin
    """
    words = Words(
        "Predictions",
        "The share of each bin of the reference's predictions, by day. Equal bands mean that nothing has moved.",
        "No row was answered in this time.",
    )
    look = Appearance(unit="percentunit", minimum=0, maximum=1, links=TO_RELEASE)
    return Placed(show_series(7, words, [ask_series(sql)], look, draw="bars", is_stacked=True), 12, 9)


def build_drift() -> Placed:
    """A verdict for each feature and day."""
    sql = f"""
        SELECT window_end AS time, subject || ', ' || check_name AS metric,
            max(CASE verdict WHEN 'failed' THEN 2 WHEN 'no_data' THEN 1 ELSE 0 END) AS verdict
        FROM current_verdict
        WHERE model = {MODEL} AND version = {VERSIONS} AND kind = 'drift'
            AND (subject = ANY ({FEATURES}) OR subject IN ('prediction', '(broken check)', '(no subject)'))
            AND $__timeFilter(window_end)
        GROUP BY window_end, subject, check_name ORDER BY window_end, subject, check_name
    """
    words = Words(
        "Drift by feature and day",
        "The verdict of each drift check on the window that ended with the day. Grey is no_data, which is never healthy"
        " and never by itself a reason to retrain.",
        "No drift check was judged in this time.",
    )
    steps = ((None, "green"), (1, "text"), (2, "red"))
    return Placed(
        show_history(8, words, ask_series(sql), Appearance(mappings=VERDICTS, steps=steps, links=TO_LOOP)), 12, 9
    )


def build_bins() -> Placed:
    """The bins of the chosen features beside the reference's."""
    sql = f"""
        SELECT chosen.feature || ': ' || bins.name AS bin, bins.served_share AS served,
            bins.reference_share AS reference
        FROM unnest({FEATURES}) AS chosen (feature)
        CROSS JOIN (
            SELECT max(version) AS version FROM known_version WHERE model = {MODEL} AND version = {VERSIONS}) AS of
        CROSS JOIN LATERAL feature_bins(
            {MODEL}, of.version, chosen.feature, {SINCE}, {UNTIL}) AS bins
        ORDER BY chosen.feature, bins.bin < 0, bins.bin LIMIT 60
    """
    words = Words(
        "A feature's bins beside the reference's",
        "Shares of rows, of the newest chosen version. Choose one feature above: the first 60 bins are shown.",
        "No row was answered in this time.",
    )
    look = Appearance(unit="percentunit", minimum=0, links=TO_LOOP)
    return Placed(show_bars(9, words, ask_rows(sql), look), 24, 9)


def build_board() -> Board:
    """One model over time."""
    return Board(
        "model",
        "One model over time, with everything that happened to it.",
        ("model", "version", "feature"),
        [
            ("Now", [build_now()]),
            ("Error", [build_error(), build_calibrations()]),
            ("Service", [*build_requests(), build_revisions()]),
            ("Predictions and features", [build_predictions(), build_drift(), build_bins()]),
        ],
    )
