-- The versions with a reference profile that have rows which became visible between two snapshots.
-- params: model text, since text, now text (both a pg_snapshot)
-- returns: version integer
SELECT profile.version
FROM reference_profile AS profile
WHERE
    profile.model = %(model)s::text
    AND EXISTS (
        SELECT 1
        FROM reference_bin
        WHERE reference_bin.model = %(model)s::text AND reference_bin.version = profile.version
    )
    AND EXISTS (
        SELECT 1
        FROM prediction_log
        WHERE
            prediction_log.model = %(model)s::text
            AND prediction_log.version = profile.version
            AND became_visible(prediction_log.stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
    )
ORDER BY profile.version
