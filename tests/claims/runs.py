"""Where CI runs each command that the README, the documents and `make help` give: a line of `.ci/run`, or a test.

A command without a place here fails `tests/unit/test_runs.py`, so that nothing is documented that nobody runs.
"""

import ast
import re

from tests.claims.documents import REPOSITORY

Places = dict[str, str]

CI = ".ci/run"
CANARY = "tests/integration/releasing/test_canary.py"
COMMANDS = "tests/integration/cyclone/test_commands.py"
HELP = "tests/unit/test_documents.py::test_make_help_shows_every_target_with_variables_that_the_makefile_asks_for"
IMAGES = f"{CI}: make test-docker && CYCLONE_CONTAINERS=true SMALL=1 make bench-release"
STATUS = "tests/integration/local_platform/test_status.py"
LOOP = "tests/e2e/test_loop.py"
TESTS = f"{CI}: make -j 2 --output-sync=target test"
BENCHMARKS = "backtest bench-serving bench-monitoring bench-gate bench-policy bench-newcomer bench-grafana bench-page"
SMALL = f"{CI}: SMALL=1 make -j 2 --output-sync=target {BENCHMARKS}"
PARSED = f"{COMMANDS}::test_a_target_that_needs_the_network_is_given_files_and_options_that_are_there"

TARGETS: Places = {
    "audit": PARSED,  # the advisory database is not reachable everywhere
    "backtest": SMALL,
    "base-image": "tests/docker/test_containers.py::test_make_base_image_pushes_the_one_of_this_source",
    "bench-gate": SMALL,
    "bench-grafana": SMALL,
    "bench-monitoring": SMALL,
    "bench-newcomer": SMALL,
    "bench-page": SMALL,
    "bench-policy": SMALL,
    "bench-release": IMAGES,
    "bench-serving": SMALL,
    "check": f"{CI}: make -j 2 --output-sync=target check sbom docs",
    "check-compose": "tests/compose/test_configuration.py::test_make_check_compose_runs_the_stack",  # CI's time is full
    "check-terraform": f"{CI}: make check-terraform",
    "clean": f"{COMMANDS}::test_make_clean_removes_what_was_made",
    "dashboards": "tests/unit/grafana/test_files.py::test_make_dashboards_writes_the_files",
    "demo": f"{LOOP}::test_the_demo_retrains_and_releases_because_the_error_rose",
    "docs": f"{CI}: make -j 2 --output-sync=target check sbom docs",
    "down": f"{LOOP}::platform",
    "format": f"{COMMANDS}::test_make_format_mends_python_and_sql",
    "help": HELP,
    "lock": PARSED,  # what it finds on the index today is not what was locked
    "sbom": f"{CI}: make -j 2 --output-sync=target check sbom docs",
    "setup": f"{CI}: make setup",
    "status": f"{LOOP}::test_status_tells_what_runs_and_what_serves",
    "test": TESTS,
    "test-docker": IMAGES,
    "test-fast": TESTS,  # which runs these tests and more
    "test-loop": TESTS,
    "test-parts": TESTS,
    "test-faults": f"{CI}: .venv/bin/pytest -n auto --maxprocesses 4 -m slow",  # the others are part of make test
    "up": f"{LOOP}::platform",
}
CYCLONE: Places = {
    "approve": "tests/integration/plugins/test_approval.py::test_the_commands_answer_with_a_reason",
    "backtest": f"{COMMANDS}::test_a_policy_is_tried_on_two_weeks",
    "check": f"{COMMANDS}::test_a_model_is_begun_from_a_file_and_found_without_fault",
    "configure": "tests/unit/cyclone/installation/test_secret_manager.py::"
    "test_the_command_writes_the_settings_of_an_installation",
    "demo": f"{LOOP}::test_starting_twice_is_refused_and_changes_nothing",
    "doctor": "tests/integration/releasing/test_doctor.py::test_the_command_tells_what_mends_a_fault_and_fails",
    "down": f"{LOOP}::platform",
    "env": f"{LOOP}::run_airflow",
    "explain": f"{LOOP}::test_what_the_loop_released_can_be_explained_and_made_again",
    "grafana connect": "tests/integration/grafana/test_grafana.py::"
    "test_the_command_makes_the_role_keeps_addresses_and_refuses_what_cannot_be",
    "init": f"{COMMANDS}::test_a_model_is_begun_from_a_file_and_found_without_fault",
    "keys add": f"{COMMANDS}::test_keys_are_added_listed_and_revoked",
    "keys list": f"{COMMANDS}::test_keys_are_added_listed_and_revoked",
    "keys revoke": f"{COMMANDS}::test_keys_are_added_listed_and_revoked",
    "labels load": "tests/integration/cyclone/test_labels_file.py::"
    "test_the_command_sums_up_and_fails_only_when_a_line_was_refused",
    "log status": "tests/integration/bento_service/test_log_status.py::show_status",
    "migrate": f"{COMMANDS}::test_a_store_is_migrated_and_asked_what_happened",
    "models": f"{COMMANDS}::test_models_are_listed",
    "monitor backfill": "tests/sql/test_backfill.py::test_the_command_tells_the_verdicts_of_each_day",
    "monitor what-if": "tests/sql/test_what_if.py::ask",
    "open": f"{STATUS}::test_the_platform_is_told_as_a_document_too",
    "predict": "tests/integration/releasing/test_batch.py::run",
    "promote": f"{CANARY}::test_a_person_may_promote_before_the_canary_is_over_and_return",
    "refuse": "tests/integration/plugins/test_approval.py::test_the_commands_answer_with_a_reason",
    "reconcile": f"{CANARY}::test_a_person_may_promote_before_the_canary_is_over_and_return",
    "redeploy": "tests/integration/releasing/test_deployed_keys.py::"
    "test_changed_keys_reach_what_serves_when_it_is_deployed_again",
    "replay": f"{LOOP}::test_the_replay_goes_on_where_the_demo_stopped",
    "reproduce": f"{LOOP}::test_what_the_loop_released_can_be_explained_and_made_again",
    "resume": "tests/integration/policy/test_requests_and_holds.py::test_the_commands_ask_are_held_and_resume",
    "retrain": "tests/integration/policy/test_requests_and_holds.py::test_the_commands_ask_are_held_and_resume",
    "retire": "tests/integration/releasing/test_retirement.py::"
    "test_the_command_ends_a_model_with_a_reason_and_is_safe_to_repeat",
    "rollback": f"{CANARY}::test_a_person_may_end_a_canary_by_rolling_it_back",
    "rollups rebuild": "tests/sql/test_rollups_exactly_once.py::test_the_command_rebuilds_what_was_lost",
    "status": f"{LOOP}::test_status_tells_what_runs_and_what_serves",
    "timeline": f"{COMMANDS}::test_a_store_is_migrated_and_asked_what_happened",
    "train": f"{STATUS}::test_train_says_how_to_start_a_platform_that_does_not_run",  # the demo trains as it does
    "up": f"{LOOP}::platform",
    "withdraw-calibration": "tests/integration/releasing/test_recalibration.py::"
    "test_the_monitor_corrects_a_served_model_by_the_labels_that_came_in",
}
MODULES: Places = {
    "bento_service.logging_proxy": "tests/integration/bento_service/test_logging_proxy.py::run_proxy",
    "benchmarks.cold_start.measure": IMAGES,
    "benchmarks.monitoring_airflow": SMALL,
    "benchmarks.monitoring_alarms": SMALL,
    "benchmarks.monitoring_cost": SMALL,
    "benchmarks.release_canary": IMAGES,
    "benchmarks.release_layer": IMAGES,
    "local_platform.cloud_run": "tests/support/cloud_run_driver.py::build_command",
    "local_platform.clean": "tests/integration/local_platform/test_platform.py::"
    "test_cleaning_removes_a_state_that_nothing_runs_in",
    "local_platform.compose.replay": "tests/compose/test_loop.py::test_an_alarm_brings_a_new_version_into_service",
    "training.images.base": f"{COMMANDS}::test_the_context_of_a_base_image_is_written",
}
AIRFLOW: Places = {
    "backfill create": f"{LOOP}::test_a_backfill_gives_the_verdicts_of_the_live_runs_and_starts_nothing",
    "dags trigger": f"{LOOP}::test_rows_that_break_the_rules_fail_a_retraining_and_leave_the_champion",
}
SETTINGS: Places = {
    "CONTAINERS": IMAGES,  # its loop is the demo on real images
    "COVERAGE": f"{CI}: .ci/python-3.13",
    "DAYS": f"{LOOP}::test_the_demo_retrains_and_releases_because_the_error_rose",
    "KEEP": f"{LOOP}::test_the_demo_retrains_and_releases_because_the_error_rose",
    "LOOP": "tests/compose/test_configuration.py::test_make_check_compose_runs_the_stack",
    "SMALL": SMALL,
    "VENV": "tests/integration/local_platform/test_places.py::test_make_takes_no_environment_with_a_space_in_its_path",
}
"""Of `make`: `DAYS=300`."""


