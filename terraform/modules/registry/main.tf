# Where images and packages are. Models' images are cleaned by the pipeline, which knows which are still needed. So that
# repository has no cleanup policy and mutable tags: a release moves them.

resource "google_artifact_registry_repository" "models" {
  #checkov:skip=CKV_GCP_84:encrypted with keys of Google. Keys of our own would have to be kept as long as the images.
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  description   = "The base image of serving, and one image a model's version"

  docker_config {
    immutable_tags = false # a retraining that is tried again moves its tag, and cleaning deletes it first
  }
}

resource "google_artifact_registry_repository" "platform" {
  #checkov:skip=CKV_GCP_84:encrypted with keys of Google. Keys of our own would have to be kept as long as the images.
  location      = var.region
  repository_id = "${var.name}-platform"
  format        = "DOCKER"
  description   = "The images of Airflow, MLflow and Grafana"

  docker_config {
    immutable_tags = true
  }

  cleanup_policies {
    id     = "keep-the-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "delete-old-ones"
    action = "DELETE"
    condition {
      older_than = "90d"
    }
  }
}

resource "google_artifact_registry_repository" "python" {
  #checkov:skip=CKV_GCP_84:encrypted with keys of Google. Keys of our own would have to be kept as long as the images.
  location      = var.region
  repository_id = "${var.name}-python"
  format        = "PYTHON"
  description   = "Cyclone's wheel, which Composer installs"
}

locals {
  # Who may do what with which repository. repoAdmin deletes images, which cleaning after a promotion needs.
  grants = {
    "airflow models"   = { component = "airflow", repository = "models", role = "roles/artifactregistry.repoAdmin" }
    "airflow platform" = { component = "airflow", repository = "platform", role = "roles/artifactregistry.reader" }
    "airflow python"   = { component = "airflow", repository = "python", role = "roles/artifactregistry.reader" }
    "build models"     = { component = "build", repository = "models", role = "roles/artifactregistry.writer" }
    "build platform"   = { component = "build", repository = "platform", role = "roles/artifactregistry.writer" }
    "build python"     = { component = "build", repository = "python", role = "roles/artifactregistry.writer" }
  }
  repositories = {
    models   = google_artifact_registry_repository.models
    platform = google_artifact_registry_repository.platform
    python   = google_artifact_registry_repository.python
  }
}

resource "google_artifact_registry_repository_iam_member" "this" {
  for_each   = local.grants
  location   = var.region
  repository = local.repositories[each.value.repository].name
  role       = each.value.role
  member     = var.members[each.value.component]
}
