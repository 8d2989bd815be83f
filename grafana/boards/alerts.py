"""Alert rules, the contact point and its templates, as files for Grafana's provisioning.

In these files `$` begins a variable of the environment, except in questions and annotations. Labels that need one write
`$$`. Each rule returns every model with 0 or 1, so that no model's alarm ends because its row went away.
"""

from dataclasses import dataclass
from typing import Literal

from grafana.boards.queries import SOURCE, Json

Action = Literal["retrain", "note"]
NoData = Literal["OK", "NoData"]
OnError = Literal["KeepLast", "Error"]
FOLDER = "Cyclone alerts"
"""The folder of the rules, found by its title. Boards find theirs by a uid, so one title would make two folders."""
CONTACT_POINT = "cyclone"
SECRETS = "/etc/grafana/cyclone"
"""The folder on Grafana's machine that holds the files with passwords, one a file."""
LOOK_BACK_SECONDS = 600
"""Views of alarms know the time themselves. Grafana asks for a range all the same."""


@dataclass(frozen=True)
class Rule:
    """One alert rule. `lasts` is how long it has to be true. `action` is what the webhook is asked for.

    A message leads to the panel of a board.
    """

    name: str
    title: str
    summary: str
    action: Action
    severity: Literal["critical", "warning"]
    lasts: str
    board: str
    panel: int
    no_data: NoData = "OK"
    on_error: OnError = "KeepLast"


RULES = (
    Rule(
        "error",
        "Error has risen",
        "a typical day's error is above the limit of its policy. Cyclone was asked to retrain, and its policy decides",
        "retrain",
        "warning",
        "0s",
        "model",
        2,
    ),
    Rule(
        "service",
        "Service is failing",
        "a service check of the version that serves has failed: failed requests, latency, lost rows or missing traffic",
        "note",
        "critical",
        "0s",
        "model",
        5,
    ),
    Rule(
        "log",
        "Log loses rows",
        "less of the newest day's answered rows is in the log than the share that its policy asks for",
        "note",
        "critical",
        "5m",
        "log",
        1,
    ),
    Rule(
        "labels",
        "Labels have stopped",
        "no label has come for longer than the labels' delay and the silence that model.yaml allows",
        "note",
        "warning",
        "0s",
        "model",
        2,
    ),
    Rule(
        "monitor",
        "A monitor does not run",
        "three times the longest gap of its schedule has passed since the monitor ran, or it never ran. Nobody watches"
        " the model",
        "note",
        "critical",
        "10m",  # a first release is watched by the next run of its monitor, which most have within ten minutes
        "fleet",
        5,
        no_data="NoData",
        on_error="Error",
    ),
    Rule(
        "hold",
        "A hold waits for a person",
        "the policy holds retrainings until somebody has looked. The board says why, and `cyclone status` what to do",
        "note",
        "warning",
        "0s",
        "loop",
        8,
    ),
)
"""Where nothing is returned, no model is monitored, which is fine for five rules and worth telling once: by `monitor`.

Where Postgres does not answer, the others keep what they last said, so that a restart neither ends an alarm nor begins
one, and `monitor` tells that it could not ask.
"""


def build_rule(rule: Rule) -> Json:
    """A rule as Grafana reads it: the question, and the threshold above 0."""
    span = {"from": LOOK_BACK_SECONDS, "to": 0}
    question: Json = {
        "refId": "A",
        "datasource": SOURCE,
        "format": "table",
        "editorMode": "code",
        "rawQuery": True,
        "rawSql": f"SELECT model, value FROM alarm_{rule.name} ORDER BY model",
    }
    threshold: Json = {
        "refId": "C",
        "type": "threshold",
        "expression": "A",
        "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
    }
    return {
        "uid": f"cyclone-alarm-{rule.name}",
        "title": rule.title,
        "condition": "C",
        "for": rule.lasts,
        "noDataState": rule.no_data,
        "execErrState": rule.on_error,
        "labels": {"cyclone": rule.action, "severity": rule.severity},
        "annotations": {"summary": f"{{{{ $labels.model }}}}: {rule.summary}"},
        "dashboardUid": f"cyclone-{rule.board}",
        "panelId": rule.panel,
        "notification_settings": {
            "receiver": CONTACT_POINT,
            "group_by": ["grafana_folder", "alertname", "model"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "4h",
        },
        "data": [
            {"refId": "A", "relativeTimeRange": span, "datasourceUid": SOURCE["uid"], "model": question},
            {"refId": "C", "relativeTimeRange": {"from": 0, "to": 0}, "datasourceUid": "__expr__", "model": threshold},
        ],
    }


def build_rules() -> Json:
    """The file of all rules."""
    group = {
        "orgId": 1,
        "name": "cyclone",
        "folder": FOLDER,
        "interval": "1m",
        "rules": [build_rule(rule) for rule in RULES],
    }
    return {"apiVersion": 1, "groups": [group]}


def build_contact_points() -> Json:
    """The file of the contact point: Cyclone's webhook, signed with a time.

    No mail is in it, because Grafana does not start with a receiver of mail that has no address.
    """
    webhook = {
        "url": "$__env{CYCLONE_WEBHOOK_URL}",
        "httpMethod": "POST",
        "maxAlerts": "0",
        "hmacConfig": {
            "secret": f"$__file{{{SECRETS}/webhook-secret}}",
            "header": "X-Grafana-Alerting-Signature",
            "timestampHeader": "X-Grafana-Alerting-Timestamp",
        },
    }
    receivers = [{"uid": "cyclone-webhook", "type": "webhook", "disableResolveMessage": False, "settings": webhook}]
    return {
        "apiVersion": 1,
        "contactPoints": [{"orgId": 1, "name": CONTACT_POINT, "receivers": receivers}],
    }


TITLE = """{{ define "cyclone.title" -}}
{{ if eq .Status "firing" }}{{ .CommonLabels.alertname }}{{ else }}Over: {{ .CommonLabels.alertname }}{{ end -}}
{{ with .CommonLabels.model }}: {{ . }}{{ end -}}
{{ end }}"""
MAIL = """{{ define "cyclone.mail" -}}
{{ range .Alerts -}}
{{ if eq .Status "firing" }}{{ .Annotations.summary }}.{{ else }}Over: {{ .Annotations.summary }}.{{ end }}
Since {{ .StartsAt.Format "2006-01-02 15:04 MST" }}. {{ with .PanelURL }}The panel: {{ . }}{{ end }}
{{ with .Labels.cyclone }}Cyclone was told: {{ . }}.{{ end }}

{{ end -}}
{{ end }}"""
SLACK = """{{ define "cyclone.slack" -}}
{{ range .Alerts -}}
{{ if eq .Status "firing" }}:rotating_light:{{ else }}:white_check_mark:{{ end }} *{{ .Labels.alertname }}*
{{ .Annotations.summary }} {{ with .PanelURL }}<{{ . }}|panel>{{ end }} {{ with .SilenceURL }}<{{ . }}|silence>{{ end }}
{{ end -}}
{{ end }}"""


def build_templates() -> Json:
    """The file of the messages. No `$` stands in them, which Grafana would take for a variable."""
    named = {"cyclone.title": TITLE, "cyclone.mail": MAIL, "cyclone.slack": SLACK}
    return {
        "apiVersion": 1,
        "templates": [{"orgId": 1, "name": name, "template": text} for name, text in named.items()],
    }
