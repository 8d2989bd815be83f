-- The address of an Airflow run, `#` where Airflow's address is not known or there is no run.
CREATE OR REPLACE FUNCTION airflow_page(airflow text, dag text, run_id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(
    airflow || '/dags/' || dag || '/runs/' || replace(replace(replace(run_id, '%', '%25'), '+', '%2B'), ':', '%3A'),
    '#'
)
$$;

-- The address of a version in MLflow, whose page leads to its run.
CREATE OR REPLACE FUNCTION mlflow_page(mlflow text, model text, version integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(mlflow || '/#/models/' || model || '/versions/' || version, '#')
$$;

-- The address of a service's revisions in Cloud Run. `{service}` stands in it for the name of the service.
CREATE OR REPLACE FUNCTION revision_page(cloud_run text, model text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(replace(cloud_run, '{service}', replace(model, '_', '-')), '#')
$$;

-- A text as HTML, for annotations, which are shown as such.
CREATE OR REPLACE FUNCTION as_html(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT replace(replace(replace(replace(coalesce(words, ''), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;')
$$
