import time
import uuid

from bento_service.ids import PredictionIds


def test_an_id_is_a_uuid_of_version_7_that_carries_the_present_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(PredictionIds().make())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_of_one_process_rise_and_are_all_different() -> None:
    ids = PredictionIds()
    made = [ids.make() for _ in range(20_000)]
    assert made == sorted(set(made))
