# Who is told what. The alerts of Grafana tell of models. These tell of the machinery: a service that does not answer, rows
# that are lost, monitors that fail or stopped.

locals {
  channels = [google_monitoring_notification_channel.email.id]
  # The lines that count, as the code writes them. A test looks each up in the source.
  lines = {
    log-loss = {
      filter = join(" AND ", [
        "resource.type=\"cloud_run_revision\"",
        # By its words: Cloud Run gives a line of text no severity.
        "textPayload=~\"${local.loss}\"",
      ])
      told = "Answered rows are not in the prediction log. `cyclone log status` says how many, of which revision."
    }
    monitor-failed = {
      filter = join(" AND ", [local.monitor_runs, "(textPayload:\" failed\" OR jsonPayload.message:\" failed\")"])
      told   = "A run of a monitor failed. Its task's log in Airflow says why. Until one succeeds nothing is judged."
    }
    monitor-ended = {
      filter = join(" AND ", [local.monitor_runs, "(textPayload:\" successful\" OR jsonPayload.message:\" successful\")"])
      told   = "No run of a monitor has succeeded for an hour. Look whether the scheduler runs, and whether the DAGs are paused."
    }
  }
  loss         = "prediction log: .*(not in it|not in the store|refused row|cannot be read|cannot be written|left as it is)"
  monitor_runs = "(textPayload:\"Marking run <DagRun monitor__\" OR jsonPayload.message:\"Marking run <DagRun monitor__\")"
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "${var.name}: on call"
  type         = "email"
  labels       = { email_address = var.email }
}

resource "google_logging_metric" "line" {
  for_each    = local.lines
  name        = "${var.name}/${each.key}"
  description = each.value.told
  filter      = each.value.filter

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_monitoring_alert_policy" "line" {
  for_each              = { for key, line in local.lines : key => line if key != "monitor-ended" }
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels

  conditions {
    display_name = each.key
    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.line[each.key].name}\" AND resource.type=\"${each.key == "log-loss" ? "cloud_run_revision" : var.scheduler_resource}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = each.value.told
  }
}

resource "google_monitoring_alert_policy" "monitors_stopped" {
  display_name          = "${var.name}: no monitor"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels

  conditions {
    display_name = "no run of a monitor has succeeded for an hour"
    condition_absent {
      filter   = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.line["monitor-ended"].name}\" AND resource.type=\"${var.scheduler_resource}\""
      duration = "3600s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = local.lines["monitor-ended"].told
  }
}

# A service is asked from outside, by an account of Google's that may. Paths that end in z are not reached from outside, so
# the service's page is asked for.
resource "google_monitoring_uptime_check_config" "model" {
  for_each     = var.services
  display_name = "${var.name}: ${each.key}"
  timeout      = "10s"
  period       = "300s"

  http_check {
    path         = "/"
    port         = 443
    use_ssl      = true
    validate_ssl = true
    service_agent_authentication {
      type = "OIDC_TOKEN"
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project
      host       = trimprefix(var.urls[each.key], "https://")
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "uptime" {
  for_each = var.services
  location = var.region
  name     = each.value
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${var.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
}

resource "google_monitoring_alert_policy" "uptime" {
  count                 = length(var.services) > 0 ? 1 : 0
  display_name          = "${var.name}: a service does not answer"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

  conditions {
    display_name = "failed checks from several places"
    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1 # one place may have trouble of its own
      duration        = "300s"
      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["metric.label.check_id"]
      }
    }
  }

  documentation {
    content = "Google cannot reach a model's service. `cyclone status` says which revision serves, its log in Cloud Run says why."
  }
}
