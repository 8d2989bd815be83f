-- How many of the rows of a model's newest days have a label, of those days whose labels should all be there.
-- params: model text, days integer
-- returns: rows bigint, labelled bigint. Both are NULL when there is no such day.
SELECT
    sum(due.rows)::bigint AS rows,
    sum(due.labelled)::bigint AS labelled
FROM (
    SELECT
        sum(label_day.rows) AS rows,
        sum(label_day.labelled) AS labelled
    FROM label_day
    INNER JOIN monitored_model ON label_day.model = monitored_model.model
    INNER JOIN model_present ON label_day.model = model_present.model
    WHERE
        label_day.model = %(model)s::text
        AND label_day.day + interval '1 day' + monitored_model.label_delay + monitored_model.label_load
        <= model_present.present
    GROUP BY label_day.day
    ORDER BY label_day.day DESC
    LIMIT %(days)s::integer
) AS due
