-- Every hold: what a person had or has to look at, for how long, and who ended it.
CREATE OR REPLACE VIEW hold_history AS
SELECT
    hold.model,
    hold.hold_id,
    hold.cause,
    hold.reason,
    hold.opened_at,
    hold.closed_at,
    hold.closed_by,
    hold.because,
    hold.closed_at IS NULL AS is_open,
    extract(EPOCH FROM coalesce(hold.closed_at, model_present.present) - hold.opened_at)::double precision AS seconds,
    'cyclone explain ' || hold.model || ':v' || serving_version.version AS explain
FROM hold
LEFT JOIN model_present ON hold.model = model_present.model
LEFT JOIN serving_version ON hold.model = serving_version.model
