-- Records what a person has asked for in Airflow, with what became of it. It is kept beside the alerts, and
-- `Airflow` is its sender.
-- params: model, action, fingerprint, name (of the person), summary, answer, reason text; at timestamptz
-- returns: nothing
INSERT INTO alert (
    model, action, fingerprint, started_at, name, sender, summary, link, at, received_at, answer, reason, answered_at
)
VALUES (
    %(model)s::text, %(action)s::text, %(fingerprint)s::text, clock_timestamp(), %(name)s::text, 'Airflow',
    %(summary)s::text, '', %(at)s::timestamptz, clock_timestamp(), %(answer)s::text, %(reason)s::text, clock_timestamp()
)
