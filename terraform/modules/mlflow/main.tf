# MLflow on Cloud Run, with its records in the store's instance and its artefacts in a bucket.
#
# It is reached from the private network only. Cloud Run does not ask for a token there: the clients' token would have to
# be renewed each hour, which MLflow's client does not do.

resource "google_storage_bucket" "artefacts" {
  #checkov:skip=CKV_GCP_62:two accounts of our own can read it, and its objects have versions. A bucket of logs would be one more to keep.
  name                        = "${var.project}-${var.name}-mlflow"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = true # a model that was overwritten or deleted can be had again
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }
}

resource "google_storage_bucket_iam_member" "mlflow" {
  bucket = google_storage_bucket.artefacts.name
  role   = "roles/storage.objectUser"
  member = var.member
}

resource "google_cloud_run_v2_service" "mlflow" {
  name                 = "${var.name}-mlflow"
  location             = var.region
  ingress              = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  invoker_iam_disabled = true # see above: who is in the private network may ask
  deletion_protection  = var.deletion_protection

  scaling {
    min_instance_count = var.min_instances
    max_instance_count = 2
  }

  template {
    service_account = var.account

    containers {
      image   = var.image
      command = ["mlflow", "server"]
      args = [
        "--host=0.0.0.0", "--port=8080", "--workers=2", "--serve-artifacts",
        "--artifacts-destination=gs://${google_storage_bucket.artefacts.name}",
        "--allowed-hosts=*", # Cloud Run's front end has checked the name already
      ]

      env {
        name  = "MLFLOW_DISABLE_TELEMETRY" # it would report to those who make it
        value = "true"
      }
      env {
        name = "MLFLOW_BACKEND_STORE_URI"
        value_source {
          secret_key_ref {
            secret  = var.dsn_secret
            version = "latest"
          }
        }
      }

      ports {
        container_port = 8080
      }

      resources {
        limits            = { cpu = "1", memory = "2Gi" }
        startup_cpu_boost = true
        cpu_idle          = true # it works only while it answers
      }

      startup_probe {
        http_get {
          path = "/health"
        }
        period_seconds    = 5
        failure_threshold = 48 # its first start makes the tables
      }
    }

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        subnetwork = var.subnetwork_id
      }
    }
  }

  lifecycle {
    ignore_changes = [client, client_version]
  }

  depends_on = [google_storage_bucket_iam_member.mlflow]
}
