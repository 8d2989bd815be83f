# Airflow, in one of two ways: one machine without a public address, or Composer 3. Its own secrets are made for both.

locals {
  # On the machine Airflow is ours, with keys of ours. Composer makes its own.
  keys = var.kind == "vm" ? toset(["fernet_key", "jwt_key"]) : toset([])
}

resource "google_storage_bucket" "work" {
  #checkov:skip=CKV_GCP_62:two accounts of our own can read it, and its objects have versions. A bucket of logs would be one more to keep.
  name                        = "${var.project}-${var.name}-work"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 7
    }
  }

  # What tasks hand over is needed until their run has ended. MLflow keeps the rows of each training.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 30
      matches_prefix = ["handover/"]
    }
  }
}

resource "google_storage_bucket_iam_member" "work" {
  for_each = { airflow = "roles/storage.objectUser", build = "roles/storage.objectViewer" }
  bucket   = google_storage_bucket.work.name
  role     = each.value
  member   = var.members[each.key]
}

resource "google_secret_manager_secret" "key" {
  for_each            = local.keys
  secret_id           = "${var.name}-airflow-${replace(each.key, "_", "-")}"
  deletion_protection = false # the value can be made again: raise the version of the secrets

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "key" {
  for_each               = google_secret_manager_secret.key
  secret                 = each.value.id
  secret_data_wo         = var.secrets["airflow_${each.key}"]
  secret_data_wo_version = tostring(var.secrets_version)
}

resource "google_secret_manager_secret_iam_member" "key" {
  for_each  = google_secret_manager_secret.key
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.members["airflow"]
}
