-- Lets the champion's release name the revision that a calibration replaced.
-- params: calibration_id bigint, release_id bigint, at timestamptz
-- returns: nothing
WITH withdrawn AS (
    UPDATE calibration
    SET withdrawn_at = %(at)s::timestamptz
    WHERE calibration_id = %(calibration_id)s::bigint
    RETURNING replaced
)

UPDATE release
SET revision = withdrawn.replaced
FROM withdrawn
WHERE release.release_id = %(release_id)s::bigint
