"""The text of a first `model.yaml`, with the reason of each guess beside it."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from training.starting.features import find_usual_gap
from training.starting.plan import Plan

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""What YAML takes for something else than a text, in small letters."""
COMMENT_CHARACTERS = 118
DRIFT_SAMPLES, ERROR_SAMPLES, ERROR_ROWS = 150, 72, 24
"""The samples that drift checks, error checks and the error trigger ask for by default, in 7 days."""
LONGEST_CHECK, LONGEST_TRIGGER = 366, 90
"""The longest windows in days that model.yaml allows for them."""
NEEDED_SHARE = 0.5
"""Where the longest window is still too short for the usual samples, half of what comes in it has to do."""


def write_model_yaml(plan: Plan, inputs: str, history: str, until: str, limits: dict[str, int]) -> str:
    """The file's text. `limits` are keys of `retrain` that so few rows or days need."""
    return "\n".join(
        [
            *_write_head(plan),
            *_write_features(plan),
            f"inputs: {inputs}  # {_explain_inputs(inputs)}",
            *_write_label(plan),
            f"history: {history}",
            *_write_until(until),
            *_write_monitor(plan),
            *_write_retrain(plan, limits),
            *_write_replay(plan),
            "",
        ]
    )


def _write_head(plan: Plan) -> Iterator[str]:
    yield from _comment(
        f"Written by `cyclone init` from {plan.source.name}, {plan.source.count:,} rows. Each guess has its reason."
        f" Correct what is wrong, then run `cyclone check {plan.name}`. docs/bring-a-model.md has every key."
    )
    for note in plan.notes:
        yield from _comment(f"Note: {note}.")
    yield f"name: {plan.name}"
    yield f"task: {plan.label.task}"
    yield f"description: {json.dumps(f'Predicts {plan.label_name}.', ensure_ascii=False)}"
    yield from _comment(f"created_at of a row: {plan.timing.why}.")


def _write_features(plan: Plan) -> Iterator[str]:
    for name, reason in plan.left.items():
        yield from _comment(f"Left out: {_quote(name)}, as {reason}.")
    yield from _comment("A range has room beyond what was seen. A row outside of it is refused.")
    yield "features:"
    for item in plan.features:
        line = f"  - {_write_flow(item.keys)}"
        if len(line) + len(item.why) + 4 <= COMMENT_CHARACTERS:
            yield f"{line}  # {_one_line(item.why)}"
        else:
            yield from _comment(item.why, "  ")
            yield line


def _explain_inputs(inputs: str) -> str:
    if inputs == "matrix":
        return "pipeline.py gets an array of floats, in this order, which answers one row fastest"
    return "pipeline.py gets a pandas DataFrame with these columns, as text needs"


def _write_label(plan: Plan) -> Iterator[str]:
    keys = {"name": plan.label_name, **plan.label.keys, "expected_delay_hours": plan.timing.delay_hours}
    if plan.timing.load_days:
        keys["load_every_days"] = plan.timing.load_days
    yield from _comment(f"The label: {plan.label.why}.")
    yield from _comment(f"expected_delay_hours is {plan.timing.delay_hours:g}: {plan.timing.delay_why}")
    yield f"label: {_write_flow(keys)}"


def _write_until(until: str) -> Iterator[str]:
    if until:
        yield from _comment(
            "Rows before this day train the first version. Those after it are for `cyclone backtest` and a"
        )
        yield from _comment("replay. Without this line all of them train it.")
        yield f'history_until: "{until}"'


