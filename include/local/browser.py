"""Chromium as tests, pictures of docs and benchmarks use it, and how a person logs in (for development only)."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"  # Debian: apt-get install chromium
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS) as browser,
    ):
        yield browser


def open_page(browser: Browser, width: int, height: int) -> Page:
    """A page of this size, in pixels, that waits as long as a busy machine needs."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(120_000)
    return page


def log_in_to_superset(page: Page, url: str, password: str) -> None:
    """By the form, as the admin."""
    # Superset's usage log, posted before the login and answered after it, would set back the old session's cookie.
    page.route("**/superset/log/**", lambda route: route.abort())
    page.goto(f"{url}/login/")
    page.locator("#username, input[name=username]").first.fill("admin")
    page.locator("#password, input[name=password]").first.fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/login" not in address)


def log_in_to_airflow(page: Page, url: str, password: str) -> None:
    """By the form, as the admin."""
    page.goto(url)
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
