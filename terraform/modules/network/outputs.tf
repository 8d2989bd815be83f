output "network_id" {
  description = "The network, for those that are attached to it. Known once managed services can be reached."
  value       = google_service_networking_connection.managed_services.network
}

output "subnetwork_id" {
  description = "The subnetwork, for Cloud Run, Composer and the machine."
  value       = google_compute_subnetwork.this.id
}
