# One installation of Cyclone in a project of Google Cloud. Each module makes one concern, and this joins them.

locals {
  apis = [
    "artifactregistry", "billingbudgets", "cloudbuild", "composer", "compute", "iam", "logging", "monitoring", "run",
    "secretmanager", "servicenetworking", "sqladmin", "storage",
  ]
  is_public = var.ingress == "INGRESS_TRAFFIC_ALL"
  # What `cyclone configure` reads. A test compares the names with those that the command knows.
  settings = {
    project             = var.project
    region              = var.region
    image_repository    = module.registry.models
    handover_url        = "gs://${module.airflow.bucket}/handover"
    mlflow_uri          = module.mlflow.url
    store_dsn_secret    = module.store.dsn_secrets["airflow"]
    training_dsn_secret = module.store.dsn_secrets["training"]
    airflow_dsn_secret  = var.airflow == "vm" ? lookup(module.store.dsn_secrets, "airflow_metadata", null) : null
    api_keys_secret     = var.has_api_keys ? google_secret_manager_secret_iam_member.api_keys[0].secret_id : null
  }
}

data "google_project" "this" {
  project_id = var.project
  depends_on = [google_project_service.this]
}

resource "google_project_service" "this" {
  for_each           = toset([for api in local.apis : api if api != "composer" || var.airflow == "composer"])
  project            = var.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false # others in the project may need it
}

# Every read of a secret leaves a line in the audit log: who, which, when.
resource "google_project_iam_audit_config" "secrets" {
  project = var.project
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "DATA_WRITE"
  }

  depends_on = [google_project_service.this]
}

module "identity" {
  source       = "./modules/identity"
  name         = var.name
  project      = var.project
  has_composer = var.airflow == "composer"
  depends_on   = [google_project_service.this]
}

module "network" {
  source     = "./modules/network"
  name       = var.name
  region     = var.region
  depends_on = [google_project_service.this]
}

module "registry" {
  source     = "./modules/registry"
  name       = var.name
  region     = var.region
  members    = module.identity.members
  depends_on = [google_project_service.this]
}

module "store" {
  source               = "./modules/store"
  name                 = var.name
  region               = var.region
  network_id           = module.network.network_id
  tier                 = var.store_tier
  is_highly_available  = var.is_highly_available
  has_replica          = var.has_replica
  has_airflow_database = var.airflow == "vm"
  retained_backups     = var.retained_backups
  deletion_protection  = var.deletion_protection
  secrets              = var.secrets
  secrets_version      = var.secrets_version
  members              = module.identity.members
}

# The clients' bearer keys, where they are used beside Cloud Run's own check. The keys file of `cyclone keys add` is its
# value, which a person adds: gcloud secrets versions add NAME-api-keys --data-file=FILE
resource "google_secret_manager_secret" "api_keys" {
  count               = var.has_api_keys ? 1 : 0
  secret_id           = "${var.name}-api-keys"
  deletion_protection = var.deletion_protection

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_member" "api_keys" {
  count     = var.has_api_keys ? 1 : 0
  secret_id = google_secret_manager_secret.api_keys[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = module.identity.members["airflow"]
}

module "serving" {
  source              = "./modules/serving"
  name                = var.name
  region              = var.region
  models              = var.models
  ingress             = var.ingress
  min_instances       = var.min_serving_instances
  deletion_protection = var.deletion_protection
  clients             = var.clients
  account             = module.identity.emails["serving"]
  account_name        = module.identity.names["serving"]
  release_member      = module.identity.members["airflow"]
  dsn_secret          = module.store.dsn_secrets["serving"]
  owner_dsn_secret    = module.store.dsn_secrets["owner"]
  migrations_account  = module.identity.emails["migrations"]
  migrations_image    = var.airflow_image
  subnetwork_id       = module.network.subnetwork_id
}

module "mlflow" {
  source              = "./modules/mlflow"
  name                = var.name
  region              = var.region
  project             = var.project
  image               = var.mlflow_image
  account             = module.identity.emails["mlflow"]
  member              = module.identity.members["mlflow"]
  dsn_secret          = module.store.dsn_secrets["mlflow"]
  subnetwork_id       = module.network.subnetwork_id
  min_instances       = var.min_mlflow_instances
  deletion_protection = var.deletion_protection
}

module "grafana" {
  source              = "./modules/grafana"
  name                = var.name
  region              = var.region
  image               = var.grafana_image
  account             = module.identity.emails["grafana"]
  member              = module.identity.members["grafana"]
  dsn_secret          = module.store.dsn_secrets["grafana"]
  subnetwork_id       = module.network.subnetwork_id
  min_instances       = var.min_grafana_instances
  viewers             = var.grafana_viewers
  deletion_protection = var.deletion_protection
  secrets             = var.secrets
  secrets_version     = var.secrets_version
}

module "airflow" {
  source              = "./modules/airflow"
  kind                = var.airflow
  name                = var.name
  region              = var.region
  zone                = var.zone
  project             = var.project
  machine_type        = var.machine_type
  image               = var.airflow_image
  wheel_version       = var.wheel_version
  account             = module.identity.emails["airflow"]
  members             = module.identity.members
  network_id          = module.network.network_id
  subnetwork_id       = module.network.subnetwork_id
  settings            = local.settings
  has_api_keys        = var.has_api_keys
  secrets             = var.secrets
  secrets_version     = var.secrets_version
  deletion_protection = var.deletion_protection
}

module "alerts" {
  source             = "./modules/alerts"
  name               = var.name
  region             = var.region
  project            = var.project
  project_number     = data.google_project.this.number
  email              = var.alert_email
  services           = local.is_public ? module.serving.services : {}
  urls               = module.serving.urls
  scheduler_resource = var.airflow == "vm" ? "gce_instance" : "cloud_composer_environment"
}

module "budget" {
  source          = "./modules/budget"
  name            = var.name
  billing_account = var.billing_account
  project_number  = data.google_project.this.number
  amount          = var.budget
  currency        = var.budget_currency
  channel         = module.alerts.channel
}
