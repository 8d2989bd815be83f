output "id" {
  description = "The budget's resource name."
  value       = google_billing_budget.month.id
}
