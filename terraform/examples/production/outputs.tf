# What `cyclone configure --from-terraform FILE` reads from `terraform output -json`.

output "project" {
  description = "The project of the services."
  value       = module.cyclone.settings["project"]
}

output "region" {
  description = "The region of the services."
  value       = module.cyclone.settings["region"]
}

output "image_repository" {
  description = "Where models' images go."
  value       = module.cyclone.settings["image_repository"]
}

output "handover_url" {
  description = "Where Airflow's tasks hand files to each other."
  value       = module.cyclone.settings["handover_url"]
}

output "mlflow_uri" {
  description = "MLflow's address."
  value       = module.cyclone.settings["mlflow_uri"]
}

output "store_dsn_secret" {
  description = "The secret with the store's DSN."
  value       = module.cyclone.settings["store_dsn_secret"]
}

output "training_dsn_secret" {
  description = "The secret with the DSN that training reads from."
  value       = module.cyclone.settings["training_dsn_secret"]
}

output "airflow_dsn_secret" {
  description = "The secret with the DSN of Airflow's own database. None with Composer."
  value       = module.cyclone.settings["airflow_dsn_secret"]
}

output "airflow_fernet_key_secret" {
  description = "The secret with Airflow's key for connections. None with Composer."
  value       = module.cyclone.settings["airflow_fernet_key_secret"]
}

output "airflow_jwt_key_secret" {
  description = "The secret with Airflow's key for its API. None with Composer."
  value       = module.cyclone.settings["airflow_jwt_key_secret"]
}

output "api_keys_secret" {
  description = "The secret with the clients' bearer keys, where they are used."
  value       = module.cyclone.settings["api_keys_secret"]
}

# What a person wants to know.

output "service_urls" {
  description = "The address of each model's service."
  value       = module.cyclone.service_urls
}

output "grafana_url" {
  description = "Grafana's address."
  value       = module.cyclone.grafana_url
}

output "airflow_address" {
  description = "Airflow's address, or the command that opens it."
  value       = module.cyclone.airflow_address
}

output "dag_bucket" {
  description = "Where Composer reads the DAGs. None for a machine."
  value       = module.cyclone.dag_bucket
}

output "work_bucket" {
  description = "The bucket of files that are handed over."
  value       = module.cyclone.work_bucket
}

output "platform_repository" {
  description = "Where the images of Airflow, MLflow and Grafana go."
  value       = module.cyclone.platform_repository
}

output "python_repository" {
  description = "Where the wheel goes."
  value       = module.cyclone.python_repository
}

output "migrations_job" {
  description = "The job that applies migrations."
  value       = module.cyclone.migrations_job
}

output "service_accounts" {
  description = "The service account of each component."
  value       = module.cyclone.service_accounts
}
