-- The models that a person has retired and that nothing serves since. Nobody has to act on them any more.
CREATE OR REPLACE VIEW retired_model AS
SELECT DISTINCT retirement.model
FROM retirement
WHERE NOT EXISTS (
    SELECT 1 FROM serving_version
    WHERE serving_version.model = retirement.model
)
