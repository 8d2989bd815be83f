"""The page in a real Airflow, as people use it in a browser: every view and walk, both themes, the keyboard alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect

from cyclone.store import Store
from cyclone.times import floor_day
from grafana.trial.filling import CHURN, DEMAND, World, fill_store
from tests.support.api_servers import ApiServer, put_models, start_api_server
from tests.support.browsing import open_browser
from tests.support.statements import execute

UNTIL = floor_day(datetime.now(UTC))
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
WIDTHS = (1400, 800, 390)
CELL = f"models/demand/verdicts?kind=drift&check=jensen_shannon&subject=weather&end={UNTIL:%Y-%m-%dT%H:%M:%S}%2B00:00"
VIEWS = (
    "",
    "?show=held",
    "models/demand?days=60",
    "models/churn",
    "models/demand/verdicts",
    CELL,
    "models/demand/incidents/5",
    "models/demand/runs/retrain__demand__incident_4",
    "models/demand/log",
    "models/nothing",
    "tab?dag=somebody_elses",
)
"""Every view, and the pages that say what is not there."""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, module_store: Store) -> Iterator[ApiServer]:
    """An Airflow with a viewer, a user and an admin, and a store with two models and a story."""
    home = tmp_path_factory.mktemp("page")
    fill_store(module_store, World(rows=8_000, days=60, until=UNTIL))
    models = put_models(home / "models", DEMAND, CHURN)
    users = ("vera:viewer", "ursula:user", "ada:admin")
    nothing_listens = {"CYCLONE_CLOUD_RUN_ENDPOINT": "http://127.0.0.1:9"}
    with start_api_server(home, module_store, {"CYCLONE_MODELS_DIR": str(models)} | nothing_listens, users) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@contextmanager
def visit(browser: Browser, airflow: ApiServer, user: str, width: int = 1400, theme: str = "null") -> Iterator[Page]:
    """A page of a browser in which a user is logged in. Fails if the page asks another host, or a script fails."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]  # "null" is none of its own, as in people's browsers
        timezone_id="Europe/Berlin",
        base_url=airflow.address,
    )
    context.add_cookies([{"name": "_token", "value": airflow.log_in(user), "url": airflow.address}])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if is_foreign(request.url, airflow) else None)
    yield page
    context.close()
    assert faults == []


def is_foreign(url: str, airflow: ApiServer) -> bool:
    parts = urlsplit(url)
    return parts.scheme.startswith("http") and parts.netloc != urlsplit(airflow.address).netloc


def open_menu(page: Page) -> FrameLocator:
    """Click on Cyclone in Airflow's own navigation."""
    page.goto("/")
    page.get_by_role("link", name="Cyclone").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Models")).to_be_visible()
    return frame


def test_is_my_model_fine_takes_two_clicks(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "vera") as page:
        frame = open_menu(page)
        frame.get_by_role("link", name="demand", exact=True).click()
        expect(frame.locator(".word")).to_have_text("Retrain.")
        expect(frame.locator(".why")).to_have_text("Incident 5 is open: error 13.1 is above 12.")
        expect(frame.locator("time").first).to_have_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d (CET|CEST|GMT\+[12])"))
        assert page.url.endswith("/plugin/cyclone/cyclone/models/demand"), "the address can be sent to a colleague"
        page.reload()
        expect(frame.locator(".word")).to_have_text("Retrain.")
        assert frame.locator("form[method=post]").count() == 0, "a viewer is offered nothing to do"


def test_why_did_it_retrain_takes_three_clicks(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "vera") as page:
        frame = open_menu(page)
        frame.get_by_role("link", name="demand", exact=True).click()
        frame.get_by_role("group", name="Incidents").get_by_role("link").first.click()
        expect(frame.get_by_role("heading", name="Incident 1 of demand")).to_be_visible()
        text = frame.locator("main").inner_text()
        assert "error 13 is above 12" in text
        assert "error 9.6 against the champion's 10.4" in text
        assert "weather=rain" in text
        page.go_back()
        expect(frame.locator(".word")).to_have_text("Retrain.")
        assert frame.get_by_role("link", name="Monitor in Airflow").get_attribute("href") == "/dags/monitor__demand"


def test_the_canary_waits_for_me_takes_three_clicks(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "ursula") as page:
        frame = open_menu(page)
        frame.get_by_role("link", name="v4 at 20 %").click()
        expect(frame.get_by_text("8.6 to 10.4")).to_be_visible()
        frame.get_by_label("Because").first.fill("it is good enough")
        frame.get_by_role("button", name="Promote now").click()
        # There is no Cloud Run here, so it comes to nothing, and says so.
        expect(frame.get_by_role("status")).to_be_visible()
        assert "bad" in (frame.get_by_role("status").get_attribute("class") or "")
    assert execute(airflow.store, "SELECT state FROM release WHERE version = 4") == [("canary",)]


def test_the_keyboard_alone_ends_a_hold_in_the_name_of_the_user(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "ursula") as page:
        page.goto("/cyclone/models/churn")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == "Resume":
                break
        page.keyboard.press("Enter")
        page.keyboard.type("the sender is mended")
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus can be seen"
        page.keyboard.press("Enter")
        said = page.get_by_role("status")
        expect(said).to_contain_text(re.compile("No longer held|upstream data are broken"))
    assert {row[0] for row in execute(airflow.store, "SELECT closed_by FROM hold WHERE model = 'churn'")} == {"ursula"}


