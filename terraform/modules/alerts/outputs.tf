output "channel" {
  description = "The channel that alerts and the budget use."
  value       = google_monitoring_notification_channel.email.id
}
