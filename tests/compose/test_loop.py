"""The loop in the stack: real demand is replayed until an alarm has brought a new version into service."""

import os

import pytest

from tests.compose.stack import Stack

LAST_DAY = "2011-03-20"
"""The day before which the replay ends. The alarm comes in the second half of February, its answer some days later."""
REPLAY_SECONDS = 5400
pytestmark = [
    pytest.mark.compose,
    pytest.mark.skipif(not os.environ.get("LOOP"), reason="LOOP=1 turns the loop, which takes a quarter of an hour"),
]


def test_an_alarm_brings_a_new_version_into_service(stack: Stack) -> None:
    command = ["python", "-m", "local_platform.compose.replay", "bike_demand", "--to", LAST_DAY]
    said = stack.compose("run", "--rm", "-T", "replay", *command, seconds=REPLAY_SECONDS)
    print(said)
    assert " 0 failed" in said
    incidents = stack.store.fetch("lineage/timeline", model="bike_demand")
    assert {event["event"] for event in incidents} >= {"incident opened", "candidate", "promoted", "incident closed"}
    served = [event["subject"] for event in incidents if event["event"] == "promoted"]
    assert len(served) >= 2, "the first version and one that an alarm brought"
