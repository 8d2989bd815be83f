# One service account a component, and what each may do in the whole project. What it may do with one resource (a secret,
# a bucket, a repository, a service) is said beside that resource. No account has a key: each is attached to what runs as it.

locals {
  # The project-wide roles, each with what it is needed for. A role that can be given for one resource is not here.
  project_roles = {
    airflow = {
      "roles/run.viewer"        = "a release waits for operations, which belong to the project and not to a service"
      "roles/logging.logWriter" = "the containers of the machine write their logs"
    }
    serving    = {} # answers requests and writes to the store, which asks for a password and not for a role
    mlflow     = {} # its bucket and its database are all it has
    migrations = {} # speaks to the store only
    grafana = {
      "roles/monitoring.viewer" = "dashboards beside those of the store: latency and instances as Cloud Run counts them"
    }
    build = {
      "roles/logging.logWriter" = "Cloud Build asks it of an account of one's own"
    }
  }
  composer_roles = var.has_composer ? {
    "roles/composer.worker" = "Composer refuses an environment whose account cannot run its workers"
  } : {}
  grants = merge([
    for component, roles in local.project_roles : {
      for role, reason in merge(roles, component == "airflow" ? local.composer_roles : {}) :
      "${component} ${role}" => { component = component, role = role, reason = reason }
    }
  ]...)
}

resource "google_service_account" "component" {
  for_each     = local.project_roles
  account_id   = "${var.name}-${each.key}"
  display_name = "Cyclone: ${each.key}"
}

resource "google_project_iam_member" "component" {
  for_each = local.grants
  project  = var.project
  role     = each.value.role
  member   = google_service_account.component[each.value.component].member
}
