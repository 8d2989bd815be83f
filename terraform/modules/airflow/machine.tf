# One machine with Google's container system. At its start it writes the settings from the outputs below with the command
# that a person would use, and starts Airflow's four processes as containers.

locals {
  unit = {
    name     = var.name
    image    = var.image
    registry = split("/", var.image)[0]
    # The same document as `terraform output -json`. It has the names of secrets and no secret.
    outputs = jsonencode({ for key, value in merge(var.settings, local.key_outputs) : key => { value = value } })
    # Airflow's own options. Its secrets are among the settings.
    airflow   = join("\n", [for key, value in local.airflow_options : "${key}=${value}"])
    processes = ["api-server", "scheduler", "dag-processor", "triggerer"]
  }
  key_outputs = { for key, version in google_secret_manager_secret_version.key : "airflow_${key}_secret" => version.secret }
  airflow_options = {
    AIRFLOW_HOME                            = "/var/lib/cyclone/airflow"
    AIRFLOW__CORE__DAGS_FOLDER              = "/opt/cyclone/dags"
    AIRFLOW__CORE__EXECUTOR                 = "LocalExecutor"
    AIRFLOW__CORE__LOAD_EXAMPLES            = "False"
    AIRFLOW__CORE__PARALLELISM              = tostring(var.parallelism)
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL = "http://127.0.0.1:8080/execution/"
    AIRFLOW__API__HOST                      = "127.0.0.1" # its pages are reached through SSH
    CYCLONE_MODELS_DIR                      = "/opt/cyclone/models"
    CYCLONE_WORK_DIR                        = "/var/lib/cyclone/work"
  }
}

resource "google_compute_disk" "state" {
  count = var.kind == "vm" ? 1 : 0
  name  = "${var.name}-airflow-state"
  zone  = var.zone
  type  = "pd-balanced"
  size  = var.disk_gb
}

resource "google_compute_instance" "airflow" {
  count                     = var.kind == "vm" ? 1 : 0
  name                      = "${var.name}-airflow"
  zone                      = var.zone
  machine_type              = var.machine_type
  tags                      = ["cyclone-airflow"]
  deletion_protection       = var.deletion_protection
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image = "projects/cos-cloud/global/images/family/cos-stable"
      size  = 20
      type  = "pd-balanced"
    }
  }

  attached_disk {
    source      = google_compute_disk.state[0].id
    device_name = "state"
  }

  network_interface {
    subnetwork = var.subnetwork_id # and no access_config: no public address
  }

  service_account {
    email  = var.account
    scopes = ["cloud-platform"] # what it may do is said by its roles
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    user-data                = templatefile("${path.module}/machine.yaml.tftpl", local.unit)
    google-logging-enabled   = "true"
    block-project-ssh-keys   = "true"
    enable-oslogin           = "true"
    disable-legacy-endpoints = "true"
    cos-update-strategy      = "update_enabled"
  }

  depends_on = [google_secret_manager_secret_iam_member.key]
}
