-- Opens an incident, or takes hold of the open one: the update changes nothing, but locks it until commit.
-- params: model text, at timestamptz, reason text
-- returns: incident_id, model, opened_at, closed_at, outcome, reason, is_new
INSERT INTO incident (model, opened_at, reason)
VALUES (%(model)s::text, %(at)s::timestamptz, %(reason)s::text)
ON CONFLICT (model) WHERE closed_at IS NULL DO UPDATE SET model = excluded.model
RETURNING
    incident_id,
    model,
    opened_at,
    closed_at,
    outcome,
    reason,
    xmax = 0 AS is_new -- a row just inserted was never locked by an update
