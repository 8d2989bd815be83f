variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "region" {
  description = "The region of what is made here."
  type        = string
}

variable "image" {
  description = "The image, best by digest."
  type        = string
}

variable "account" {
  description = "The address of the account that it runs as."
  type        = string
}

variable "dsn_secret" {
  description = "The secret with the DSN of its database."
  type        = string
}

variable "subnetwork_id" {
  description = "The subnetwork through which the database is reached."
  type        = string
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete it."
  type        = bool
}

variable "member" {
  description = "The same account as IAM names it."
  type        = string
}

variable "min_instances" {
  description = "1 lets Grafana evaluate alerts all the time. 0 lets it sleep when nobody looks."
  type        = number
}

variable "viewers" {
  description = "Who may open Grafana, as IAM names them: group:… or user:…"
  type        = set(string)
}

variable "secrets" {
  description = "The passwords by name. grafana_admin is used here."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "secrets_version" {
  description = "The number of the passwords. A higher one writes the passwords that are given then."
  type        = number
}
