-- Verdicts judged by chance, what they are judged by, and their history.

-- A window is evaluated again when a late label or row falls into it: by another run, in a row beside the old one.
ALTER TABLE check_result
DROP CONSTRAINT check_result_model_run_id_kind_check_name_subject_key,
ADD UNIQUE (model, run_id, kind, check_name, subject, window_end),
ALTER COLUMN limit_value DROP NOT NULL, -- NULL: there was nothing to judge by
ADD COLUMN p_value double precision, -- NULL: judged by a limit that model.yaml sets
ADD COLUMN reason text NOT NULL DEFAULT ''; -- why it is no_data
CREATE INDEX ON check_result (model, kind, check_name, subject, window_end);

-- How far a check strays by chance: its squared distance over windows of the reference's own days is `expected`
-- on average, and spreads like a chi-squared of `freedom` degrees. See training/nulls.py.
CREATE TABLE reference_null (
    model text NOT NULL,
    version integer NOT NULL,
    check_name text NOT NULL,
    subject text NOT NULL,
    expected double precision NOT NULL,
    freedom double precision NOT NULL,
    days integer, -- of the reference, from which it was estimated; NULL: it follows from the numbers of rows alone
    window_days integer NOT NULL,
    window_rows double precision NOT NULL,
    reference_rows bigint NOT NULL,
    PRIMARY KEY (model, version, check_name, subject)
);

-- Every metric of a version on the rows that were kept from its training; reference_profile has the one that gates.
CREATE TABLE reference_error (
    model text NOT NULL,
    version integer NOT NULL,
    metric text NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (model, version, metric)
);

-- What a model's recorded windows have been evaluated again for: all that this snapshot sees.
CREATE TABLE reevaluation_watermark (
    model text PRIMARY KEY,
    seen pg_snapshot NOT NULL DEFAULT '1:1:'
);
