-- The versions of each model that have a reference profile, and so the figures that boards show.
CREATE OR REPLACE VIEW known_version AS
SELECT
    model,
    version,
    created_at
FROM reference_profile
