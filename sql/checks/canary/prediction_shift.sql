-- Kolmogorov-Smirnov distance between the predictions of candidate and champion in the same window.
-- It is the largest difference of their distribution functions. Of several classes the most likely one counts, in the
-- order of names. Rows of one request are alike, so the size is that of as many equal requests as say as much (Kish).
-- Which side answers a request is drawn, so requests of one moment need not be different. The rows that one
-- transaction stored of one instance with one latency are one request.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of stored_at)
-- returns: subject (`candidate`, `champion`), value (0..1 for the candidate, 0 for the champion), sample_size
--   (effective number of requests)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
),

served AS (
    SELECT
        prediction_log.revision,
        prediction_log.instance_id,
        prediction_log.stored_in,
        prediction_log.latency_ms,
        likeliest.class,
        CASE
            WHEN jsonb_typeof(prediction_log.prediction) = 'number' THEN bounded_number(prediction_log.prediction)
        END AS number
    FROM prediction_log
    LEFT JOIN LATERAL (
        SELECT probability.key AS class
        FROM
            jsonb_each(
                CASE WHEN jsonb_typeof(prediction_log.prediction) = 'object' THEN prediction_log.prediction END
            ) AS probability
        ORDER BY bounded_number(probability.value) DESC, probability.key
        LIMIT 1
    ) AS likeliest ON true
    WHERE
        prediction_log.model = %(model)s::text
        AND prediction_log.revision IN (%(candidate)s::text, %(champion)s::text)
        AND prediction_log.stored_at >= %(window_start)s::timestamptz
        AND prediction_log.stored_at < %(window_end)s::timestamptz
),

counted AS (
    SELECT
        number,
        class,
        count(*) FILTER (WHERE revision = %(candidate)s::text) AS candidate_rows,
        count(*) FILTER (WHERE revision = %(champion)s::text) AS champion_rows
    FROM served
    GROUP BY number, class
),

reached AS (
    SELECT
        sum(candidate_rows) OVER below / nullif(sum(candidate_rows) OVER (), 0) AS candidate_share,
        sum(champion_rows) OVER below / nullif(sum(champion_rows) OVER (), 0) AS champion_share
    FROM counted
    WINDOW below AS (ORDER BY number, class)
),

distance AS (
    SELECT max(abs(candidate_share - champion_share)) AS value
    FROM reached
),

request AS (
    SELECT
        revision,
        count(*) AS rows
    FROM served
    GROUP BY revision, instance_id, stored_in, latency_ms
)

SELECT
    side.subject,
    CASE WHEN side.subject = 'candidate' THEN max(distance.value) ELSE 0 END AS value,
    coalesce(power(sum(request.rows), 2) / sum(power(request.rows, 2)), 0)::bigint AS sample_size
FROM side
CROSS JOIN distance
LEFT JOIN request ON side.revision = request.revision
GROUP BY side.subject
