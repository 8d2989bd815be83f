-- An Airflow run's id is unique in its DAG, and each model has a DAG of its own. So two models may have runs of one id.
ALTER TABLE retraining DROP CONSTRAINT retraining_pkey, ADD PRIMARY KEY (model, run_id);
ALTER TABLE dataset DROP CONSTRAINT dataset_pkey, ADD PRIMARY KEY (model, run_id);
ALTER TABLE gate_decision DROP CONSTRAINT gate_decision_pkey, ADD PRIMARY KEY (model, run_id);
ALTER TABLE release DROP CONSTRAINT release_run_id_key, ADD UNIQUE (model, run_id);
