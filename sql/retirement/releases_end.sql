-- Ends every release of a model that serves or is on its way, and takes its record away.
-- params: model text, at timestamptz, reason text
-- returns: nothing
WITH gone AS (
    DELETE FROM release_record
    WHERE model = %(model)s::text
)

UPDATE release
SET
    state = CASE WHEN state = 'champion' THEN 'retired' ELSE 'rolled_back' END,
    traffic_percent = 0,
    ended_at = %(at)s::timestamptz,
    reason = %(reason)s::text
WHERE model = %(model)s::text AND state IN ('candidate', 'canary', 'champion')
