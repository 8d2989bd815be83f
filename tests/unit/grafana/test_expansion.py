"""Macros and variables become what Grafana's documentation says."""

from datetime import UTC, datetime

import pytest

from grafana.trial.expansion import MacroError, Span, Variable, expand

SPAN = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 6, 30, 0, 500, tzinfo=UTC), 300)
FROM, TO = "'2026-03-01T00:00:00.000000Z'", "'2026-03-02T06:30:00.000500Z'"
VARIABLES = {
    "model": Variable(["o'hara"]),
    "version": Variable(["1", "2"], is_multi=True),
    "none": Variable([], is_multi=True),
    "nobody": Variable([]),
}


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("$__time(at)", 'at AS "time"'),
        ("$__timeEpoch(at)", 'extract(epoch from at) as "time"'),
        ("$__timeFilter(at)", f"at BETWEEN {FROM} AND {TO}"),
        ("$__timeFrom() $__timeTo()", f"{FROM} {TO}"),
        ("$__timeGroup(at, '5m')", "floor(extract(epoch from at)/300)*300"),
        ("$__timeGroup(at,'5m'), n", 'floor(extract(epoch from at)/300)*300 AS "time", n'),
        ("$__timeGroupAlias(at, 1h)", 'floor(extract(epoch from at)/3600)*3600 AS "time"'),
        ("$__timeGroupAlias(at, $__interval)", 'floor(extract(epoch from at)/300)*300 AS "time"'),
        ("$__unixEpochFilter(at)", "at >= 1772323200 AND at <= 1772433000"),
        ("$__unixEpochFrom() $__unixEpochTo()", "1772323200 1772433000"),
        ("$__unixEpochNanoFilter(at)", "at >= 1772323200000000000 AND at <= 1772433000000500000"),
        ("$__unixEpochNanoFrom() $__unixEpochNanoTo()", "1772323200000000000 1772433000000500000"),
        ("$__unixEpochGroup(at, '1d')", "floor((at)/86400)*86400"),
        ("$__unixEpochGroupAlias(at, '1d')", 'floor((at)/86400)*86400 AS "time"'),
        ("$__interval $__interval_ms", "300s 300000"),
    ],
)
def test_a_macro_becomes_what_the_documentation_says(written: str, sent: str) -> None:
    assert expand(written, {}, SPAN) == sent


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("'$model'", "'o''hara'"),
        ("${model:sqlstring}", "'o''hara'"),
        ("[[model]]", "o''hara"),
        ("IN ($version)", "IN ('1','2')"),
        ("IN (${version:sqlstring})", "IN ('1','2')"),
        ("IN (${version:csv})", "IN (1,2)"),
        ("${model:singlequote}", r"'o\'hara'"),
        ("IN (${none:sqlstring})", "IN ()"),
        ("IN ($none)", "IN ()"),
        ("= ${nobody:sqlstring}", "= ''"),
    ],
)
def test_a_variable_is_quoted_by_its_kind_and_format(written: str, sent: str) -> None:
    assert expand(written, VARIABLES, SPAN) == sent


@pytest.mark.parametrize(
    "written", ["$__timeBucket(at)", "-- $__timeOf(it)", "$__timeGroup(at, 'week')", "${model:html}"]
)
def test_what_grafana_does_not_know_is_an_error(written: str) -> None:
    with pytest.raises(MacroError):
        expand(written, VARIABLES, SPAN)


def test_an_argument_ends_at_the_first_bracket_as_in_grafana() -> None:
    sent = expand("$__timeFilter(coalesce(a, b))", {}, SPAN)
    assert sent == f"coalesce(a BETWEEN {FROM} AND {TO})"
