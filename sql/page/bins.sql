-- The bins of a feature of a version, or of its prediction: its rows in a window beside those of the reference.
-- params: model text, version integer, feature text, since timestamptz, until timestamptz (the end of the window)
-- returns: bin integer; name text; served_share, reference_share double precision or NULL; rows bigint
SELECT
    bin,
    name,
    served_share,
    reference_share,
    rows
FROM
    feature_bins(
        %(model)s::text,
        %(version)s::integer,
        %(feature)s::text,
        %(since)s::timestamptz,
        %(until)s::timestamptz - interval '1 microsecond'
    )
