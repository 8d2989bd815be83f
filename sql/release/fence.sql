-- The newest number that was given to a holder of the lock on a model's releases, and the generation of the record.
-- params: model text
-- returns: number bigint; generation bigint, or NULL before the first promotion. One row.
SELECT
    release_fence.number,
    release_record.generation
FROM release_fence
LEFT JOIN release_record ON release_fence.model = release_record.model
WHERE release_fence.model = %(model)s::text
