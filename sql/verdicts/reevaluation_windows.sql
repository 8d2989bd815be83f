-- The recorded windows into which a label or row fell that became visible between two snapshots.
-- A label counts in the windows in which it was due, and only in those that ended after it was known. So a live label
-- that comes late touches no window that was judged before.
-- params: model text, seen text, counted text (both a pg_snapshot), before timestamptz (windows end earlier),
--   label_delay interval, label_load interval
-- returns: kind text, version integer, window_end timestamptz
WITH late_label AS (
    SELECT id
    FROM label
    WHERE
        model = %(model)s::text
        AND became_visible(stored_in, %(seen)s::pg_snapshot, %(counted)s::pg_snapshot)
),

-- One version at a time, because the index on stored_in begins with the version. Before PostgreSQL 18 it is of use
-- only for one version.
late_row AS (
    SELECT
        prediction_log.id,
        prediction_log.created_at
    FROM reference_profile
    INNER JOIN prediction_log
        ON
            prediction_log.model = %(model)s::text
            AND reference_profile.version = prediction_log.version
            AND prediction_log.created_at < %(before)s::timestamptz
            AND became_visible(prediction_log.stored_in, %(seen)s::pg_snapshot, %(counted)s::pg_snapshot)
    WHERE reference_profile.model = %(model)s::text
),

changed_id AS (
    SELECT id
    FROM late_label
    UNION DISTINCT
    SELECT id
    FROM late_row
),

touched AS (
    SELECT
        'error' AS kind,
        date_trunc('hour', prediction_id.created_at, 'UTC') + %(label_delay)s::interval AS hour,
        %(label_load)s::interval AS reach, -- days before a window may stand in for its own
        date_trunc('day', label.known_at, 'UTC') AS known_day
    FROM changed_id
    INNER JOIN label ON changed_id.id = label.id AND label.model = %(model)s::text
    INNER JOIN prediction_id ON changed_id.id = prediction_id.id AND prediction_id.model = %(model)s::text
    WHERE label.known_at < %(before)s::timestamptz
    UNION DISTINCT
    SELECT
        'drift' AS kind,
        date_trunc('hour', created_at, 'UTC') AS hour,
        interval '0' AS reach,
        '-infinity'::timestamptz AS known_day
    FROM late_row
)

SELECT DISTINCT
    verdict.kind,
    verdict.version,
    verdict.window_end
FROM current_verdict AS verdict
INNER JOIN touched
    ON
        verdict.kind = touched.kind
        AND verdict.window_start - touched.reach <= touched.hour
        AND verdict.window_end > touched.hour
        AND verdict.window_end > touched.known_day
WHERE verdict.model = %(model)s::text AND verdict.window_end < %(before)s::timestamptz
ORDER BY verdict.window_end, verdict.kind, verdict.version
