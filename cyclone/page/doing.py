"""What a person can do on the page of a model, and what each action says before it is confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cyclone.policy.requests import CAUSES


@dataclass(frozen=True)
class Action:
    """One thing to do. `name` is the last part of its address, `tells` is what happens, `confirm` is the button."""

    name: str
    words: str
    tells: str
    confirm: str
    choices: Sequence[str] = ()


RETRAIN = Action(
    "retrain",
    "Request a retraining",
    "The policy answers at once. A retraining that is due starts with a run of the monitor. The gate and the canary"
    " decide as always whether the new version serves.",
    "Request it",
    CAUSES,
)
RECALIBRATE = Action(
    "recalibrate",
    "Recalibrate",
    "A correction of the version that serves is sought on the newest labels, at most once a day. It serves only if it"
    " would have helped on the days before. This may take a minute.",
    "Recalibrate now",
)
PROMOTE = Action(
    "promote",
    "Promote the canary",
    "The candidate in its canary gets all traffic now, without waiting for the rest of the canary. This may take a"
    " minute.",
    "Promote now",
)
APPROVE = Action(
    "approve",
    "Approve",
    "The release of this version goes on. Before its first share, its canary begins. After its canary, it gets all"
    " traffic.",
    "Approve it",
)
REFUSE = Action(
    "refuse",
    "Refuse",
    "This version is rolled back. The version that serves has all traffic. This may take a minute.",
    "Refuse it",
)
ROLL_BACK = Action(
    "roll-back",
    "Roll back",
    "A canary ends, or else the last calibration is taken back, or else the version before serves again. This may take"
    " a minute.",
    "Roll back now",
)
RESUME = Action(
    "resume",
    "Resume",
    "The open holds end. Earlier retrainings then count neither for a pause nor for the budget. Broken upstream data"
    " stay held.",
    "Resume",
)
ACTIONS = {action.name: action for action in (RETRAIN, RECALIBRATE, APPROVE, REFUSE, PROMOTE, ROLL_BACK, RESUME)}
"""Every action by its name in addresses."""


def offer_actions(status: Mapping[str, Any], under_way: Mapping[str, Any], is_held: bool) -> list[Action]:
    """The actions that make sense now, what is most likely wanted first."""
    has_candidate = under_way.get("version") is not None
    serves = status["version"] is not None
    waits = under_way.get("question") is not None
    offered = [
        (RESUME, is_held),
        (APPROVE, waits),
        (REFUSE, waits),
        (PROMOTE, under_way.get("state") == "canary" and not waits),
        (ROLL_BACK, (serves or has_candidate) and not waits),
        (RETRAIN, True),
        (RECALIBRATE, serves and not has_candidate),
    ]
    return [action for action, is_offered in offered if is_offered]
