variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "project" {
  description = "The project that the roles are given in."
  type        = string
}

variable "has_composer" {
  description = "Whether Airflow runs in Composer, whose workers need a role of their own."
  type        = bool
}
