-- What happened to a model, as annotations: the timeline, retrainings from beginning to end, decisions that asked for
-- something, and canary steps. `words` is HTML, with a link to the Airflow run where there is one.
CREATE OR REPLACE VIEW model_event AS
WITH event AS (
    SELECT
        timeline.model,
        timeline.at AS started_at,
        NULL::timestamptz AS ended_at,
        CASE
            WHEN timeline.event LIKE 'incident%' THEN 'incident'
            WHEN timeline.event LIKE 'hold%' THEN 'hold'
            WHEN timeline.event = 'promoted' THEN 'promotion'
            WHEN timeline.event = 'rolled back' THEN 'roll-back'
            WHEN timeline.event = 'candidate' THEN 'candidate'
            WHEN timeline.event = 'asked for' THEN 'decision'
            ELSE 'change'
        END AS kind,
        concat_ws(' ', timeline.event, timeline.subject::text) || coalesce(': ' || timeline.detail, '') AS words,
        'retrain__' || release.model AS dag,
        release.run_id
    FROM timeline
    LEFT JOIN release
        ON
            timeline.model = release.model
            AND timeline.subject = release.version
            AND timeline.at = CASE timeline.event
                WHEN 'candidate' THEN release.created_at
                WHEN 'promoted' THEN release.promoted_at
                WHEN 'rolled back' THEN release.ended_at
            END
    UNION ALL
    SELECT
        model,
        started_at,
        finished_at AS ended_at,
        'retraining' AS kind,
        concat_ws(': ', 'retraining ' || coalesce(outcome, 'under way'), reason) AS words,
        'retrain__' || model AS dag,
        run_id
    FROM retraining
    UNION ALL
    SELECT
        model,
        at AS started_at,
        NULL AS ended_at,
        'decision' AS kind,
        action || ': ' || reason AS words,
        'monitor__' || model AS dag,
        run_id
    FROM decision
    WHERE action != 'wait' AND asked_by IS NULL
    UNION ALL
    SELECT
        model,
        started_at,
        ended_at,
        'canary' AS kind,
        concat('canary ', traffic_percent, ' % of v', version, ' ', verdict, ': ', reason) AS words,
        'retrain__' || model AS dag,
        run_id
    FROM canary_step
)

SELECT
    event.model,
    event.started_at,
    event.ended_at,
    event.kind,
    as_html(event.words)
    || CASE
        WHEN event.run_id IS NOT NULL AND page_link.airflow IS NOT NULL
            THEN
                ' <a href="' || as_html(airflow_page(page_link.airflow, event.dag, event.run_id)) || '">Airflow run</a>'
        ELSE ''
    END AS words
FROM event
CROSS JOIN page_link
