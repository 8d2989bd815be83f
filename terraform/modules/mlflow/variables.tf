variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "region" {
  description = "The region of what is made here."
  type        = string
}

variable "project" {
  description = "The project, which begins the bucket's name: such names are one for all of Google."
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
  description = "How many instances always run."
  type        = number
}
