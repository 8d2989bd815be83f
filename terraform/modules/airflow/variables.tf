variable "name" {
  description = "The beginning of every name."
  type        = string
}

variable "region" {
  description = "The region of what is made here."
  type        = string
}

variable "project" {
  description = "The project, which begins the bucket's name."
  type        = string
}

variable "kind" {
  description = "vm: one machine. composer: Composer 3."
  type        = string
}

variable "zone" {
  description = "The zone of the machine."
  type        = string
}

variable "machine_type" {
  description = "The machine's type. Four processes of Airflow and a training need 8 GB."
  type        = string
}

variable "disk_gb" {
  description = "The size of the disk with Airflow's logs and the files of retrainings."
  type        = number
  default     = 30
}

variable "parallelism" {
  description = "How many tasks run at a time."
  type        = number
  default     = 4
}

variable "image" {
  description = "An image with the commands airflow and cyclone, the DAGs in /opt/cyclone/dags, and the models in /opt/cyclone/models."
  type        = string
}

variable "composer_image" {
  description = "Composer's version. It has to be one with Airflow 3.3 or newer."
  type        = string
  default     = "composer-3-airflow-3.3.1"
}

variable "wheel_version" {
  description = "The version of Cyclone's wheel that Composer installs."
  type        = string
}

variable "account" {
  description = "The address of Airflow's service account."
  type        = string
}

variable "members" {
  description = "The components as IAM names them."
  type        = map(string)
}

variable "network_id" {
  description = "The network that Composer is attached to."
  type        = string
}

variable "subnetwork_id" {
  description = "The subnetwork of the machine, or that Composer is attached to."
  type        = string
}

variable "has_api_keys" {
  description = "Whether the clients' bearer keys are among the settings."
  type        = bool
}

variable "settings" {
  description = "The outputs that `cyclone configure` reads, by name."
  type        = map(string)
}

variable "secrets" {
  description = "The secrets by name. airflow_fernet_key and airflow_jwt_key are used here."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "secrets_version" {
  description = "The number of the secrets. A higher one writes the secrets that are given then."
  type        = number
}

variable "deletion_protection" {
  description = "Whether Terraform and Google refuse to delete the machine and the bucket's content."
  type        = bool
}
