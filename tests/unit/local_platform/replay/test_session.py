from datetime import UTC, datetime

import pytest

from cyclone.errors import ConfigurationError
from local_platform.replay.session import parse_day


def test_a_day_is_read_in_utc_and_what_is_none_is_refused_with_the_option() -> None:
    assert (parse_day("--to", ""), parse_day("--to", "2011-02-01")) == (None, datetime(2011, 2, 1, tzinfo=UTC))
    with pytest.raises(ConfigurationError, match=r"--to '1 Feb': this is no ISO date\. Write it as 2011-02-01"):
        parse_day("--to", "1 Feb")
