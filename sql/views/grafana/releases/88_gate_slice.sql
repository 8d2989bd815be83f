-- The gate's comparison of each challenger with the champion, on all held-out rows and on each slice of them.
-- A ratio is the challenger's error divided by the champion's, with one-sided bounds.
CREATE OR REPLACE VIEW gate_slice AS
SELECT
    gate_decision.model,
    retraining.version,
    gate_decision.run_id,
    retraining.started_at,
    compared.slice,
    compared.rows,
    compared.challenger_error,
    compared.champion_error,
    compared.challenger_error / nullif(compared.champion_error, 0) AS ratio,
    compared.ratio_lower,
    compared.ratio_upper,
    1 + compared.margin AS limit_ratio,
    gate_decision.is_passed,
    gate_decision.reason,
    airflow_page(page_link.airflow, 'retrain__' || gate_decision.model, gate_decision.run_id) AS airflow_url
FROM gate_decision
CROSS JOIN page_link
LEFT JOIN retraining ON gate_decision.model = retraining.model AND gate_decision.run_id = retraining.run_id
CROSS JOIN LATERAL (
    SELECT
        'all' AS slice,
        gate_decision.row_count AS rows,
        gate_decision.challenger_error,
        gate_decision.champion_error,
        gate_decision.ratio_lower,
        gate_decision.ratio_upper,
        gate_decision.margin
    UNION ALL
    SELECT
        item.slice,
        (item.found ->> 'rows')::bigint AS rows,
        (item.found ->> 'challenger_error')::double precision AS challenger_error,
        (item.found ->> 'champion_error')::double precision AS champion_error,
        (item.found ->> 'lower')::double precision AS ratio_lower,
        (item.found ->> 'upper')::double precision AS ratio_upper,
        gate_decision.slice_margin AS margin
    FROM jsonb_each(gate_decision.slices) AS item (slice, found)
) AS compared
