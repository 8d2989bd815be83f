output "urls" {
  description = "The address of each model's service."
  value       = { for model, service in google_cloud_run_v2_service.model : model => service.uri }
}

output "services" {
  description = "The name of each model's service."
  value       = { for model, service in google_cloud_run_v2_service.model : model => service.name }
}

output "migrations_job" {
  description = "The name of the job that applies migrations."
  value       = google_cloud_run_v2_job.migrate.name
}
