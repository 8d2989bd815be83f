output "models" {
  description = "The address of the models' images, as CYCLONE_IMAGE_REPOSITORY has it."
  value       = google_artifact_registry_repository.models.registry_uri
}

output "platform" {
  description = "The address of the platform's images."
  value       = google_artifact_registry_repository.platform.registry_uri
}

output "python" {
  description = "The address of the packages."
  value       = google_artifact_registry_repository.python.registry_uri
}
