-- The features of each model that its newest version was profiled with.
CREATE OR REPLACE VIEW known_feature AS
SELECT DISTINCT
    reference_bin.model,
    reference_bin.feature
FROM reference_bin
WHERE
    reference_bin.feature != 'prediction'
    AND reference_bin.version = (
        SELECT max(newest.version)
        FROM reference_profile AS newest
        WHERE newest.model = reference_bin.model
    )
