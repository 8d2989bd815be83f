-- Lets the champion's release name the revision of a calibration, and the calibration the one that it replaced. One
-- without `served_at` never came so far.
-- params: calibration_id bigint, release_id bigint, revision text, at timestamptz
-- returns: nothing
WITH before AS (
    SELECT
        release_id,
        revision
    FROM release
    WHERE release_id = %(release_id)s::bigint
),

moved AS (
    UPDATE release
    SET revision = %(revision)s::text
    FROM before
    WHERE release.release_id = before.release_id
)

UPDATE calibration
SET replaced = before.revision, served_at = %(at)s::timestamptz
FROM before
WHERE
    calibration.calibration_id = %(calibration_id)s::bigint
    AND before.revision != %(revision)s::text
