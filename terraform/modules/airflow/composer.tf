# Composer 3. It installs Cyclone's wheel from the Python repository, because its scheduler and triggerer see no plugins of
# the bucket, and they need the triggers.

resource "google_composer_environment" "airflow" {
  count  = var.kind == "composer" ? 1 : 0
  name   = "${var.name}-airflow"
  region = var.region

  config {
    environment_size           = "ENVIRONMENT_SIZE_SMALL"
    enable_private_environment = true
    enable_private_builds_only = true

    software_config {
      image_version = var.composer_image
      pypi_packages = { "cyclone-mlops" = "==${var.wheel_version}" }

      airflow_config_overrides = {
        core-load_examples                         = "False"
        core-parallelism                           = tostring(var.parallelism)
        triggerer-triggerer_health_check_threshold = "60"
      }

      # A secret is named and not given: a setting that begins with projects/ is read from Secret Manager.
      env_variables = merge({
        CYCLONE_STORE_DSN          = "${var.settings["store_dsn_secret"]}/versions/latest"
        CYCLONE_TRAINING_DSN       = "${var.settings["training_dsn_secret"]}/versions/latest"
        MLFLOW_TRACKING_URI        = var.settings["mlflow_uri"]
        CYCLONE_CLOUD_RUN_PROJECT  = var.settings["project"]
        CYCLONE_CLOUD_RUN_LOCATION = var.settings["region"]
        CYCLONE_IMAGE_REPOSITORY   = var.settings["image_repository"]
        CYCLONE_MODELS_DIR         = "/home/airflow/gcs/data/models"
        CYCLONE_WORK_DIR           = "/tmp/cyclone" # each worker's own: tasks hand files over in the bucket
        CYCLONE_HANDOVER_URL       = var.settings["handover_url"]
      }, var.has_api_keys ? { CYCLONE_API_KEYS = "${var.settings["api_keys_secret"]}/versions/latest" } : {})
    }

    node_config {
      subnetwork      = var.subnetwork_id
      network         = var.network_id
      service_account = var.account
    }

    workloads_config {
      scheduler {
        cpu        = 1
        memory_gb  = 4
        storage_gb = 1
        count      = 1
      }
      dag_processor {
        cpu        = 1
        memory_gb  = 4
        storage_gb = 1
        count      = 1
      }
      triggerer {
        cpu       = 1
        memory_gb = 2
        count     = 1
      }
      web_server {
        cpu        = 1
        memory_gb  = 4
        storage_gb = 1
      }
      worker {
        cpu        = 2
        memory_gb  = 8
        storage_gb = 10
        min_count  = 1
        max_count  = 3
      }
    }
  }

  timeouts {
    create = "90m"
  }
}
