"""The rules for Prometheus name what a service exposes, and nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.trial.questions import FOLDER

RULES = yaml.safe_load((FOLDER / "prometheus" / "cyclone-rules.yml").read_text())["groups"]
EXPRESSIONS = {rule["record"]: rule["expr"] for group in RULES for rule in group["rules"]}
NAME = re.compile(r"\bcyclone_\w+")
MATCHER = re.compile(r'(\w+)(=~?)"([^"]*)"')
SHOW = (
    "from prometheus_client import generate_latest\n"
    "from bento_service.log.metrics import LATENCY, LOG_QUEUE, LOG_SPOOL\n"
    "LATENCY.observe(0.1), LOG_QUEUE.set(1), LOG_SPOOL.set(1)\n"
    "print(generate_latest().decode())"
)


@pytest.fixture(scope="module")
def exposed() -> list[str]:
    """The lines of /metrics, of a process of its own that has answered a request."""
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("PROMETHEUS")}
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=FOLDER.parent, env=surroundings, capture_output=True, text=True, check=True
    )
    return [line for line in shown.stdout.splitlines() if line.startswith("cyclone_")]


def find_unknown(expression: str, lines: list[str]) -> list[str]:
    """The names of an expression that no line has, and the labels' values that no line has."""
    known = {re.split(r"[{ ]", line)[0] for line in lines}
    unknown = [name for name in NAME.findall(expression) if name not in known]
    for label, _, values in MATCHER.findall(expression):
        unknown += [value for value in values.split("|") if not any(f'{label}="{value}"' in line for line in lines)]
    return unknown


@pytest.mark.parametrize("record", EXPRESSIONS)
def test_a_rule_names_what_a_service_exposes(record: str, exposed: list[str]) -> None:
    expression = EXPRESSIONS[record]
    assert find_unknown(expression, exposed) == []
    assert expression.count("(") == expression.count(")")
    assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", record)


def test_a_name_or_an_outcome_that_is_not_there_is_found(exposed: list[str]) -> None:
    assert find_unknown('rate(cyclone_request_total{code="6xx"}[5m])', exposed) == ["cyclone_request_total", "6xx"]


def test_the_example_scrapes_the_path_that_a_service_answers_and_loads_the_rules() -> None:
    example: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
    assert [Path(name).name for name in example["rule_files"]] == ["cyclone-rules.yml"]
    assert [job["metrics_path"] for job in example["scrape_configs"]] == ["/metrics"]
    assert "model" in example["scrape_configs"][0]["static_configs"][0]["labels"]
