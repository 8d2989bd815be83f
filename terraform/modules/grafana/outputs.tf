output "url" {
  description = "Grafana's address."
  value       = google_cloud_run_v2_service.grafana.uri
}
