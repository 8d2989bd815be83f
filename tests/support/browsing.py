"""Pages as people open them: in a real browser, with every request that it makes for them."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, Frame, Page, Request, sync_playwright

from tests.support.watching import find_program

FLAGS = ("--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")
"""Root's browser has no sandbox. It finds no host but this one, so what a page asks for does not leave."""
LOOPBACK = ("127.0.0.1", "localhost")
SHOWN_MS, QUIET_MS, POLL_MS = 90_000, 4_000, 100


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser without a screen."""
    program = find_program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def list_foreign_requests(browser: Browser, address: str, shown: str) -> list[str]:
    """The addresses at other hosts that a page asks for something. Fails unless the page shows the text.

    What the page's own content policy refuses is not asked for.
    """
    asked: list[Request] = []
    refused: list[Request] = []
    sockets: list[str] = []
    context = browser.new_context()
    context.on("request", lambda request: asked.append(request))
    context.on("requestfailed", lambda request: refused.append(request) if request.failure == "csp" else None)
    page = context.new_page()
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(address, timeout=SHOWN_MS)
    _wait_until_shown(page, shown)
    with contextlib.suppress(Error):  # a page that polls may never be quiet
        page.wait_for_load_state("networkidle", timeout=QUIET_MS)
    context.close()
    made = [*sockets, *(request.url for request in asked if request not in refused)]
    return sorted({url for url in made if _is_foreign(url)})


def _wait_until_shown(page: Page, text: str) -> None:
    for _ in range(SHOWN_MS // POLL_MS):
        if any(text in _read_text(frame) for frame in page.frames):
            return
        page.wait_for_timeout(POLL_MS)
    raise AssertionError(f"{page.url} does not show {text!r}")


def _read_text(frame: Frame) -> str:
    try:
        return str(frame.evaluate("document.body.innerText"))
    except Error:  # it is being replaced
        return ""


def _is_foreign(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK
