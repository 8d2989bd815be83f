variable "name" {
  description = "The name of the instance. A deleted instance's name cannot be used again for a week."
  type        = string
}

variable "region" {
  description = "The region of the instances and of their secrets."
  type        = string
}

variable "network_id" {
  description = "The network in which the instances have their private addresses."
  type        = string
}

variable "tier" {
  description = "The machine type, such as db-f1-micro or db-custom-2-7680."
  type        = string
}

variable "is_highly_available" {
  description = "Whether a second zone takes over when the first fails. It doubles the price of the primary."
  type        = bool
}

variable "has_replica" {
  description = "Whether training reads from a replica."
  type        = bool
}

variable "has_airflow_database" {
  description = "Whether Airflow's own records are here. Composer keeps its own."
  type        = bool
}

variable "retained_backups" {
  description = "How many daily backups are kept."
  type        = number
}

variable "deletion_protection" {
  description = "Whether Terraform and Google refuse to delete the instances."
  type        = bool
}

variable "secrets" {
  description = "The passwords by name: database_owner, database_airflow and so on. They are never in the state."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "secrets_version" {
  description = "The number of the passwords. A higher one writes the passwords that are given then."
  type        = number
}

variable "members" {
  description = "The components as IAM names them."
  type        = map(string)
}
