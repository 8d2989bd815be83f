variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "region" {
  description = "The region of the repositories."
  type        = string
}

variable "members" {
  description = "The components as IAM names them."
  type        = map(string)
}
