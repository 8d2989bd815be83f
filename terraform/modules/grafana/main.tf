# Grafana on Cloud Run. People come through Cloud Run's own check of who they are: the service is private, and
# `gcloud run services proxy` or Identity-Aware Proxy opens it. It reads the store as a user of its own.

resource "google_secret_manager_secret" "admin" {
  secret_id           = "${var.name}-grafana-admin"
  deletion_protection = false # the value can be made again: raise the version of the secrets

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "admin" {
  secret                 = google_secret_manager_secret.admin.id
  secret_data_wo         = var.secrets["grafana_admin"]
  secret_data_wo_version = tostring(var.secrets_version)
}

resource "google_secret_manager_secret_iam_member" "admin" {
  secret_id = google_secret_manager_secret.admin.id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.member
}

resource "google_cloud_run_v2_service" "grafana" {
  name                = "${var.name}-grafana"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = var.deletion_protection

  scaling {
    min_instance_count = var.min_instances
    max_instance_count = 1 # its own database is a file of the instance: everything is provisioned, and nothing is edited
  }

  template {
    service_account = var.account

    containers {
      image = var.image

      env {
        name  = "GF_SERVER_HTTP_PORT"
        value = "8080"
      }
      env {
        name  = "GF_ANALYTICS_REPORTING_ENABLED"
        value = "false"
      }
      env {
        name  = "GF_AUTH_ANONYMOUS_ENABLED"
        value = "false"
      }
      env {
        name = "GF_SECURITY_ADMIN_PASSWORD"
        value_source {
          secret_key_ref {
            secret  = google_secret_manager_secret_version.admin.secret
            version = "latest"
          }
        }
      }
      env {
        name = "CYCLONE_STORE_DSN" # the data source that the image provisions reads it
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
        limits   = { cpu = "1", memory = "512Mi" }
        cpu_idle = var.min_instances == 0 # alerts are evaluated between requests where an instance always runs
      }

      startup_probe {
        http_get {
          path = "/api/health"
        }
        period_seconds    = 5
        failure_threshold = 24
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

  depends_on = [google_secret_manager_secret_iam_member.admin]
}

resource "google_cloud_run_v2_service_iam_member" "viewers" {
  for_each = var.viewers
  location = var.region
  name     = google_cloud_run_v2_service.grafana.name
  role     = "roles/run.invoker"
  member   = each.key
}
