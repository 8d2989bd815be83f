"""Takes the pictures of the page in Airflow that the README and the documents show.

`python -m tests.support.page_pictures` starts a Postgres and an Airflow of its own, fills a store with a story, and
writes `docs/images/page-*.png`.
"""

import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from cyclone.store import Store
from cyclone.times import floor_day
from grafana.trial.filling import CHURN, DEMAND, World, execute, fill_store
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
from tests.support.api_servers import REPOSITORY, ApiServer, put_models, start_api_server
from tests.support.browsing import open_browser

IMAGES = REPOSITORY / "docs" / "images"
UNTIL = floor_day(datetime.now(UTC))
COLOURS = 128
"""How many colours a picture has. The page has few, and a picture of 128 takes a third of the bytes."""
CELL = f"kind=drift&check=jensen_shannon&subject=weather&end={UNTIL:%Y-%m-%dT%H:%M:%S}%2B00:00"
PICTURES = {
    "page-fleet": ("", "light", 1200, 420),
    "page-model": ("models/demand?days=365", "light", 1200, 1000),
    "page-model-dark": ("models/demand?days=90", "dark", 1200, 1000),
    "page-verdicts": (f"models/demand/verdicts?days=30&{CELL}", "light", 1200, 900),
    "page-incident": ("models/demand/incidents/5", "dark", 1200, 1100),
    "page-log": ("models/demand/log", "light", 1200, 760),
}
"""The view, the theme, and the size of each picture."""
RISE = """
UPDATE error_rollup
SET sum_absolute_error = sum_absolute_error * (
    0.72 + 0.5 * extract(EPOCH FROM bucket_start - first.at) / extract(EPOCH FROM first.last - first.at)
)
FROM (
    SELECT version, min(bucket_start) AS at, max(bucket_start) AS last FROM error_rollup
    WHERE model = 'demand' GROUP BY version
) AS first
WHERE error_rollup.model = 'demand' AND error_rollup.version = first.version
"""
"""Lets the error of each version rise from its first day to its last, as a world that moves has it."""


def main() -> None:
    """Take all pictures."""
    with (
        temporary_state("page-pictures") as folder,
        EmbeddedPostgres.start(folder / "postgres", free_port(0), ("pictures",)) as postgres,
        tempfile.TemporaryDirectory() as home,
        open_browser() as browser,
    ):
        store = Store(postgres.dsn("pictures"), patience_seconds=600)
        store.migrate()
        fill_store(store, World(rows=60_000, days=365, until=UNTIL))
        execute(store, RISE)
        models = put_models(Path(home) / "models", DEMAND, CHURN)
        variables = {"CYCLONE_MODELS_DIR": str(models)}
        with start_api_server(Path(home), store, variables, ["ada:admin"]) as server:
            for name in PICTURES:
                take_picture(browser, server, name)


def take_picture(browser: Browser, server: ApiServer, name: str) -> None:
    """Write one picture of the page within Airflow."""
    view, theme, width, height = PICTURES[name]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="null", timezone_id="UTC")
    context.add_cookies([{"name": "_token", "value": server.log_in("ada"), "url": server.address}])
    context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page = context.new_page()
    page.goto(f"{server.address}/plugin/cyclone/cyclone/{view}")
    page.frame_locator("iframe").locator("h1").wait_for(timeout=120_000)
    page.wait_for_timeout(1_500)  # Airflow's navigation fades in
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
    shot.save(IMAGES / f"{name}.png", optimize=True)
    context.close()


if __name__ == "__main__":
    main()
