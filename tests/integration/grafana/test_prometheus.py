"""Prometheus itself reads our configuration and rules, and scrapes a running service with them."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from cyclone.store import Store
from grafana.trial.questions import FOLDER
from tests.support.prometheus import Prometheus, check_files, run_prometheus
from tests.support.serving import ROW, TARGET, Service, run_service, wait_until

FILES = FOLDER / "prometheus"
PAGE = (FOLDER.parent / "docs" / "webhook.md").read_text()
(RULE,) = re.findall(r"```yaml\n(groups:.*?)```", PAGE, re.S)
RECORDS = re.findall(r"- record: (\S+)", (FILES / "cyclone-rules.yml").read_text())
SLOW = {
    "rule_files": ["rules.yml"],
    "tests": [
        {
            "interval": "1m",
            "input_series": [
                {"series": f'cyclone_request_seconds_bucket{{model="{model}", le="{bound}"}}', "values": values}
                for model, bound, values in (
                    ("bike_demand", "1", "0+98x6 588+100x30"),
                    ("bike_demand", "2.5", "0+100x36"),
                    ("bike_demand", "+Inf", "0+100x36"),
                    ("other", "1", "0x36"),
                    ("other", "+Inf", "0+100x36"),
                )
            ],
            "alert_rule_test": [
                {"eval_time": "5m", "alertname": "SlowAnswers", "exp_alerts": []},
                {
                    "eval_time": "7m",
                    "alertname": "SlowAnswers",
                    "exp_alerts": [
                        {
                            "exp_labels": {"cyclone": "roll_back", "model": "bike_demand"},
                            "exp_annotations": {"summary": "p99 of bike_demand is above one second"},
                        }
                    ],
                },
                {"eval_time": "20m", "alertname": "SlowAnswers", "exp_alerts": []},
            ],
        }
    ],
}
"""Two of a hundred answers take more than a second for six minutes, and none after that."""


def test_the_configuration_and_the_rules_are_what_prometheus_reads(tmp_path: Path) -> None:
    assert "1 rule files found" in check_files("promtool", "check", "config", FILES / "prometheus.yml")
    assert f"{len(RECORDS)} rules found" in check_files("promtool", "check", "rules", FILES / "cyclone-rules.yml")
    (tmp_path / "rules.yml").write_text(RULE.replace("rate(", "rat("))
    with pytest.raises(ValueError, match='unknown function with name "rat"'):
        check_files("promtool", "check", "rules", tmp_path / "rules.yml")


def test_the_recording_rules_give_what_their_names_say(tmp_path: Path) -> None:
    check_files("promtool", "test", "rules", FILES / "cyclone-rules.test.yml")
    tested = (FILES / "cyclone-rules.test.yml").read_text()
    assert [name for name in RECORDS if not re.search(rf"- expr:.*{name}", tested)] == []
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    rules = tmp_path / "cyclone-rules.yml"
    rules.write_text(rules.read_text().replace("|set_aside", ""))
    with pytest.raises(ValueError, match="cyclone:log_lost_share:rate5m"):
        check_files("promtool", "test", "rules", tmp_path / "cyclone-rules.test.yml")


def test_the_rule_of_the_documentation_fires_after_five_slow_minutes_of_its_model(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULE)
    (tmp_path / "test.yml").write_text(yaml.safe_dump(SLOW))
    check_files("promtool", "test", "rules", tmp_path / "test.yml")


def write_configuration(folder: Path, port: int) -> Path:
    """Our example and rules for a service at a port, read every second instead of every 15 or 30."""
    example: dict[str, Any] = yaml.safe_load((FILES / "prometheus.yml").read_text())
    example["global"]["scrape_interval"] = "1s"
    example["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(example))
    rules = (FILES / "cyclone-rules.yml").read_text().replace("interval: 30s", "interval: 1s")
    (folder / "cyclone-rules.yml").write_text(rules)
    return folder / "prometheus.yml"


def read_record(prometheus: Prometheus, name: str, **labels: str) -> float:
    """The number of a record for our model. Nothing is NaN."""
    wanted = {"__name__": name, "model": "bike_demand", **labels}
    return next((number for found, number in prometheus.ask(name) if found == wanted), math.nan)


def test_prometheus_scrapes_a_service_and_every_record_has_its_number(
    bundle: Path, store: Store, tmp_path: Path
) -> None:
    with (
        run_service(bundle, store, tmp_path, TARGET, tmp_path) as service,
        run_prometheus(tmp_path, write_configuration(tmp_path, service.port)) as prometheus,
    ):
        scraped = 'count_over_time(cyclone_requests_total{model="bike_demand", code="2xx"}[5m]) >= 2'
        wait_until(lambda: bool(prometheus.ask(scraped)), "two scrapes before the first request")
        ask_service(service)
        share = "cyclone:refused_share:rate5m"
        wait_until(lambda: math.isclose(read_record(prometheus, share), 0.25), "a quarter was refused")
        wait_until(lambda: read_record(prometheus, "cyclone:log_rows:rate5m", outcome="stored") > 0, "rows are stored")
        assert {found["__name__"] for name in RECORDS for found, _ in prometheus.ask(name)} == set(RECORDS)
        assert read_record(prometheus, "cyclone:requests:rate5m", code="2xx") > 0
        assert read_record(prometheus, "cyclone:failure_share:rate5m") == 0
        assert read_record(prometheus, "cyclone:log_lost_share:rate5m") == 0
        p50, p99 = (read_record(prometheus, f"cyclone:request_seconds:{name}_5m") for name in ("p50", "p99"))
        assert 0 < p50 <= p99 < 10
        assert 0 < read_record(prometheus, "cyclone:request_seconds:mean_5m") < 10


def ask_service(service: Service) -> None:
    """Thirty requests that are answered, and ten that are refused."""
    for number in range(40):
        status, _ = service.predict(ROW if number % 4 else {**ROW, "hour": 99})
        assert status == (200 if number % 4 else 400)
