# One Cloud Run service a model, as a shell: name, access, network and account are Terraform's. The image, the rest of the
# template and the traffic belong to the pipeline, which starts each release from the template that is there.

locals {
  services = { for model in var.models : model => replace(model, "_", "-") }
}

resource "google_cloud_run_v2_service" "model" {
  for_each            = local.services
  name                = each.value
  location            = var.region
  ingress             = var.ingress
  deletion_protection = var.deletion_protection

  scaling {
    min_instance_count = var.min_instances # of the service. In the template each tagged revision would keep its own.
  }

  template {
    service_account                  = var.account
    max_instance_request_concurrency = 80

    containers {
      image = var.first_image

      env {
        name = "CYCLONE_STORE_DSN"
        value_source {
          secret_key_ref {
            secret  = var.dsn_secret
            version = "latest"
          }
        }
      }

      resources {
        limits            = { cpu = "1", memory = "1Gi" }
        startup_cpu_boost = true
        cpu_idle          = false # the log is written between requests as well
      }
    }

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY" # the store is private. Everything else is Google's.
      network_interfaces {
        subnetwork = var.subnetwork_id
      }
    }
  }

  lifecycle {
    # Without this an apply during a release would bring the first image back: the provider sends no etag.
    ignore_changes = [template, traffic, client, client_version]
  }
}

# The pipeline deploys, and asks a candidate before it has traffic. It may do so with these services and no others.
resource "google_cloud_run_v2_service_iam_member" "release" {
  for_each = {
    for pair in setproduct(keys(local.services), ["roles/run.developer", "roles/run.invoker"]) :
    "${pair[0]} ${pair[1]}" => { model = pair[0], role = pair[1] }
  }
  location = var.region
  name     = google_cloud_run_v2_service.model[each.value.model].name
  role     = each.value.role
  member   = var.release_member
}

resource "google_cloud_run_v2_service_iam_member" "clients" {
  for_each = {
    for pair in setproduct(keys(local.services), var.clients) :
    "${pair[0]} ${pair[1]}" => { model = pair[0], member = pair[1] }
  }
  location = var.region
  name     = google_cloud_run_v2_service.model[each.value.model].name
  role     = "roles/run.invoker"
  member   = each.value.member
}

# A revision runs as the serving account. Whoever deploys one has to be allowed to act as it, and as no other.
resource "google_service_account_iam_member" "release_acts_as_serving" {
  service_account_id = var.account_name
  role               = "roles/iam.serviceAccountUser"
  member             = var.release_member
}

# `cyclone migrate`. It is run before a release of Cyclone: gcloud run jobs execute NAME-migrate --wait
resource "google_cloud_run_v2_job" "migrate" {
  name                = "${var.name}-migrate"
  location            = var.region
  deletion_protection = false # it keeps nothing

  template {
    template {
      service_account = var.migrations_account
      max_retries     = 0 # a migration that failed is looked at first
      timeout         = "3600s"

      containers {
        image   = var.migrations_image
        command = ["cyclone"]
        args    = ["migrate"]

        env {
          name = "CYCLONE_STORE_DSN"
          value_source {
            secret_key_ref {
              secret  = var.owner_dsn_secret
              version = "latest"
            }
          }
        }
      }

      vpc_access {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          subnetwork = var.subnetwork_id
        }
      }
    }
  }
}
