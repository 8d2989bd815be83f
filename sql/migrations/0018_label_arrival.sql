-- The last label to arrive counts; see docs/decisions/0010-the-last-label-to-arrive-counts.md.

CREATE SEQUENCE label_arrival;
ALTER TABLE label ADD COLUMN arrival bigint; -- the order in which labels of one id were kept, from 1

-- Labels of before are numbered by the rule of before, so that the same ones count.
UPDATE label SET arrival = numbered.arrival
FROM (
    SELECT
        model,
        id,
        observed_at,
        label,
        row_number() OVER (ORDER BY observed_at, received_at, label) AS arrival
    FROM label
) AS numbered
WHERE
    label.model = numbered.model
    AND label.id = numbered.id
    AND label.observed_at = numbered.observed_at
    AND label.label = numbered.label;
SELECT setval('label_arrival', coalesce(max(arrival), 0) + 1, false) FROM label;

ALTER TABLE label
ALTER COLUMN arrival SET DEFAULT nextval('label_arrival'),
ALTER COLUMN arrival SET NOT NULL;
ALTER SEQUENCE label_arrival OWNED BY label.arrival;
