# The evaluation store: Postgres without a public address, with recovery to any minute, and a replica for training. The
# same instance has the databases of MLflow and of Airflow, each with a user of its own.

locals {
  # The databases, and who signs in to which. The owner applies migrations.
  users = { for key, item in local.all_users : key => item if key != "airflow_metadata" || var.has_airflow_database }
  all_users = {
    owner            = { user = "cyclone_owner", database = "cyclone" }
    airflow          = { user = "cyclone_airflow", database = "cyclone" }
    serving          = { user = "cyclone_serving", database = "cyclone" }
    grafana          = { user = "cyclone_grafana", database = "cyclone" }
    mlflow           = { user = "mlflow", database = "mlflow" }
    airflow_metadata = { user = "airflow", database = "airflow" }
  }
  # Which component reads which DSN. The training DSN is the airflow user's, at the replica where there is one.
  readers = { for key, reader in local.all_readers : key => reader if key != "airflow_metadata" || var.has_airflow_database }
  all_readers = {
    owner            = "migrations"
    airflow          = "airflow"
    serving          = "serving"
    grafana          = "grafana"
    mlflow           = "mlflow"
    airflow_metadata = "airflow"
    training         = "airflow"
  }
  primary  = google_sql_database_instance.primary.private_ip_address
  training = var.has_replica ? google_sql_database_instance.replica[0].private_ip_address : local.primary
  # A DSN needs no more than one parameter, so that a shell, systemd and Docker all read it without quotes.
  # Airflow hands its own DSN to asyncpg as well, which knows no sslmode. The server refuses what is not encrypted anyway.
  dsns = merge(
    {
      for key, item in local.users :
      key => "postgresql://${item.user}:${urlencode(var.secrets["database_${key}"])}@${local.primary}:5432/${item.database}${key == "airflow_metadata" ? "" : "?sslmode=require"}"
    },
    { training = "postgresql://cyclone_airflow:${urlencode(var.secrets["database_airflow"])}@${local.training}:5432/cyclone?sslmode=require" },
  )
}

resource "google_sql_database_instance" "primary" {
  #checkov:skip=CKV_GCP_108:names of hosts would be looked up at each connection, and all addresses are of our own network
  #checkov:skip=CKV2_GCP_13:a line for each statement would be one for each batch of predictions. Slow ones are in Query Insights.
  #checkov:skip=CKV_GCP_6:connections are encrypted (ssl_mode). Certificates of clients would be keys to hand out and to renew.
  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_18" # the version that the tests run on
  deletion_protection = var.deletion_protection

  settings {
    edition                     = "ENTERPRISE" # from 16 on the default is ENTERPRISE_PLUS, which refuses small machines
    tier                        = var.tier
    availability_type           = var.is_highly_available ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network_id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "03:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7 # the most that this edition keeps
      backup_retention_settings {
        retained_backups = var.retained_backups
      }
    }

    maintenance_window {
      day          = 7
      hour         = 4
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl" # migrations, and whatever else changes a table
    }
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on" # people sign in as themselves, without a password
    }
  }

  lifecycle {
    ignore_changes = [settings[0].disk_size] # it grows by itself, and is never made smaller
  }
}

# What training reads: long queries there do not slow the log down.
resource "google_sql_database_instance" "replica" {
  #checkov:skip=CKV_GCP_108:names of hosts would be looked up at each connection, and all addresses are of our own network
  #checkov:skip=CKV2_GCP_13:a line for each statement would be one for each batch of predictions. Slow ones are in Query Insights.
  #checkov:skip=CKV_GCP_6:connections are encrypted (ssl_mode). Certificates of clients would be keys to hand out and to renew.
  count                = var.has_replica ? 1 : 0
  name                 = "${var.name}-replica"
  region               = var.region
  database_version     = google_sql_database_instance.primary.database_version
  master_instance_name = google_sql_database_instance.primary.name
  deletion_protection  = var.deletion_protection

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.tier # Google refuses a replica that is smaller than its primary
    availability_type           = "ZONAL"
    disk_type                   = "PD_SSD"
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network_id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    # Those of the primary once more: checkov does not read flags from a dynamic block.
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl" # migrations, and whatever else changes a table
    }
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "hot_standby_feedback" # or a long query of a training is cancelled by a vacuum of the primary
      value = "on"
    }
  }

  lifecycle {
    ignore_changes = [settings[0].disk_size]
  }
}

resource "google_sql_database" "this" {
  for_each = toset([for item in local.users : item.database])
  name     = each.key
  instance = google_sql_database_instance.primary.name
  # Postgres refuses to drop a database or a user that something depends on. Both go with the instance.
  deletion_policy = "ABANDON"
}

resource "google_sql_user" "this" {
  for_each            = local.users
  name                = each.value.user
  instance            = google_sql_database_instance.primary.name
  password_wo         = var.secrets["database_${each.key}"]
  password_wo_version = var.secrets_version
  deletion_policy     = "ABANDON"
}

resource "google_secret_manager_secret" "dsn" {
  for_each            = local.readers
  secret_id           = "${var.name}-dsn-${replace(each.key, "_", "-")}"
  deletion_protection = false # the value can be made again: raise the version of the secrets

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "dsn" {
  for_each               = google_secret_manager_secret.dsn
  secret                 = each.value.id
  secret_data_wo         = local.dsns[each.key]
  secret_data_wo_version = tostring(var.secrets_version)
  depends_on             = [google_sql_user.this]
}

resource "google_secret_manager_secret_iam_member" "dsn" {
  for_each  = local.readers
  secret_id = google_secret_manager_secret.dsn[each.key].id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.members[each.value]
}
