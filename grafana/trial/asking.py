"""Asks a store what Grafana would ask, as the role that Grafana has, and says what Grafana could not show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from grafana.trial.expansion import Span, Variable, expand
from grafana.trial.questions import Form, Question

if TYPE_CHECKING:
    from psycopg2.extensions import connection

TEXT, NUMBER, TIME = "text", "number", "time"
TYPES = {
    **dict.fromkeys((25, 1043, 19), TEXT),
    **dict.fromkeys((20, 21, 23, 700, 701, 1700), NUMBER),
    **dict.fromkeys((1184, 1114), TIME),
}
"""What Grafana makes of a column, by the type's number in Postgres. Any other type is neither."""
EPOCH_SECONDS = (1e9, 9.99e9)
"""A number in a column `time` is read as seconds within these bounds."""


@dataclass(frozen=True)
class Reply:
    """The rows of a question, with the name and the kind of each column."""

    columns: Sequence[str]
    kinds: Sequence[str]
    rows: Sequence[Sequence[Any]]


def ask(raw: "connection", question: Question, variables: Mapping[str, Variable], span: Span) -> Reply:
    """Ask on an open connection. Errors: those of psycopg2, and `MacroError`."""
    with raw, raw.cursor() as cursor:
        cursor.execute(expand(question.sql, variables, span))
        described = cursor.description or ()
        kinds = [TYPES.get(column.type_code, f"type {column.type_code}") for column in described]
        return Reply([column.name for column in described], kinds, cursor.fetchall())


def find_faults(form: Form, answer: Reply) -> list[str]:
    """What breaks the rules of a format, in words. Empty when Grafana can show the answer."""
    doubled = sorted({name for name in answer.columns if list(answer.columns).count(name) > 1})
    faults = [f"two columns are called {name}" for name in doubled]
    if form == "time_series":
        return faults + _judge_series(answer)
    if form == "rule":
        return faults + _judge_rule(answer)
    if form == "variable" and list(answer.kinds) != [TEXT]:
        return [*faults, f"a variable needs one column of text, and this has {list(answer.kinds)}"]
    if form == "annotation":
        wanted = {"time": TIME, "timeend": TIME, "text": TEXT, "tags": TEXT}
        found = dict(zip(answer.columns, answer.kinds, strict=True))
        return faults if found == wanted else [*faults, f"an annotation needs {wanted}, and this has {found}"]
    return faults


def _judge_series(answer: Reply) -> list[str]:
    if list(answer.columns[:1]) != ["time"]:
        return [f"the first column has to be time, and is {list(answer.columns[:1])}"]
    times = [row[0] for row in answer.rows]
    faults = [] if times == sorted(times) else ["the column time is not ascending"]
    if answer.kinds[0] == NUMBER and not all(EPOCH_SECONDS[0] <= time <= EPOCH_SECONDS[1] for time in times):
        faults.append("the column time has numbers that are no seconds")
    elif answer.kinds[0] not in (NUMBER, TIME):
        faults.append(f"the column time is {answer.kinds[0]}")
    for name, kind in zip(answer.columns[1:], answer.kinds[1:], strict=True):
        if kind not in (TEXT, NUMBER):
            faults.append(f"the column {name} is {kind}, and only text and numbers make a series")
    return faults if NUMBER in answer.kinds[1:] else [*faults, "no column is a number"]


def _judge_rule(answer: Reply) -> list[str]:
    numbers = [name for name, kind in zip(answer.columns, answer.kinds, strict=True) if kind == NUMBER]
    faults = [] if len(numbers) == 1 else [f"one column has to be a number, and these are: {numbers}"]
    for name, kind in zip(answer.columns, answer.kinds, strict=True):
        if kind not in (TEXT, NUMBER):
            faults.append(f"the column {name} is {kind}, and a rule may only have text and one number")
    labels = [[cell for cell, kind in zip(row, answer.kinds, strict=True) if kind == TEXT] for row in answer.rows]
    if len(labels) != len({tuple(label) for label in labels}):
        faults.append("two rows have the same labels")
    return faults


def read_choices(
    raw: "connection", questions: Sequence[Question], span: Span, chosen: Mapping[str, Variable] | None = None
) -> dict[str, Variable]:
    """The variables of a board: those that are chosen, the first value of another single one, and all of the others."""
    found = dict(chosen or {})
    for question in questions:
        if question.form == "variable":
            name = question.place.rpartition(" ")[2]
            if name in found:
                continue
            values = [row[0] for row in ask(raw, question, found, span).rows]
            is_multi = name != "model"
            found[name] = Variable(values if is_multi else values[:1], is_multi)
    return found


def find_all_faults(
    raw: "connection", questions: Sequence[Question], chosen: Mapping[str, Variable], span: Span
) -> list[str]:
    """What Grafana could not show of all questions, with their places. Other variables have their boards' values."""
    import psycopg2

    faults = []
    for question in questions:
        of_board = [item for item in questions if item.board == question.board and item.form == "variable"]
        try:
            answer = ask(raw, question, read_choices(raw, of_board, span, chosen), span)
        except psycopg2.Error as error:
            faults.append(f"{question.place}: {error}")
        else:
            faults += [f"{question.place}: {fault}" for fault in find_faults(question.form, answer)]
    return faults


def last(days: float, until: datetime) -> Span:
    """The range of so many days, with the interval that a panel of 600 points has."""
    from datetime import timedelta

    seconds = days * 86400
    return Span(until - timedelta(days=days), until, max(60, round(seconds / 600)))
