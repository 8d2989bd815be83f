"""The SQL statement that counts a version's rows by hour and reference bin, in one scan of the log.

The number of features differs between versions, so the statement is built here instead of in a file. Names, edges and
categories are parameters of the driver and never part of the text. Rows are grouped by a few features at a time. That
costs less than one grouping a feature, and each feature's counts are summed up from the groups afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cyclone.checks.distances import MISSING, UNKNOWN
from cyclone.store import Row

GROUPS = 150
"""The most groups that one grouping makes of an hour. Two features of ten bins fit, or more features of fewer bins.

More groups mean fewer groupings, and more rows to sum up afterwards.
"""

_STATEMENT = """
WITH fresh AS (
    SELECT
        date_bin('1 hour', created_at, '2000-01-01T00:00Z') AS bucket_start,
        {places}
    FROM prediction_log
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND created_at >= %(start)s::timestamptz
        AND created_at < %(stop)s::timestamptz
        AND became_visible(stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
        AND date_bin('1 hour', created_at, '2000-01-01T00:00Z') != ALL(%(without)s::timestamptz[])
        AND (%(level)s = 0 OR hashtextextended(id, 0) & ((1::bigint << %(level)s) - 1) = 0)
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


def build_count(features: Sequence[ReferenceFeature], is_guarded: bool) -> tuple[str, dict[str, Any]]:
    """The counting statement and its parameters.

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
            limits = feature.categories if feature.edges is None else feature.edges
            parameters[f"name_{number}"] = feature.name
            parameters[f"bins_{number}"], parameters[f"limits_{number}"] = list(feature.bins), list(limits)
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


def _place(number: int, feature: ReferenceFeature, is_guarded: bool) -> str:
    """The SQL expression of a value's place. For numbers, NULL is a missing value and -1 is a value of another type."""
    is_prediction = feature.name == "prediction"
    if feature.edges is None:
        text = "predicted_class(prediction)" if is_prediction else f"input ->> %(name_{number})s"
        return f"array_position(%(limits_{number})s::text[], {text})"
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
