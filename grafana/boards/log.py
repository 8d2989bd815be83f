"""The board Log: what became of every answered row."""

from grafana.boards.board import Board, Placed, link_to
from grafana.boards.panels import Appearance, Words, hide, override, show_number, show_series, show_table
from grafana.boards.queries import MODEL, VERSIONS, ask_rows, ask_series

TO_MODEL = {"The model": link_to("model")}
TO_REVISION = {"The revisions": "${__data.fields.revision_url:raw}"}
COMPLETE = ((None, "red"), (0.95, "orange"), (0.999, "green"))
BY_HOUR = f"FROM log_window_completeness WHERE model = {MODEL} AND version = {VERSIONS} AND $__timeFilter(window_start)"
STEP = "date_bin(make_interval(secs => greatest($__interval_ms / 1000, 3600)), window_start, '2000-01-01T00:00Z')"
"""The beginning of the step that an hour falls in, as in the board Model."""


def build_numbers() -> list[Placed]:
    """The newest day in four numbers."""
    nothing = "No row was answered yet."
    lost = ((None, "green"), (1, "red"))
    waiting = ((None, "green"), (1000, "orange"), (100_000, "red"))
    lag = f"SELECT max(lag_seconds) AS lag FROM instance_log WHERE model = {MODEL} AND NOT is_stopped"
    return [
        Placed(show_number(number, Words(title, told, nothing), ask_rows(sql), Appearance(unit, steps, TO_MODEL)), 6, 4)
        for number, title, told, sql, unit, steps in (
            (
                1,
                "In the log",
                "The share of the newest day's rows that are in the log, without those that still wait.",
                f"SELECT completeness FROM log_day WHERE model = {MODEL}",
                "percentunit",
                COMPLETE,
            ),
            (
                2,
                "Waiting",
                "Rows of the newest day in the spools of running instances.",
                f"SELECT waiting FROM log_day WHERE model = {MODEL}",
                "short",
                waiting,
            ),
            (
                3,
                "Not in the log",
                "Rows of the newest day that were dropped, refused, in conflict, or lost with their instance.",
                f"SELECT lost FROM log_day WHERE model = {MODEL}",
                "short",
                lost,
            ),
            (
                4,
                "Silence",
                "The longest time since a running instance was last heard of.",
                lag,
                "s",
                ((None, "green"), (60, "orange"), (600, "red")),
            ),
        )
    ]


def build_hours() -> list[Placed]:
    """What became of rows, by time."""
    ends = f"""
        SELECT {STEP} AS time, sum(stored) AS stored, sum(repeated) AS repeated,
            sum(conflicting) AS conflicting, sum(dropped) AS dropped, sum(set_aside) AS "set aside",
            sum(pending) AS waiting
        {BY_HOUR} GROUP BY 1 ORDER BY 1
    """
    shares = f"""
        SELECT {STEP} AS time, (sum(stored) + sum(repeated)) / nullif(sum(expected), 0)::float
            AS "in the log" {BY_HOUR} GROUP BY 1 ORDER BY 1
    """
    nothing = "No row was answered in this time."
    return [
        Placed(
            show_series(
                5,
                Words("Rows by what became of them", "By the hour of their own event time.", nothing),
                [ask_series(ends)],
                Appearance(unit="short", minimum=0, links=TO_MODEL),
                draw="bars",
                is_stacked=True,
            ),
            12,
        ),
        Placed(
            show_series(
                6,
                Words("Completeness", "The share of an hour's rows that is in the log. What waits is not.", nothing),
                [ask_series(shares)],
                Appearance(unit="percentunit", maximum=1, steps=COMPLETE, links=TO_MODEL),
            ),
            12,
        ),
    ]


def build_instances() -> Placed:
    """Every instance."""
    sql = f"""
        SELECT instance_id AS instance, revision, version, answered, stored, repeated, conflicting, dropped,
            set_aside AS "set aside", waiting, lost, completeness, lag_seconds AS silence, is_stopped,
            last_seen_at, revision_url
        FROM instance_log WHERE model = {MODEL} AND version = {VERSIONS}
        ORDER BY is_stopped, last_seen_at DESC LIMIT 500
    """
    words = Words(
        "Instances",
        "What became of the rows of each serving instance since it began. Waiting rows are with one that runs: in its"
        " queue or its spool, whose sizes Prometheus has. Lost rows were with one that has ended. The newest 500.",
        "No instance has told of itself.",
    )
    overrides = [
        override(
            "completeness",
            Appearance(unit="percentunit", steps=COMPLETE, decimals=2),
            cellOptions={"type": "color-text"},
        ),
        override("silence", Appearance(unit="s", decimals=0)),
        *hide("revision_url"),
    ]
    return Placed(show_table(7, words, ask_rows(sql), Appearance(unit="short", links=TO_REVISION), overrides), 24, 11)


def build_refused() -> Placed:
    """Why rows were set aside."""
    sql = f"""
        SELECT newest_at, revision, reason, rows FROM set_aside_reason WHERE model = {MODEL}
        ORDER BY newest_at DESC LIMIT 200
    """
    words = Words(
        "Rows that Postgres refused",
        "They are kept as their instance wrote them. The reason is Postgres' error code. No value is shown here.",
        "Postgres refused no row.",
    )
    return Placed(show_table(8, words, ask_rows(sql), Appearance(links=TO_MODEL)), 24, 7)


def build_board() -> Board:
    """What became of rows."""
    return Board(
        "log",
        "What became of every answered row, by instance and hour.",
        ("model", "version"),
        [
            ("The newest day", build_numbers()),
            ("By time", build_hours()),
            ("By instance", [build_instances(), build_refused()]),
        ],
        since="now-7d",
    )
