-- Adds numbers of rows to the hours of a version.
-- params: model text, version integer, hours timestamptz[], counts bigint[]
-- returns: bucket_start timestamptz, count bigint (all rows of the hour), sample_level integer (before this call)
INSERT INTO row_rollup AS known (model, version, bucket_start, count)
SELECT
    %(model)s::text AS model,
    %(version)s::integer AS version,
    news.bucket_start,
    news.count
FROM unnest(%(hours)s::timestamptz[], %(counts)s::bigint[]) AS news (bucket_start, count)
ON CONFLICT (model, version, bucket_start) DO UPDATE SET count = known.count + excluded.count
RETURNING known.bucket_start, known.count, known.sample_level
