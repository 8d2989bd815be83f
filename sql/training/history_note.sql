-- Note what a model's history was loaded from.
-- params: model text, fingerprint text
INSERT INTO history_load (model, fingerprint)
VALUES (%(model)s::text, %(fingerprint)s::text)
ON CONFLICT (model) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    loaded_at = clock_timestamp()
