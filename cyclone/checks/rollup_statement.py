"""The SQL statements that count a version's rows by hour and reference bin, each in one scan of the log.

The number of features differs between versions, so the statements are built here instead of in files. Names, edges and
categories are parameters of the driver and never part of the text. Rows are grouped by a few features at a time. That
costs less than one grouping a feature, and each feature's counts are summed up from the groups afterwards.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cyclone.checks.distances import MISSING, UNKNOWN
from cyclone.store import Row

GROUPS = 150
"""The most groups that one grouping makes of an hour. Two features of ten bins fit, or more features of fewer bins.

More groups mean fewer groupings, and more rows to sum up afterwards.
"""
GROUPINGS = 31
"""The most groupings of one statement, because Postgres allows GROUPING() 31 arguments.

Every statement scans the rows once. More groupings would also make each feature's sum pass over more groups.
"""
LISTED_CATEGORIES = 50
"""Up to so many categories are sought one after the other. More are looked up by a key, which takes as long for 5,000.

A few are found sooner one after the other.
"""

_STATEMENT = """
WITH news AS (
    SELECT
        created_at,
        prediction,
        input || '{{}}' AS input -- decompresses a wide row once, and not once for each of its features
    FROM prediction_log
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND created_at >= %(start)s::timestamptz
        AND created_at < %(stop)s::timestamptz
        AND became_visible(stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
        AND date_bin('1 hour', created_at, '2000-01-01T00:00Z') != ALL(%(without)s::timestamptz[])
        AND (%(level)s = 0 OR hashtextextended(id, 0) & ((1::bigint << %(level)s) - 1) = 0)
    OFFSET 0 -- keeps the planner from pulling the input apart again
),

fresh AS (
    SELECT
        date_bin('1 hour', created_at, '2000-01-01T00:00Z') AS bucket_start,
        {places}
    FROM news
    OFFSET 0 -- keeps the planner from computing each place more than once
),

grouped AS (
    SELECT bucket_start, {columns}, count(*) AS count, grouping({leaders}) AS mask
    FROM fresh
    GROUP BY GROUPING SETS ({sets})
),

counted AS (
    INSERT INTO feature_rollup AS known (model, version, feature, bucket_start, bin, count, sample_level)
    {counts}
    ON CONFLICT (model, version, bucket_start, feature, bin) DO UPDATE SET count = known.count + excluded.count
)

SELECT bucket_start, sum(count)::bigint AS count
FROM grouped
WHERE mask = {first_mask}
GROUP BY bucket_start
"""

_COUNT = """
SELECT
    %(model)s::text, %(version)s::integer, %(name_{number})s, bucket_start, {bin} AS bin,
    sum(count)::bigint << %(level)s, %(level)s
FROM grouped
WHERE mask = {mask}
GROUP BY bucket_start, bin
"""


@dataclass(frozen=True)
class ReferenceFeature:
    """One subject of a reference profile, with its bins.

    A subject of numbers has `edges`, the inner edges, one fewer than bins. Any other subject has `categories`, with
    None for a missing value. A value's place among the bins counts from 0 for numbers and from 1 for categories.
    """

    name: str
    bins: tuple[int, ...]
    edges: tuple[float, ...] | None
    categories: tuple[str | None, ...]


def read_reference(rows: Sequence[Row]) -> list[ReferenceFeature]:
    """The features of a version, from the rows of its bins. The rows are sorted by feature and lower bound."""
    features = []
    for name, group in groupby(rows, key=lambda row: row["feature"]):
        bins = [row for row in group if row["bin"] >= 0]
        categories = [row for row in bins if row["category"] is not None]
        if bins and not categories:
            edges = tuple(row["lower_bound"] for row in bins[1:])  # outer bins are open
            features.append(ReferenceFeature(name, tuple(row["bin"] for row in bins), edges, ()))
        else:
            places = (*(row["bin"] for row in categories), MISSING)
            features.append(ReferenceFeature(name, places, None, (*(row["category"] for row in categories), None)))
    return features


def split_reference(features: Sequence[ReferenceFeature]) -> Iterator[list[ReferenceFeature]]:
    """The features in parts, each of which one statement can count. A reference of few features is one part."""
    sets = _join_features(features)
    for first in range(0, len(sets), GROUPINGS):
        yield [features[number] for numbers in sets[first : first + GROUPINGS] for number in numbers]


def build_count(features: Sequence[ReferenceFeature], is_guarded: bool) -> tuple[str, dict[str, Any]]:
    """The statement that counts one part of a reference, and its parameters.

    The caller adds the parameters model, version, start, stop, without, since, now and level. The statement counts the
    rows of [start, stop) that became visible between the snapshots `since` and `now`, except in the hours `without`.
    It returns the number of rows of each hour, as `bucket_start` and `count`.
    Without guards it fails on a value that is no number where a number is expected. The error is a `StatementError`
    of cause `value`.
    """
    places, counts = [], []
    parameters: dict[str, Any] = {}
    sets = _join_features(features)
    # GROUPING() sets one bit for each leader that a row is not grouped by. One grouping leaves only its own bit at 0.
    masks = [(1 << len(sets)) - 1 - (1 << place) for place in reversed(range(len(sets)))]
    for mask, numbers in zip(masks, sets, strict=True):
        for number in numbers:
            feature = features[number]
            parameters[f"name_{number}"] = feature.name
            parameters[f"bins_{number}"], parameters[f"limits_{number}"] = list(feature.bins), _limits(feature)
            places.append(f"{_place(number, feature, is_guarded)} AS place_{number}")
            counts.append(_COUNT.format(number=number, bin=_bin(number, feature), mask=mask))
    columns = [", ".join(f"place_{number}" for number in numbers) for numbers in sets]
    text = _STATEMENT.format(
        places=",\n        ".join(places),
        columns=", ".join(columns),
        leaders=", ".join(f"place_{numbers[0]}" for numbers in sets),
        sets=", ".join(f"(bucket_start, {names})" for names in columns),
        counts="UNION ALL".join(counts),
        first_mask=masks[0],
    )
    return text, parameters


def _join_features(features: Sequence[ReferenceFeature]) -> list[list[int]]:
    """Sets of features that are grouped together, as places in `features`. Features with few bins share a set."""
    sets: list[list[int]] = []
    groups = GROUPS
    for number in sorted(range(len(features)), key=lambda number: len(features[number].bins)):
        groups *= len(features[number].bins) + 1
        if groups > GROUPS:
            sets.append([])
            groups = len(features[number].bins) + 1
        sets[-1].append(number)
    return sets


def _limits(feature: ReferenceFeature) -> list[Any] | str:
    """The parameter that a feature's places are told by: its edges, its categories, or the place of each category."""
    if feature.edges is not None:
        return list(feature.edges)
    if len(feature.categories) <= LISTED_CATEGORIES:
        return list(feature.categories)
    places = {name: place for place, name in enumerate(feature.categories, start=1) if name is not None}
    return json.dumps(places, ensure_ascii=False)


def _place(number: int, feature: ReferenceFeature, is_guarded: bool) -> str:
    """The SQL expression of a value's place. For numbers, NULL is a missing value and -1 is a value of another type."""
    is_prediction = feature.name == "prediction"
    if feature.edges is None:
        text = "predicted_class(prediction)" if is_prediction else f"input ->> %(name_{number})s"
        if len(feature.categories) <= LISTED_CATEGORIES:
            return f"array_position(%(limits_{number})s::text[], {text})"
        missing = len(feature.categories)  # a missing value has the last place
        known = f"(%(limits_{number})s::jsonb ->> ({text}))::integer"
        return f"coalesce({known}, CASE WHEN {text} IS NULL THEN {missing} END)"
    value = "prediction" if is_prediction else f"(input -> %(name_{number})s)"
    place = f"width_bucket({value}::numeric, %(limits_{number})s::numeric[])"
    if not is_guarded:
        return place
    return (
        f"CASE coalesce(jsonb_typeof({value}), 'null') WHEN 'number' THEN {place} WHEN 'null' THEN NULL"
        f" WHEN 'boolean' THEN width_bucket({value}::boolean::integer::numeric, %(limits_{number})s::numeric[])"
        " ELSE -1 END"
    )


def _bin(number: int, feature: ReferenceFeature) -> str:
    """The SQL expression of a bin's number, from a value's place."""
    if feature.edges is None:
        return f"coalesce((%(bins_{number})s::integer[])[place_{number}], {UNKNOWN})"
    found = f"coalesce((%(bins_{number})s::integer[])[place_{number} + 1], {UNKNOWN})"
    return f"CASE WHEN place_{number} IS NULL THEN {MISSING} ELSE {found} END"
