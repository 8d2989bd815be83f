output "dsn_secrets" {
  description = "The resource name of the secret with each DSN, known once it has a value."
  value       = { for key, version in google_secret_manager_secret_version.dsn : key => version.secret }
  depends_on  = [google_secret_manager_secret_iam_member.dsn] # a revision whose account cannot read its secret fails
}

output "instance_name" {
  description = "The primary's name, for commands of gcloud."
  value       = google_sql_database_instance.primary.name
}

output "address" {
  description = "The primary's private address."
  value       = google_sql_database_instance.primary.private_ip_address
}
