-- Notes where a page is that dashboards link on to. A new address replaces the old one.
-- params: name text (airflow, mlflow or cloud_run), address text
-- returns: nothing
INSERT INTO page_address (name, address)
VALUES (%(name)s::text, %(address)s::text)
ON CONFLICT (name) DO UPDATE SET address = excluded.address
