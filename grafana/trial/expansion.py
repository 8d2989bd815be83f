"""The expansion of macros and variables into SQL, written from Grafana's documentation.

Sources: "PostgreSQL query editor", section macros, and "Variable syntax", of Grafana 13.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""The seconds of each unit of an interval, such as `5m`."""


class MacroError(ValueError):
    """A macro that Grafana does not know, or that is called with the wrong arguments."""


@dataclass(frozen=True)
class Variable:
    """A variable of a board with its chosen values. `is_multi`: more than one may be chosen, or all."""

    values: Sequence[str]
    is_multi: bool = False


@dataclass(frozen=True)
class Span:
    """The time range of a board, and the interval that Grafana derives from it and from a panel's width."""

    since: datetime
    until: datetime
    interval_seconds: int = 60


def expand(sql: str, variables: Mapping[str, Variable], span: Span) -> str:
    """The SQL that reaches Postgres. First variables are filled in, then intervals, then macros.

    Errors: `MacroError` for an unknown macro, `KeyError` for an unknown variable.
    """
    return expand_macros(expand_intervals(expand_variables(sql, variables), span), span)


def expand_variables(sql: str, variables: Mapping[str, Variable]) -> str:
    """Fill in `$name`, `${name}`, `${name:format}` and `[[name]]`. What begins with two underscores is no variable."""

    def fill(match: re.Match[str]) -> str:
        name = match["plain"] or match["braced"] or match["old"]
        return format_variable(variables[name], match["format"] or "")

    pattern = r"\$\{(?P<braced>(?!__)\w+)(?::(?P<format>\w+))?\}|\[\[(?P<old>\w+)\]\]|\$(?P<plain>(?!__)[A-Za-z]\w*)"
    return re.sub(pattern, fill, sql)


def format_variable(variable: Variable, form: str) -> str:
    """The text of a variable. Without a format one value is not quoted, and several are.

    A variable with several values that has none becomes nothing, and a single one an empty value.
    """
    doubled = [value.replace("'", "''") for value in variable.values] or ([] if variable.is_multi else [""])
    quoted = ",".join(f"'{value}'" for value in doubled)
    forms: dict[str, Callable[[], str]] = {
        "": lambda: quoted if variable.is_multi else doubled[0],
        "sqlstring": lambda: quoted,
        "csv": lambda: ",".join(variable.values),
        "raw": lambda: ",".join(variable.values),
        "singlequote": lambda: ",".join("'" + value.replace("'", "\\'") + "'" for value in variable.values),
    }
    if form not in forms:
        raise MacroError(f"the format {form!r} of a variable is not one of {', '.join(filter(None, forms))}")
    return forms[form]()


def expand_intervals(sql: str, span: Span) -> str:
    """Fill in `$__interval_ms` and `$__interval`, which are plain texts."""
    milliseconds = str(1000 * span.interval_seconds)
    filled = re.sub(r"\$__interval_ms|\$\{__interval_ms\}", milliseconds, sql)
    return re.sub(r"\$__interval|\$\{__interval\}", f"{span.interval_seconds}s", filled)


def expand_macros(sql: str, span: Span) -> str:
    """Fill in every `$__name(arguments)`. Arguments hold no `)` and are cut at commas, as in Grafana."""

    def fill(match: re.Match[str]) -> str:
        arguments = [argument.strip() for argument in match["arguments"].split(",")]
        name = match["name"]
        # In a list of columns the group is named `time` without being asked.
        if name in ("timeGroup", "unixEpochGroup") and sql[match.end() :].startswith(","):
            name += "Alias"
        if name not in MACROS:
            raise MacroError(f"unknown macro $__{match['name']}")
        return MACROS[name](arguments, span)

    return re.sub(r"\$__(?P<name>\w+)\((?P<arguments>[^)]*)\)", fill, sql)


def _time(moment: datetime) -> str:
    return f"'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z'"


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def _seconds(interval: str) -> int:
    match = re.fullmatch(r"'?(\d+)([smhdw])'?", interval)
    if match is None:
        raise MacroError(f"the interval {interval} is not a number and one of {', '.join(UNITS)}")
    return int(match[1]) * UNITS[match[2]]


def _group(column: str, interval: str) -> str:
    return f"floor(extract(epoch from {column})/{_seconds(interval)})*{_seconds(interval)}"


def _epoch_group(column: str, interval: str) -> str:
    return f"floor(({column})/{_seconds(interval)})*{_seconds(interval)}"


MACROS: Mapping[str, Callable[[list[str], Span], str]] = {
    "time": lambda given, _: f'{given[0]} AS "time"',
    "timeEpoch": lambda given, _: f'extract(epoch from {given[0]}) as "time"',
    "timeFilter": lambda given, span: f"{given[0]} BETWEEN {_time(span.since)} AND {_time(span.until)}",
    "timeFrom": lambda _, span: _time(span.since),
    "timeTo": lambda _, span: _time(span.until),
    "timeGroup": lambda given, _: _group(given[0], given[1]),
    "timeGroupAlias": lambda given, _: f'{_group(given[0], given[1])} AS "time"',
    "unixEpochFilter": lambda given, span: (
        f"{given[0]} >= {int(span.since.timestamp())} AND {given[0]} <= {int(span.until.timestamp())}"
    ),
    "unixEpochFrom": lambda _, span: str(int(span.since.timestamp())),
    "unixEpochTo": lambda _, span: str(int(span.until.timestamp())),
    "unixEpochNanoFilter": lambda given, span: (
        f"{given[0]} >= {_nanoseconds(span.since)} AND {given[0]} <= {_nanoseconds(span.until)}"
    ),
    "unixEpochNanoFrom": lambda _, span: str(_nanoseconds(span.since)),
    "unixEpochNanoTo": lambda _, span: str(_nanoseconds(span.until)),
    "unixEpochGroup": lambda given, _: _epoch_group(given[0], given[1]),
    "unixEpochGroupAlias": lambda given, _: f'{_epoch_group(given[0], given[1])} AS "time"',
}
"""What each macro becomes, without TimescaleDB."""
