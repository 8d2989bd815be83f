variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "region" {
  description = "The region of the services."
  type        = string
}

variable "models" {
  description = "The names of the models, as in models/<name>/."
  type        = set(string)
}

variable "first_image" {
  description = "The image until the first release. Google's own answers on every path."
  type        = string
  default     = "us-docker.pkg.dev/cloudrun/container/hello"
}

variable "ingress" {
  description = "INGRESS_TRAFFIC_ALL, INGRESS_TRAFFIC_INTERNAL_ONLY or INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER."
  type        = string
}

variable "min_instances" {
  description = "How many instances of a service always run. 0 lets it sleep, and the first client waits."
  type        = number
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the services."
  type        = bool
}

variable "clients" {
  description = "Who may ask the models, as IAM names them: serviceAccount:… or group:…"
  type        = set(string)
}

variable "account" {
  description = "The address of the account that revisions run as."
  type        = string
}

variable "account_name" {
  description = "The resource name of the same account."
  type        = string
}

variable "release_member" {
  description = "Who deploys: Airflow's account as IAM names it."
  type        = string
}

variable "dsn_secret" {
  description = "The secret with the store's DSN for serving."
  type        = string
}

variable "owner_dsn_secret" {
  description = "The secret with the DSN of the store's owner, for migrations."
  type        = string
}

variable "migrations_account" {
  description = "The address of the account that migrations run as."
  type        = string
}

variable "migrations_image" {
  description = "An image with the command cyclone: Airflow's."
  type        = string
}

variable "subnetwork_id" {
  description = "The subnetwork through which the store is reached."
  type        = string
}
