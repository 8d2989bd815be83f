# What cannot work is refused before anything is made, with what to do next.

mock_provider "google" {}

variables {
  project               = "project-id"
  region                = "us-central1"
  zone                  = "us-central1-b"
  billing_account       = "012345-6789AB-CDEF01"
  budget                = 100
  alert_email           = "team@example.org"
  models                = ["bike_demand"]
  clients               = []
  ingress               = "INGRESS_TRAFFIC_ALL"
  airflow               = "vm"
  airflow_image         = "us-central1-docker.pkg.dev/project-id/cyclone-platform/airflow:1"
  mlflow_image          = "us-central1-docker.pkg.dev/project-id/cyclone-platform/mlflow:1"
  grafana_image         = "us-central1-docker.pkg.dev/project-id/cyclone-platform/grafana:1"
  machine_type          = "e2-standard-2"
  store_tier            = "db-f1-micro"
  is_highly_available   = false
  has_replica           = false
  retained_backups      = 7
  min_serving_instances = 0
  min_mlflow_instances  = 0
  min_grafana_instances = 0
  grafana_viewers       = []
  deletion_protection   = false
  secrets               = {}
}

run "secrets_that_are_missing" {
  command         = plan
  expect_failures = [var.secrets]
}

run "a_zone_of_another_region" {
  command = plan
  variables {
    zone = "europe-west1-b"
  }
  expect_failures = [var.zone, var.secrets]
}

run "a_name_that_is_too_long_for_accounts" {
  command = plan
  variables {
    name = "cyclone-of-the-demand-team"
  }
  expect_failures = [var.name, var.secrets]
}

run "a_way_to_run_airflow_that_there_is_not" {
  command = plan
  variables {
    airflow = "kubernetes"
  }
  expect_failures = [var.airflow, var.secrets]
}

run "a_model_whose_service_would_end_in_a_dash" {
  command = plan
  variables {
    models = ["demand_"]
  }
  expect_failures = [var.models, var.secrets]
}

run "clients_that_are_everybody" {
  command = plan
  variables {
    clients = ["allUsers"]
  }
  expect_failures = [var.clients, var.secrets]
}
