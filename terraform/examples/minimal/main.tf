# The cheapest installation that is whole: Airflow on one machine, the smallest store, everything else asleep when idle.

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
  airflow               = "vm"
  machine_type          = "e2-standard-2"
  store_tier            = "db-f1-micro"
  is_highly_available   = false
  has_replica           = false
  retained_backups      = 7
  ingress               = "INGRESS_TRAFFIC_ALL"
  min_serving_instances = 0
  min_mlflow_instances  = 0
  min_grafana_instances = 0
  deletion_protection   = false # it is there to be tried and removed
}
