"""The board Release: candidate and champion side by side, and how long each step took."""

from grafana.boards.board import Board, Placed, link_to
from grafana.boards.panels import (
    Appearance,
    Words,
    hide,
    override,
    round_off,
    show_bars,
    show_number,
    show_series,
    show_table,
)
from grafana.boards.queries import MODEL, VERSIONS, ask_rows, ask_series

TO_RUN = {"The run": "${__data.fields.airflow_url:raw}"}
TO_MODEL = {"The model": link_to("model")}
STEP_COLOURS = {"passed": ("passed", "green"), "inconclusive": ("inconclusive", "text"), "failed": ("failed", "red")}
MEASURES = {
    "failure_share": "failed requests",
    "latency_mean_ms": "mean latency, ms",
    "error": "error",
    "prediction_shift": "shift of predictions",
    "lost_share": "lost rows",
    "vanished_instances": "instances that vanished",
}
OF_CHOSEN = f"model = {MODEL} AND version = {VERSIONS}"


def build_steps() -> Placed:
    """The canary steps."""
    sql = f"""
        SELECT started_at, version, step_number AS step, traffic_percent AS traffic, verdict, seconds, reason, revision,
            'cyclone explain ' || model || ':v' || version AS explain, airflow_url
        FROM canary_step WHERE {OF_CHOSEN} AND $__timeFilter(started_at) ORDER BY started_at DESC
    """
    words = Words(
        "Canary steps",
        "Each share of traffic that a candidate had, and what the sequential tests said of it.",
        "No canary ran in this time.",
    )
    overrides = [
        override("traffic", Appearance(unit="percent")),
        override("seconds", Appearance(unit="s", decimals=0)),
        override("verdict", Appearance(mappings=STEP_COLOURS), cellOptions={"type": "color-text"}),
        override("reason", Appearance(), wrapText=True, width=520),
        *hide("airflow_url"),
    ]
    return Placed(show_table(1, words, ask_rows(sql), Appearance(links=TO_RUN | TO_MODEL), overrides), 24, 8)


def build_measures() -> Placed:
    """What each step measured of both."""
    named = " ".join(f"WHEN '{name}' THEN '{words}'" for name, words in MEASURES.items())
    sql = f"""
        SELECT measured.version, measured.step_number AS step, measured.traffic_percent AS traffic,
            CASE measured.measure {named} END AS measure, measured.candidate,
            measured.candidate_samples AS "candidate of", measured.champion,
            measured.champion_samples AS "champion of", measured.compared_low AS "from",
            measured.compared_high AS "to", measured.limit_value AS "limit"
        FROM release_measure AS measured
        WHERE {OF_CHOSEN} AND $__timeFilter(measured.started_at)
        ORDER BY measured.started_at DESC, measured.measure
    """
    words = Words(
        "Candidate and champion side by side",
        "What each step measured of both, in the same time. What lies between from and to is compared with the limit: a"
        " difference of shares, or the candidate's mean. A step fails when all of it is above the limit, and passes"
        " when all of it is below.",
        "No canary ran in this time.",
    )
    overrides = [
        override("traffic", Appearance(unit="percent")),
        *round_off(4, "candidate", "champion", "from", "to", "limit"),
    ]
    return Placed(show_table(2, words, ask_rows(sql), Appearance(links=TO_MODEL), overrides), 24, 9)


def build_traffic() -> Placed:
    """The share of traffic of candidates over time."""
    sql = f"""
        SELECT started_at AS time, 'v' || version AS metric, traffic_percent AS traffic
        FROM canary_step WHERE {OF_CHOSEN} AND $__timeFilter(started_at) ORDER BY started_at
    """
    words = Words("Traffic of candidates", "The share of traffic that each step gave.", "No canary ran in this time.")
    look = Appearance(unit="percent", minimum=0, maximum=100, links=TO_MODEL)
    return Placed(show_series(3, words, [ask_series(sql)], look), 12)


def build_stages() -> list[Placed]:
    """From the alarm to all traffic."""
    chosen = f"FROM release_stage WHERE {OF_CHOSEN} AND $__timeFilter(started_at)"
    sql = f"""
        SELECT 'v' || version || ': ' || stage AS stage, seconds {chosen} ORDER BY started_at, version, place LIMIT 60
    """
    newest = f"""
        SELECT sum(seconds) AS seconds FROM release_stage
        WHERE model = {MODEL} AND version = (
            SELECT max(version) FROM release_stage WHERE {OF_CHOSEN} AND $__timeFilter(started_at))
    """
    listed = (
        f"SELECT started_at, version, stage, seconds, run_id, airflow_url {chosen} ORDER BY started_at DESC, place DESC"
    )
    nothing = "No candidate was made in this time."
    note = "In a replay only canary steps have a true length, because the others span two clocks."
    seconds = Appearance(unit="s", minimum=0, decimals=0, links=TO_MODEL)
    return [
        Placed(
            show_bars(
                4,
                Words("Seconds of each stage", f"From the alarm to all traffic. {note}", nothing),
                ask_rows(sql),
                seconds,
            ),
            12,
        ),
        Placed(
            show_number(
                5,
                Words("From alarm to now, or to all traffic", f"Of the newest chosen version. {note}", nothing),
                ask_rows(newest),
                seconds,
            ),
            6,
            8,
        ),
        Placed(
            show_table(
                6,
                Words("Stages", f"With the run that each belongs to. {note}", nothing),
                ask_rows(listed),
                Appearance(links=TO_RUN),
                [override("seconds", Appearance(unit="s", decimals=0)), *hide("airflow_url")],
            ),
            18,
            8,
        ),
    ]


def build_gate() -> Placed:
    """The gate's comparison, slice by slice."""
    sql = f"""
        SELECT started_at, version, slice, rows, challenger_error AS challenger, champion_error AS champion, ratio,
            ratio_lower AS "from", ratio_upper AS "to", limit_ratio AS "limit", is_passed, run_id, airflow_url
        FROM gate_slice WHERE model = {MODEL} AND slice = ANY (ARRAY[${{slice:sqlstring}}]::text[])
            AND $__timeFilter(started_at)
        ORDER BY started_at DESC, slice
    """
    words = Words(
        "The gate, by slice",
        "Challenger and champion on the same held-out rows. A ratio below 1 means that the challenger errs less. Its"
        " bounds are one-sided, and come from whole days.",
        "No challenger was compared in this time.",
    )
    steps = ((None, "green"), (1, "orange"), (1.1, "red"))
    overrides = [
        override("ratio", Appearance(steps=steps, decimals=3), cellOptions={"type": "color-text"}),
        *round_off(3, "challenger", "champion", "from", "to", "limit"),
        *hide("airflow_url"),
    ]
    return Placed(show_table(7, words, ask_rows(sql), Appearance(links=TO_RUN | TO_MODEL), overrides), 24)


def build_board() -> Board:
    """What a candidate went through."""
    return Board(
        "release",
        "What each candidate went through, from the alarm to all traffic.",
        ("model", "version", "slice"),
        [
            ("Canary", [build_steps(), build_measures(), build_traffic()]),
            ("Time", build_stages()),
            ("Gate", [build_gate()]),
        ],
    )
