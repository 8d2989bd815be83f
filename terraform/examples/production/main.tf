# An installation that survives a zone: Composer, a store with a standby and a replica, nothing that sleeps.

provider "google" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true # the budget's API asks for it when a person applies
}

module "cyclone" {
  source = "../.."

  project               = var.project
  region                = var.region
  zone                  = var.zone
  billing_account       = var.billing_account
  budget                = var.budget
  alert_email           = var.alert_email
  models                = var.models
  clients               = var.clients
  airflow_image         = var.airflow_image
  mlflow_image          = var.mlflow_image
  grafana_image         = var.grafana_image
  grafana_viewers       = var.grafana_viewers
  secrets               = var.secrets
  secrets_version       = var.secrets_version
  airflow               = var.airflow
  machine_type          = "e2-standard-4"
  store_tier            = "db-custom-2-7680"
  is_highly_available   = true
  has_replica           = true
  retained_backups      = 30
  ingress               = "INGRESS_TRAFFIC_ALL"
  has_api_keys          = true
  min_serving_instances = 1
  min_mlflow_instances  = 1
  min_grafana_instances = 1
  deletion_protection   = true
}
