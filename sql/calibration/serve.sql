-- Puts the revision of a calibration into the champion's release, and records which revision it replaced.
-- A calibration without `served_at` never got as far as this.
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
