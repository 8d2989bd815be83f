output "address" {
  description = "Airflow's pages: Composer's own address, or the command that opens the machine's."
  value = var.kind == "composer" ? google_composer_environment.airflow[0].config[0].airflow_uri : join(" ", [
    "gcloud compute ssh ${google_compute_instance.airflow[0].name} --tunnel-through-iap --zone=${var.zone}",
    "--project=${var.project} -- -L 8080:127.0.0.1:8080",
  ])
}

output "dag_bucket" {
  description = "The folder of the DAGs in Composer's bucket, and nothing for a machine, whose image has them."
  value       = var.kind == "composer" ? google_composer_environment.airflow[0].config[0].dag_gcs_prefix : null
}

output "bucket" {
  description = "The bucket for files that tasks hand over and that Cloud Build reads."
  value       = google_storage_bucket.work.name
}

output "key_secrets" {
  description = "The resource names of Airflow's own secrets, and none for Composer."
  value       = { for key, version in google_secret_manager_secret_version.key : key => version.secret }
}
