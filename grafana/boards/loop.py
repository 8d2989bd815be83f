"""The board Loop: what opened incidents, what answered them, and what a person was asked."""

from grafana.boards.board import Board, Placed, link_to
from grafana.boards.panels import Appearance, Words, hide, override, show_number, show_series, show_table
from grafana.boards.queries import MODEL, ask_rows, ask_series

TO_RUN = {"The run": "${__data.fields.airflow_url:raw}"}
OUT = TO_RUN | {"The version in MLflow": "${__data.fields.mlflow_url:raw}"}
TO_RELEASE = {"The releases": link_to("release")}
TO_MODEL = {"The model": link_to("model")}
OUTCOMES = {
    "promoted": ("promoted", "green"),
    "kept_champion": ("kept_champion", "orange"),
    "failed": ("failed", "red"),
    "open": ("open", "blue"),
}


def build_numbers() -> list[Placed]:
    """Open incidents, futile retrainings, holds and the budget."""
    futile = f"""
        SELECT count(*) FILTER (WHERE is_futile) AS futile FROM incident_history
        WHERE model = {MODEL} AND $__timeFilter(opened_at)
    """
    budget = f"SELECT spent_share FROM budget_use WHERE model = {MODEL}"
    opened = f"SELECT count(*) AS open FROM incident_history WHERE model = {MODEL} AND outcome = 'open'"
    holds = f"SELECT count(*) AS open FROM hold_history WHERE model = {MODEL} AND is_open"
    nothing = "This model is not monitored yet."
    some = ((None, "green"), (1, "orange"))
    return [
        Placed(
            show_number(
                number, Words(title, told, nothing), ask_rows(sql), Appearance(unit, steps, TO_MODEL, minimum=0)
            ),
            6,
            4,
        )
        for number, title, told, sql, unit, steps in (
            (1, "Open incidents", "Reasons to retrain that nothing has answered yet.", opened, "short", some),
            (2, "Open holds", "Reasons why a person has to look.", holds, "short", ((None, "green"), (1, "red"))),
            (
                3,
                "Futile retrainings",
                "Those that the gate refused or that failed, in this time.",
                futile,
                "short",
                some,
            ),
            (
                4,
                "Budget spent",
                "What the retrainings of the newest seven days cost, as a share of the week's budget.",
                budget,
                "percentunit",
                ((None, "green"), (0.75, "orange"), (1, "red")),
            ),
        )
    ]


def build_incidents() -> Placed:
    """Incidents with their answers."""
    sql = f"""
        SELECT opened_at, incident_id AS incident, reason, alarms, outcome, answer, version, cost, closed_at, is_futile,
            explain, run_id, airflow_url, mlflow_url
        FROM incident_history WHERE model = {MODEL} AND $__timeFilter(opened_at) ORDER BY opened_at DESC
    """
    words = Words(
        "Incidents",
        "What opened each, how many alarms joined it, and what answered it. A futile retraining promoted nothing.",
        "No incident was opened in this time.",
    )
    overrides = [
        override("outcome", Appearance(mappings=OUTCOMES), cellOptions={"type": "color-text"}),
        override("reason", Appearance(), wrapText=True, width=380),
        *hide("airflow_url", "mlflow_url"),
    ]
    return Placed(show_table(5, words, ask_rows(sql), Appearance(links=OUT | TO_RELEASE), overrides), 24, 10)


def build_retrainings() -> Placed:
    """Retrainings by outcome over time."""
    sql = f"""
        SELECT $__timeGroup(opened_at, '1d') AS time, outcome AS metric, count(*) AS retrainings FROM incident_history
        WHERE model = {MODEL} AND $__timeFilter(opened_at) GROUP BY 1, outcome ORDER BY 1, outcome
    """
    words = Words("Incidents by day", "By what became of them.", "No incident was opened in this time.")
    look = Appearance(unit="short", minimum=0, links=TO_RELEASE)
    return Placed(show_series(6, words, [ask_series(sql)], look, draw="bars", is_stacked=True), 24, 7)


def build_decisions() -> Placed:
    """What was decided, and what was refused."""
    sql = f"""
        SELECT at, action, asked_by, because, reason, cause, is_refused, version, incident_id AS incident,
            airflow_url
        FROM decision_history WHERE model = {MODEL} AND $__timeFilter(at) ORDER BY at DESC
    """
    words = Words(
        "Decisions",
        "Every decision that did something, and every request with its answer. A refused one opened no incident.",
        "Nothing was decided in this time but to wait.",
    )
    return Placed(
        show_table(
            7,
            words,
            ask_rows(sql),
            Appearance(links=TO_RUN | TO_MODEL),
            [override("reason", Appearance(), wrapText=True, width=380), *hide("airflow_url")],
        ),
        12,
        10,
    )


def build_holds() -> Placed:
    """Holds, open ones first."""
    sql = f"""
        SELECT opened_at, cause, reason, is_open, seconds AS lasted, closed_by, because,
            CASE WHEN cause IN ('pause', 'failures', 'budget') THEN 'cyclone resume ' || model END AS resume, explain
        FROM hold_history WHERE model = {MODEL} AND (is_open OR $__timeFilter(opened_at))
        ORDER BY is_open DESC, opened_at DESC
    """
    words = Words(
        "Holds",
        "What a person had or has to look at. `cyclone status` says what to do about an open one.",
        "Nothing was held in this time.",
    )
    overrides = [
        override("lasted", Appearance(unit="s", decimals=0)),
        override("reason", Appearance(), wrapText=True, width=380),
    ]
    return Placed(show_table(8, words, ask_rows(sql), Appearance(links=TO_MODEL), overrides), 12, 10)


def build_board() -> Board:
    """Alarms and their answers."""
    return Board(
        "loop",
        "What opened incidents, what answered them, and what a person was asked.",
        ("model",),
        [
            ("Now", build_numbers()),
            ("Incidents", [build_incidents(), build_retrainings()]),
            ("Decisions and holds", [build_decisions(), build_holds()]),
        ],
        since="now-90d",
    )
