output "emails" {
  description = "The address of each component's service account."
  value       = { for component, account in google_service_account.component : component => account.email }
}

output "members" {
  description = "Each component as IAM names it."
  value       = { for component, account in google_service_account.component : component => account.member }
}

output "names" {
  description = "The resource name of each component's service account."
  value       = { for component, account in google_service_account.component : component => account.name }
}
