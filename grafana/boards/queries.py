"""What asks the store: targets of panels, variables and annotations. Every question selects from `sql/views/`."""

from typing import Any

Json = dict[str, Any]

SOURCE: Json = {"type": "grafana-postgresql-datasource", "uid": "cyclone-postgres"}
"""The data source of every question, by its fixed uid."""
MODEL = "${model:sqlstring}"
"""The chosen model, quoted. `:sqlstring` doubles quotes, so that a value in an address cannot become SQL."""
VERSIONS = "ANY (ARRAY(SELECT nullif(chosen, '')::integer FROM unnest(ARRAY[${version:sqlstring}]::text[]) AS chosen))"
"""The chosen versions, for `version = …`. Without any Grafana fills in nothing, so the array has to say its type.

An address such as `…&var-version=` makes it an empty text.
"""
SHOWN, HIDDEN = 0, 2
"""Whether a variable has a control at the top of its board."""


def ask_rows(sql: str, ref_id: str = "A") -> Json:
    """A question whose rows are shown as they are."""
    return _ask(sql, "table", ref_id)


def ask_series(sql: str, ref_id: str = "A") -> Json:
    """Points: a column `time`, ascending, numbers, and a text `metric` that names a series."""
    return _ask(sql, "time_series", ref_id)


def _ask(sql: str, form: str, ref_id: str) -> Json:
    return {
        "refId": ref_id,
        "datasource": SOURCE,
        "format": form,
        "editorMode": "code",
        "rawQuery": True,
        "rawSql": " ".join(sql.split()),
    }


def choose(name: str, label: str, sql: str, *, is_multi: bool, is_shown: bool) -> Json:
    """A variable whose values a question gives, read again when the time range changes."""
    chosen = {"current": {"text": "All", "value": ["$__all"]}} if is_multi else {}
    return chosen | {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": " ".join(sql.split()),
        "refresh": 2,
        "sort": 0,
        "multi": is_multi,
        "includeAll": is_multi,
        "hide": SHOWN if is_shown else HIDDEN,
        "skipUrlSync": False,
        "regex": "",
        "options": [],
    }


def list_variables(*shown: str) -> list[Json]:
    """The four variables, which every board has, so that a link keeps them. Only those named are shown."""
    return [
        choose(
            "model",
            "Model",
            "SELECT model FROM model_present ORDER BY model",
            is_multi=False,
            is_shown="model" in shown,
        ),
        choose(
            "version",
            "Version",
            f"SELECT version::text FROM known_version WHERE model = {MODEL} ORDER BY version DESC",
            is_multi=True,
            is_shown="version" in shown,
        ),
        choose(
            "feature",
            "Feature",
            f"SELECT feature FROM known_feature WHERE model = {MODEL} ORDER BY feature",
            is_multi=True,
            is_shown="feature" in shown,
        ),
        choose(
            "slice",
            "Slice",
            f"SELECT DISTINCT slice FROM gate_slice WHERE model = {MODEL} ORDER BY slice",
            is_multi=True,
            is_shown="slice" in shown,
        ),
    ]


ANNOTATIONS = {
    "Incidents": ("red", ("incident",)),
    "Holds": ("purple", ("hold",)),
    "Decisions": ("yellow", ("decision",)),
    "Retrainings": ("blue", ("retraining",)),
    "Canary steps": ("super-light-blue", ("canary", "candidate")),
    "Promotions": ("green", ("promotion",)),
    "Roll-backs": ("dark-red", ("roll-back",)),
    "Other changes": ("gray", ("change",)),
}
"""The colour of each layer of annotations, and the kinds of `model_event` that are in it."""


def list_annotations() -> list[Json]:
    """Everything that happened to the chosen model, one layer a kind."""
    return [_annotate(name, colour, kinds) for name, (colour, kinds) in ANNOTATIONS.items()]


def _annotate(name: str, colour: str, kinds: tuple[str, ...]) -> Json:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    sql = (
        "SELECT started_at AS time, ended_at AS timeend, words AS text, kind AS tags FROM model_event"
        f" WHERE model = {MODEL} AND kind IN ({listed}) AND $__timeFilter(started_at) ORDER BY started_at"
    )
    target = ask_rows(sql)
    del target["datasource"]
    return {"name": name, "datasource": SOURCE, "enable": True, "hide": False, "iconColor": colour, "target": target}
