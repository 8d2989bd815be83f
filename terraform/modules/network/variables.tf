variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "region" {
  description = "The region of the subnetwork."
  type        = string
}

variable "subnetwork_range" {
  description = "The addresses of Cloud Run's instances and of the machine. Cloud Run takes up to two addresses an instance."
  type        = string
  default     = "10.10.0.0/22"
}