def _write_monitor(plan: Plan) -> Iterator[str]:
    """Longer windows where a week has too few rows. Else the usual checks of the task are right."""
    rows = plan.rows_a_day
    if rows * 7 >= DRIFT_SAMPLES:
        return
    error = ["mean_absolute_error", "bias"] if plan.label.task == "regression" else ["log_loss"]
    usual = {"mean_absolute_error": 2.25, "bias": 1.25, "log_loss": 1.75}
    yield from _comment(
        f"About {rows:.3g} rows come on a day. The usual checks need more in a week, so they look further back."
    )
    yield "monitor:"
    yield "  drift:"
    for name in ("jensen_shannon", "wasserstein"):
        yield f"    {name}: {_write_flow(_fit_window(rows, DRIFT_SAMPLES))}"
    yield "  error:"
    for name in error:
        yield f"    {name}: {_write_flow({'limit': usual[name], **_fit_window(rows, ERROR_SAMPLES)})}"


def _fit_window(rows_a_day: float, samples: int) -> dict[str, int]:
    days = min(LONGEST_CHECK, max(7, math.ceil(samples / rows_a_day)))
    return {"window_days": days, "minimum_samples": max(1, min(samples, int(days * rows_a_day * NEEDED_SHARE) or 1))}


def _write_retrain(plan: Plan, limits: dict[str, int]) -> Iterator[str]:
    lines = [f"  {name}: {value}" for name, value in limits.items()]
    rows, gap = plan.rows_a_day, find_usual_gap(plan.days)
    if rows * 7 < ERROR_ROWS or gap > 2:
        days = min(LONGEST_TRIGGER, max(7, math.ceil(ERROR_ROWS / rows), 3 * gap))
        least = max(1, min(3, days // gap))
        keys = {
            "window_days": days,
            "minimum_days": least,
            "minimum_rows": max(1, min(24, int(days * rows * NEEDED_SHARE))),
        }
        lines.append(f"  error: {_write_flow(keys)}")
    if lines:
        yield from _comment("The history has few rows or days, so less is asked for than usual.")
        yield "retrain:"
        yield from lines


def _write_replay(plan: Plan) -> Iterator[str]:
    yield from _comment(
        "For a replay, in which a day takes seconds. Delete both sections before real clients come: the"
    )
    yield from _comment("defaults are those of service.")
    yield "recalibrate:"
    yield "  every_days: 14"
    yield "release:"
    yield "  steps: [10, 30, 100]"
    yield f"  requests_per_step: {max(4, min(50, round(plan.rows_a_day / 6)))}"
    yield "  seconds_per_step: 1"
    yield "  deadline_minutes: 0.1"
    yield "  on_deadline: go_on"


def _write_flow(keys: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_write_value(value, key)}" for key, value in keys.items()) + "}"


def _write_value(value: Any, key: str = "") -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_write_value(item) for item in value) + "]"
    if isinstance(value, str):
        return value if key == "type" else _quote(value)
    return _write_number(value)


def _write_number(value: float) -> str:
    # YAML 1.1 takes 1e-05 for a text, and 1.0e-05 for a number.
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _quote(text: str) -> str:
    if PLAIN.fullmatch(text) and text.lower() not in YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _comment(text: str, indent: str = "") -> Iterator[str]:
    """A comment in lines of `COMMENT_CHARACTERS` at most, where it has blanks."""
    line = f"{indent}#"
    for word in text.split():
        if len(line) + len(word) + 1 > COMMENT_CHARACTERS and line.strip() != "#":
            yield line
            line = f"{indent}#"
        line += f" {word}"
    yield line


def list_guesses(plan: Plan, until: str) -> Sequence[str]:
    """What was guessed, in lines for whoever ran the command."""
    lines = [f"task: {plan.label.task}. {plan.label.why}", f"time: {plan.timing.why}"]
    lines.append(f"features: {', '.join(item.name for item in plan.features)}")
    lines += [f"left out: {_quote(name)}, as {reason}" for name, reason in plan.left.items()]
    lines.append(f"labels come {plan.timing.delay_hours:g} hours later: {plan.timing.delay_why}")
    if until:
        lines.append(f"rows before {until} train the first version, those after it are for backtest and replay")
    return [_one_line(line) for line in [*lines, *(f"note: {note}" for note in plan.notes)]]
