-- Puts the revision that a calibration had replaced back into the champion's release, and records why.
-- params: release_id bigint, revision, because text; at timestamptz
-- returns: nothing
WITH taken AS (
    UPDATE calibration
    SET withdrawn_at = %(at)s::timestamptz, withdrawn_because = %(because)s::text
    WHERE revision = %(revision)s::text
    RETURNING
        revision,
        replaced
)

UPDATE release
SET revision = taken.replaced
FROM taken
WHERE release.release_id = %(release_id)s::bigint AND release.revision = taken.revision