def find_unrun(commands: set[str], places: Places) -> list[str]:
    """What is wrong with the places of some commands, in words: none, one too many, or one that does not run it."""
    faults = [f"{name}: say in tests/claims/runs.py where CI runs it" for name in sorted(commands - places.keys())]
    faults += [f"{name}: nothing documents it any more" for name in sorted(places.keys() - commands)]
    return faults + [f"{name}: {place} does not run it" for name, place in places.items() if not is_run(name, place)]


def is_run(name: str, place: str) -> bool:
    """Whether a place is there, and names the command."""
    if place.startswith(f"{CI}: "):
        line = place.removeprefix(f"{CI}: ")
        return line in (REPOSITORY / CI).read_text()
    path, _, function = place.partition("::")
    return re.search(spell(name), read_function(path, function)) is not None


def spell(name: str) -> str:
    """How Python names a command: `keys add` as a list of texts or within one, `KEEP` with its value."""
    words = name.split()
    within = rf'"{name}\b' if len(words) > 1 or "." in name else rf"\b{name}="
    return "|".join((", ".join(f'"{word}"' for word in words), within))


def read_function(path: str, name: str) -> str:
    """The source of a function with its decorators. Empty where there is none."""
    text = (REPOSITORY / path).read_text() if (REPOSITORY / path).is_file() else ""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return ""
