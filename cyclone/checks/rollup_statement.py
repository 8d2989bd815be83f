"""The statement that counts a version's rows by hour and reference bin, in one scan of the log.

The number of features varies by version, so the statement is put together here; names, edges and categories are
parameters of the driver and never part of its text. Rows are grouped by a few features at a time, which costs less
than grouping them by each, and the groups are few enough to be told apart afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cyclone.checks.distances import MISSING, UNKNOWN
from cyclone.store import Row

GROUPS = 150
"""Features are grouped together as long as an hour has about so many groups: two of ten bins, or more of fewer."""

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
    OFFSET 0 -- each place is found once
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
    """One subject of a profile. A value's place among `bins` counts from 0 for numbers and from 1 for categories.

    Numbers: `edges` are the inner edges, one less than bins. Else `categories`, with None for a missing value.
    """

    name: str
    bins: tuple[int, ...]
    edges: tuple[float, ...] | None
    categories: tuple[str | None, ...]


def read_reference(rows: Sequence[Row]) -> list[ReferenceFeature]:
    """The features of a version's bins, which come sorted by feature and lower bound."""
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
    """The statement and its parameters, to which come model, version, start, stop, without, since, now and level.

    It counts the rows between two snapshots, [start, stop) and except in the hours `without`, and returns how many
    there were of each hour (bucket_start, count).
    Without guards it fails (`StatementError`, cause `value`) on one that is no number where a number is expected.
    """
    places, counts = [], []
    parameters: dict[str, Any] = {}
    sets = _join_features(features)
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
    """The numbers of the features, in the sets that they are grouped by; small ones go together."""
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
    """The expression of a value's place. Of numbers, NULL is a missing one and -1 what is none."""
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
    if feature.edges is None:
        return f"coalesce((%(bins_{number})s::integer[])[place_{number}], {UNKNOWN})"
    found = f"coalesce((%(bins_{number})s::integer[])[place_{number} + 1], {UNKNOWN})"
    return f"CASE WHEN place_{number} IS NULL THEN {MISSING} ELSE {found} END"
