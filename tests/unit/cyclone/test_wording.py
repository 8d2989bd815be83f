import doctest

import cyclone.wording
from cyclone.wording import format_number


def test_a_number_that_nobody_knows_is_said_to_be_unknown() -> None:
    assert format_number(None) == "unknown"


def test_the_examples_hold() -> None:
    assert doctest.testmod(cyclone.wording).attempted == 9
    assert doctest.testmod(cyclone.wording).failed == 0
