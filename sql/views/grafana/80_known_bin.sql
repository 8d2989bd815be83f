-- The bins of each version's reference profile, with what they are called where people see them.
CREATE OR REPLACE VIEW known_bin AS
SELECT
    model,
    version,
    feature,
    bin,
    bin_name(bin, category, lower_bound, upper_bound) AS name,
    count
FROM reference_bin
