variable "project" {
  description = "The project's id. The project exists and has the billing account."
  type        = string
}

variable "billing_account" {
  description = "The billing account, such as 012345-6789AB-CDEF01."
  type        = string
}

variable "alert_email" {
  description = "Who is told of alerts and of the budget."
  type        = string
}

variable "models" {
  description = "The names of the models, as in models/<name>/."
  type        = set(string)
  default     = ["bike_demand"]
}

variable "clients" {
  description = "Who may ask the models: serviceAccount:…, group:… or user:…"
  type        = set(string)
  default     = []
}

variable "airflow_image" {
  description = "An image with the commands airflow and cyclone, the DAGs in /opt/cyclone/dags, and the models in /opt/cyclone/models."
  type        = string
}

variable "mlflow_image" {
  description = "An image with mlflow, psycopg2 and google-cloud-storage."
  type        = string
}

variable "grafana_image" {
  description = "An image of Grafana whose data source reads CYCLONE_STORE_DSN. The files of grafana/provisioning do not fit as they are."
  type        = string
}

variable "grafana_viewers" {
  description = "Who may open Grafana: group:… or user:…"
  type        = set(string)
  default     = []
}

variable "secrets" {
  description = "The passwords and keys, as terraform/make_secrets.py prints them."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "secrets_version" {
  description = "Raise it to write the secrets that are given then."
  type        = number
  default     = 1
}

variable "region" {
  description = "The region of everything."
  type        = string
  default     = "us-central1"
}

variable "zone" {
  description = "The zone of Airflow's machine."
  type        = string
  default     = "us-central1-b"
}

variable "budget" {
  description = "What a month may cost, in whole units of the currency."
  type        = number
  default     = 1500
}

variable "airflow" {
  description = "composer, or vm: one larger machine instead."
  type        = string
  default     = "composer"
}