def test_arrows_move_between_verdicts_and_enter_opens_one(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "vera") as page:
        page.goto("/cyclone/models/demand/verdicts")
        page.locator(".verdicts tbody td a[tabindex='-1']").first.wait_for()
        page.locator(".verdicts tbody tr:has(td) td a:not([tabindex])").first.focus()
        first = page.evaluate("document.activeElement.href")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowDown")
        moved = page.evaluate("document.activeElement.href")
        assert moved != first
        page.keyboard.press("Enter")
        expect(page.get_by_text("Limit in this window")).to_be_visible()
        assert page.url == moved


def test_dragging_over_the_chart_chooses_a_period_that_links_keep(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "vera") as page:
        page.goto("/cyclone/models/demand?days=50")
        box = page.locator(".plot[data-since]").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.41, box["y"] + 90)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.59, box["y"] + 95, steps=5)
        page.mouse.up()
        page.wait_for_url(re.compile("since="))
        first, last = page.get_by_label("From").input_value(), page.get_by_label("To").input_value()
        days = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).days + 1
        assert 9 <= days <= 11
        page.get_by_role("link", name="Verdicts").click()
        assert f"since={first}&until={last}" in page.url


def test_the_tabs_of_dags_and_runs_show_the_model(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "ada") as page:
        page.goto("/dags/monitor__demand")
        page.get_by_role("link", name="Model", exact=True).click()
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("heading", name="demand", exact=True)).to_be_visible()
        frame.get_by_role("link", name="Monitor in Airflow").click()
        expect(page.locator("iframe")).to_have_count(0)
        assert urlsplit(page.url).path.startswith("/dags/monitor__demand"), "a link to Airflow leaves the frame"


def test_the_page_follows_the_theme_of_airflow_while_it_is_open(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "vera") as page:
        frame = open_menu(page)
        colours = []
        for theme in ("dark", "light"):
            page.evaluate(f"document.documentElement.className = '{theme}'")
            expect(frame.locator("html")).to_have_attribute("data-theme", theme)
            colours.append(frame.locator("html").evaluate("element => getComputedStyle(element).backgroundColor"))
        assert colours == ["rgb(21, 28, 43)", "rgb(255, 255, 255)"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_out_of_reach_and_nothing_overflows(browser: Browser, airflow: ApiServer, theme: str) -> None:
    found = []
    for width in WIDTHS:
        with visit(browser, airflow, "ada", width, theme) as page:
            for view in VIEWS:
                page.goto(f"/cyclone/{view}")
                page.evaluate("document.querySelectorAll('.actions details').forEach(each => { each.open = true; })")
                found += [f"{width} {view}: {fault}" for fault in find_faults(page)]
    assert found == []


def test_the_search_for_faults_finds_planted_ones(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "vera") as page:
        page.goto("/cyclone/")
        page.evaluate(
            "document.querySelector('main').insertAdjacentHTML('beforeend', '<p style=\"color: #aaa\">pale</p>"
            '<input><div style="width: 9000px">wide</div>\')'
        )
        assert {fault.partition(":")[0] for fault in find_faults(page)} == {"color-contrast", "label", "overflow"}


def find_faults(page: Page) -> list[str]:
    """What axe-core calls wrong with a page, and whether it is wider than the window."""
    found = [f"{item['id']}: {item['nodes'][0]['html'][:120]}" for item in Axe().run(page).response["violations"]]
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found + ([f"overflow: {width} pixels"] if width > 0 else [])


def test_a_page_is_printed_without_what_paper_cannot_do(browser: Browser, airflow: ApiServer) -> None:
    with visit(browser, airflow, "ada", theme="dark") as page:
        page.goto("/cyclone/models/demand")
        page.emulate_media(media="print")
        assert not page.locator(".actions").is_visible()
        assert (
            page.locator("html").evaluate("element => getComputedStyle(element).backgroundColor")
            == "rgb(255, 255, 255)"
        )


@pytest.mark.parametrize(("user", "status"), [("vera", 403), ("ursula", 303), ("ada", 303)])
def test_who_may_not_start_a_retraining_may_do_nothing(airflow: ApiServer, user: str, status: int) -> None:
    session = requests.Session()
    session.cookies.set("_token", airflow.log_in(user))
    address = f"{airflow.address}/cyclone/models/demand/retrain"
    foreign = session.post(address, {"because": "x"}, headers={"Origin": "http://evil.example"}, timeout=60)
    assert foreign.status_code == 403
    before = execute(airflow.store, "SELECT count(*) FROM decision")
    answer = session.post(
        address,
        {"because": "to see", "despite": "upstream"},
        headers={"Origin": airflow.address},
        timeout=60,
        allow_redirects=False,
    )
    assert answer.status_code == status
    added = execute(airflow.store, "SELECT count(*) FROM decision")[0][0] - before[0][0]
    assert added == (status == 303)
    if added:
        (asked,) = execute(airflow.store, "SELECT asked_by, because FROM decision ORDER BY at DESC LIMIT 1")
        assert asked == (user, "to see")
        assert ("monitor__demand", "page__incident_5", "queued") in [run[:3] for run in airflow.list_runs()]


def test_a_session_that_has_ended_says_so_in_html(airflow: ApiServer) -> None:
    for headers in ({}, {"Authorization": "Bearer not.a.token"}):
        answer = requests.get(f"{airflow.address}/cyclone/", headers=headers, timeout=60)
        assert (answer.status_code, "You are logged out" in answer.text) == (401, True)
