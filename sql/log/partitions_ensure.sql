-- Creates the monthly partitions of a table that hold the given moments, where they are missing.
-- params: parent text, moments timestamptz[]
-- returns: nothing of interest
SELECT ensure_partition(%(parent)s::text, moments.at)
FROM unnest(%(moments)s::timestamptz[]) AS moments (at)
