# A release belongs to the pipeline: what it has put into a service stays when Terraform is applied again.

mock_provider "google" {}

variables {
  name                = "cyclone"
  region              = "us-central1"
  models              = ["bike_demand"]
  ingress             = "INGRESS_TRAFFIC_ALL"
  min_instances       = 0
  deletion_protection = false
  clients             = []
  account             = "serving@project-id.iam.gserviceaccount.com"
  account_name        = "projects/project-id/serviceAccounts/serving@project-id.iam.gserviceaccount.com"
  release_member      = "serviceAccount:airflow@project-id.iam.gserviceaccount.com"
  dsn_secret          = "a-dsn"
  owner_dsn_secret    = "a-dsn"
  migrations_account  = "migrations@project-id.iam.gserviceaccount.com"
  migrations_image    = "us-central1-docker.pkg.dev/project-id/cyclone-platform/airflow:1"
  subnetwork_id       = "projects/project-id/regions/us-central1/subnetworks/cyclone"
}

run "the_first_apply_makes_the_shell" {
  assert {
    condition     = google_cloud_run_v2_service.model["bike_demand"].name == "bike-demand"
    error_message = "The service's name is not the one that a release looks for."
  }
}

run "a_later_apply_leaves_template_and_traffic" {
  command = plan
  variables {
    first_image = "us-docker.pkg.dev/cloudrun/container/another"
    account     = "another@project-id.iam.gserviceaccount.com"
  }
  assert {
    condition     = google_cloud_run_v2_service.model["bike_demand"].template[0].containers[0].image == "us-docker.pkg.dev/cloudrun/container/hello"
    error_message = "Terraform would replace the image of a release."
  }
  assert {
    condition     = google_cloud_run_v2_service.model["bike_demand"].template[0].service_account == "serving@project-id.iam.gserviceaccount.com"
    error_message = "Terraform would replace the template of a release."
  }
}
