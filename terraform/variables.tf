variable "name" {
  description = "The beginning of every name. Two installations in one project need two."
  type        = string
  default     = "cyclone"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 19 small letters, digits and dashes: a service account's name, such as NAME-migrations, has at most 30."
  }
}

variable "project" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "The region of everything."
  type        = string
}

variable "zone" {
  description = "The zone of Airflow's machine."
  type        = string

  validation {
    condition     = startswith(var.zone, "${var.region}-")
    error_message = "zone must be in the region: REGION-b, for example."
  }
}

variable "billing_account" {
  description = "The billing account of the budget."
  type        = string
}

variable "budget" {
  description = "What a month may cost, in whole units of the currency."
  type        = number
}

variable "budget_currency" {
  description = "The currency of the billing account."
  type        = string
  default     = "USD"
}

variable "alert_email" {
  description = "Who is told of alerts and of the budget."
  type        = string
}

variable "models" {
  description = "The names of the models, as in models/<name>/."
  type        = set(string)

  validation {
    condition     = alltrue([for model in var.models : can(regex("^[a-z]([a-z0-9]|_[a-z0-9])*$", model)) && length(model) <= 40])
    error_message = "A model's name has small letters, digits and single underscores, begins with a letter and does not end with an underscore, because its service has the same name with dashes."
  }
}

variable "clients" {
  description = "Who may ask the models, as IAM names them."
  type        = set(string)

  validation {
    condition     = alltrue([for client in var.clients : !contains(["allUsers", "allAuthenticatedUsers"], client)])
    error_message = "clients must name people, groups or service accounts. allUsers would let anybody write into the prediction log."
  }
}

variable "ingress" {
  description = "From where the models are reached. Whoever asks is checked in any case."
  type        = string
}

variable "has_api_keys" {
  description = "Whether clients bear keys of Cyclone's own beside Cloud Run's check."
  type        = bool
  default     = false
}

variable "airflow" {
  description = "vm: Airflow on one machine. composer: Composer 3."
  type        = string

  validation {
    condition     = contains(["vm", "composer"], var.airflow)
    error_message = "airflow must be vm or composer."
  }
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

variable "wheel_version" {
  description = "The version of Cyclone's wheel that Composer installs."
  type        = string
  default     = "0.1.0"
}

variable "machine_type" {
  description = "The type of Airflow's machine."
  type        = string
}

variable "store_tier" {
  description = "The machine type of the store."
  type        = string
}

variable "is_highly_available" {
  description = "Whether the store survives the loss of a zone."
  type        = bool
}

variable "has_replica" {
  description = "Whether training reads from a replica of the store."
  type        = bool
}

variable "retained_backups" {
  description = "How many daily backups of the store are kept."
  type        = number
}

variable "min_serving_instances" {
  description = "How many instances of each model always run."
  type        = number
}

variable "min_mlflow_instances" {
  description = "How many instances of MLflow always run."
  type        = number
}

variable "min_grafana_instances" {
  description = "1: Grafana evaluates alerts all the time. 0: it sleeps when nobody looks."
  type        = number
}

variable "grafana_viewers" {
  description = "Who may open Grafana, as IAM names them."
  type        = set(string)
}

variable "deletion_protection" {
  description = "Whether what holds data, and what serves, is protected from `terraform destroy`."
  type        = bool
}

variable "secrets" {
  description = "The passwords and keys by name, as make_secrets.py prints them. They are never in the state."
  type        = map(string)
  ephemeral   = true
  sensitive   = true

  validation {
    condition = alltrue([
      for name in [
        "database_owner", "database_airflow", "database_serving", "database_grafana", "database_mlflow",
        "database_airflow_metadata", "airflow_fernet_key", "airflow_jwt_key", "grafana_admin",
      ] : length(lookup(var.secrets, name, "")) >= 32
    ])
    error_message = "secrets lacks one, or has one of less than 32 characters. Run: export TF_VAR_secrets=\"$(python3 terraform/make_secrets.py)\""
  }
}

variable "secrets_version" {
  description = "The number of the secrets. They are written when it changes, and only then."
  type        = number
  default     = 1
}
