"""A model that begins with the rows of a query."""

from pathlib import Path

import pytest

from cyclone.errors import CycloneError
from cyclone.settings import Settings
from cyclone.spec import load_model_spec
from cyclone.store import Store
from training.starting.start import start_model

QUERY = """
SELECT
    timestamptz '2011-01-01 00:00Z' + number * interval '1 hour' AS at,
    number % 24 > 12 AS afternoon,
    (number * 7919) % 101 AS crowd,
    (number * 7919) % 101 + number % 24 AS sold
FROM generate_series(1, 900) AS number;
"""


def test_a_model_begins_with_the_rows_of_a_query(store: Store, tmp_path: Path) -> None:
    start_model(Settings(models_dir=tmp_path), "shop", store.dsn, "sold", query=QUERY)
    spec = load_model_spec(tmp_path / "shop")
    assert [(item.name, item.type) for item in spec.features] == [
        ("hour", "integer"),
        ("weekday", "integer"),
        ("afternoon", "boolean"),
        ("crowd", "integer"),
    ]
    assert "from the query's answer, 900 rows" in (tmp_path / "shop/model.yaml").read_text()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "--from is a Postgres: add --query"),
        ("SELECT nothing FROM nowhere", "nowhere"),
        ("DELETE FROM label RETURNING *", "read-only|syntax error"),
    ],
)
def test_a_query_that_gives_no_rows_or_would_write_is_refused(
    store: Store, tmp_path: Path, query: str, message: str
) -> None:
    with pytest.raises(CycloneError, match=message):
        start_model(Settings(models_dir=tmp_path), "shop", store.dsn, "sold", query=query)
    assert list(tmp_path.iterdir()) == []
