-- What a person needs to know of a candidate: why it was trained, and what the gate measured.
-- params: model text, run_id text
-- returns: why, gate text; champion_version integer; champion_error, challenger_error double precision. One row, NULL
--   where nothing is known
SELECT
    incident.reason AS why,
    gate_decision.reason AS gate,
    gate_decision.champion_version,
    gate_decision.champion_error,
    gate_decision.challenger_error
FROM (SELECT %(run_id)s::text AS run_id) AS of_run
LEFT JOIN retraining ON of_run.run_id = retraining.run_id AND retraining.model = %(model)s::text
LEFT JOIN incident ON retraining.incident_id = incident.incident_id
LEFT JOIN gate_decision ON of_run.run_id = gate_decision.run_id AND gate_decision.model = %(model)s::text
