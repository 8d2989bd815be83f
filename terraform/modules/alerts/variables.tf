variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "region" {
  description = "The region of what is made here."
  type        = string
}

variable "project" {
  description = "The project of the checks."
  type        = string
}

variable "project_number" {
  description = "The project's number, which the account of Google's uptime checks has in its name."
  type        = string
}

variable "email" {
  description = "Who is told."
  type        = string
}

variable "services" {
  description = "The services that are asked from outside, by model. None where they answer inside the network only."
  type        = map(string)
}

variable "urls" {
  description = "The address of each model's service."
  type        = map(string)
}

variable "scheduler_resource" {
  description = "What Cloud Logging calls the place of the scheduler's lines: gce_instance or cloud_composer_environment."
  type        = string
}
