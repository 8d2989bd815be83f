output "settings" {
  description = "What `cyclone configure` reads, by name. An example hands each on as an output of its own."
  value       = merge(local.settings, { for key in ["fernet_key", "jwt_key"] : "airflow_${key}_secret" => lookup(module.airflow.key_secrets, key, null) })
}

output "service_urls" {
  description = "The address of each model's service."
  value       = module.serving.urls
}

output "grafana_url" {
  description = "Grafana's address."
  value       = module.grafana.url
}

output "airflow_address" {
  description = "Airflow's address, or the command that opens it."
  value       = module.airflow.address
}

output "dag_bucket" {
  description = "Where Composer reads the DAGs."
  value       = module.airflow.dag_bucket
}

output "work_bucket" {
  description = "The bucket of files that are handed over."
  value       = module.airflow.bucket
}

output "platform_repository" {
  description = "Where the images of Airflow, MLflow and Grafana go."
  value       = module.registry.platform
}

output "python_repository" {
  description = "Where the wheel goes."
  value       = module.registry.python
}

output "migrations_job" {
  description = "The job that applies migrations."
  value       = module.serving.migrations_job
}

output "service_accounts" {
  description = "The service account of each component."
  value       = module.identity.emails
}
