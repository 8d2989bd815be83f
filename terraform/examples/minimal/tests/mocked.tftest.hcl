# Plans and applies against a mocked provider: no account, no network. What Google would compute is made up. Only what the
# configuration says is asserted.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_sql_database_instance" {
    defaults = { private_ip_address = "10.20.0.3" }
  }
}

# Each account has its own address, so that a role's owner can be told.
override_resource {
  target = module.cyclone.module.identity.google_service_account.component["airflow"]
  values = {
    email  = "airflow@project-id.iam.gserviceaccount.com"
    member = "serviceAccount:airflow@project-id.iam.gserviceaccount.com"
    name   = "projects/project-id/serviceAccounts/airflow@project-id.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.cyclone.module.identity.google_service_account.component["serving"]
  values = {
    email  = "serving@project-id.iam.gserviceaccount.com"
    member = "serviceAccount:serving@project-id.iam.gserviceaccount.com"
    name   = "projects/project-id/serviceAccounts/serving@project-id.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.cyclone.module.identity.google_service_account.component["mlflow"]
  values = {
    email  = "mlflow@project-id.iam.gserviceaccount.com"
    member = "serviceAccount:mlflow@project-id.iam.gserviceaccount.com"
    name   = "projects/project-id/serviceAccounts/mlflow@project-id.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.cyclone.module.identity.google_service_account.component["migrations"]
  values = {
    email  = "migrations@project-id.iam.gserviceaccount.com"
    member = "serviceAccount:migrations@project-id.iam.gserviceaccount.com"
    name   = "projects/project-id/serviceAccounts/migrations@project-id.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.cyclone.module.identity.google_service_account.component["grafana"]
  values = {
    email  = "grafana@project-id.iam.gserviceaccount.com"
    member = "serviceAccount:grafana@project-id.iam.gserviceaccount.com"
    name   = "projects/project-id/serviceAccounts/grafana@project-id.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.cyclone.module.identity.google_service_account.component["build"]
  values = {
    email  = "build@project-id.iam.gserviceaccount.com"
    member = "serviceAccount:build@project-id.iam.gserviceaccount.com"
    name   = "projects/project-id/serviceAccounts/build@project-id.iam.gserviceaccount.com"
  }
}

variables {
  project         = "project-id"
  billing_account = "012345-6789AB-CDEF01"
  alert_email     = "team@example.org"
  clients         = ["group:clients@example.org"]
  grafana_viewers = ["group:team@example.org"]
  airflow_image   = "us-central1-docker.pkg.dev/project-id/cyclone-platform/airflow:1"
  mlflow_image    = "us-central1-docker.pkg.dev/project-id/cyclone-platform/mlflow:1"
  grafana_image   = "us-central1-docker.pkg.dev/project-id/cyclone-platform/grafana:1"
  secrets = {
    database_owner            = "planted-password-0123456789-owner="
    database_airflow          = "planted-password-0123456789-airfl="
    database_serving          = "planted-password-0123456789-servi="
    database_grafana          = "planted-password-0123456789-grafa="
    database_mlflow           = "planted-password-0123456789-mlflo="
    database_airflow_metadata = "planted-password-0123456789-metad="
    airflow_fernet_key        = "planted-password-0123456789-ferne="
    airflow_jwt_key           = "planted-password-0123456789-jwtke="
    grafana_admin             = "planted-password-0123456789-admin="
  }
}

run "plan" {
  command = plan
}

run "apply" {
  command = apply
}
