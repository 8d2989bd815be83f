output "url" {
  description = "MLflow's address, which answers in the private network."
  value       = google_cloud_run_v2_service.mlflow.uri
}

output "bucket" {
  description = "The bucket of the artefacts."
  value       = google_storage_bucket.artefacts.name
}
