"""The board Fleet: every model, the ones that need a person first."""

from grafana.boards.board import Board, Placed, link_row_to, link_to
from grafana.boards.panels import Appearance, Words, hide, override, round_off, show_number, show_table
from grafana.boards.queries import ask_rows

TO_MODEL = {"The model": link_row_to("model")}
OUT = {
    "The run that released it": "${__data.fields.airflow_url:raw}",
    "The version in MLflow": "${__data.fields.mlflow_url:raw}",
    "The revisions": "${__data.fields.revision_url:raw}",
}
RATIO = ((None, "green"), (1.5, "yellow"), (2, "red"))
"""Red from the default limit of the error trigger on."""
COMPLETE = ((None, "red"), (0.95, "yellow"), (0.999, "green"))
VERDICT_COLOURS = {"passed": "green", "no_data": "text", "failed": "red"}
ATTENTION = {
    "0": ("nothing", "green"),
    "1": ("something is not known", "text"),
    "2": ("a check or an incident", "orange"),
    "3": ("a person", "red"),
}

MODELS = """
SELECT model, attention, verdict, sentence, version, traffic, age_seconds AS age, error, accepted_error AS accepted,
    error_limit AS "limit", error_ratio AS "error / accepted", completeness, median_hours AS "label delay",
    explain, airflow_url, mlflow_url, revision_url
FROM model_status ORDER BY attention DESC, error_ratio DESC NULLS LAST, model
"""


def count(number: int, title: str, description: str, attention: int, colour: str) -> Placed:
    """How many models have one degree of attention."""
    words = Words(title, description, "No model is monitored yet.")
    sql = f"SELECT count(*) AS models FROM model_status WHERE attention = {attention}"
    look = Appearance(unit="short", steps=((None, "green"), (1, colour)), links={"The loop": link_to("loop")})
    return Placed(show_number(number, words, ask_rows(sql), look), width=6, height=4)


def build_board() -> Board:
    """Every model with what a person has to know of it."""
    table = show_table(
        5,
        Words(
            "Models",
            "Sorted by what needs a person. A verdict is that of all newest checks of the version that serves. An error"
            " is that of a typical day, beside the error that the version was accepted with and the limit at which the"
            " policy retrains. Completeness is the share of the newest day's answered rows that is in the log. The"
            " label delay is the time within which half of the labels came.",
            "No model is monitored yet. The first run of a monitor adds one.",
        ),
        ask_rows(MODELS),
        Appearance(links=TO_MODEL | OUT),
        [
            override("attention", Appearance(mappings=ATTENTION), cellOptions={"type": "color-background"}, width=130),
            override(
                "verdict",
                Appearance(mappings={name: (name, colour) for name, colour in VERDICT_COLOURS.items()}),
                cellOptions={"type": "color-text"},
                width=90,
            ),
            override("sentence", Appearance(links={"The loop": link_row_to("loop")}), wrapText=True, width=380),
            override("age", Appearance(unit="s", decimals=0)),
            *round_off(3, "error", "accepted", "limit"),
            override("error / accepted", Appearance(steps=RATIO, decimals=2), cellOptions={"type": "color-text"}),
            override(
                "completeness",
                Appearance(unit="percentunit", steps=COMPLETE, decimals=2, links={"The log": link_row_to("log")}),
                cellOptions={"type": "color-text"},
            ),
            override("label delay", Appearance(unit="h")),
            *hide("airflow_url", "mlflow_url", "revision_url"),
        ],
    )
    return Board(
        "fleet",
        "Every model, the ones that need a person first.",
        (),
        [
            (
                "What needs attention",
                [
                    count(1, "A person", "Models on hold, or whose monitor does not run.", 3, "red"),
                    count(2, "A failed check or an incident", "The loop is at it, and nobody has to act.", 2, "orange"),
                    count(3, "Something is not known", "A check has no data, which is never healthy.", 1, "text"),
                    count(4, "Nothing", "All newest verdicts passed.", 0, "green"),
                ],
            ),
            ("Models", [Placed(table, width=24, height=18)]),
        ],
        is_annotated=False,
    )
