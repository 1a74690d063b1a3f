"""Take the pictures of docs/images from the running platform: every dashboard, and Airflow's live page.

    make screenshots                                # after `make up`
    python docs/screenshots.py --size 1920x1080 --into /tmp/look --screen

Needs Chromium (Debian: `apt-get install chromium`). Exit code 1 when a chart shows an error.
"""

import argparse
import sys
from pathlib import Path

import yaml
from playwright.sync_api import Browser, Page, expect

from local.browser import chromium, log_in_to_airflow, log_in_to_superset, open_page
from local.layout import load

ROOT = Path(__file__).parents[1]
LAYOUT = load(ROOT)
SUPERSET, AIRFLOW = (f"http://127.0.0.1:{LAYOUT.ports[name]}" for name in ("SUPERSET", "AIRFLOW"))
CHARTS = ".dashboard-component-chart-holder"
TROUBLE = ("Unexpected error", "Data error", "Error message")


def main() -> int:
    """One picture a page; what is wrong on it goes to stderr."""
    given = _arguments()
    width, height = map(int, given.size.split("x"))
    given.into.mkdir(parents=True, exist_ok=True)
    wrong = []
    with chromium() as browser:
        page = open_page(browser, width, height)
        log_in_to_superset(page, SUPERSET, _secret("superset_admin"))
        for slug in _slugs():
            wrong += _dashboard(page, slug, given.into, None if given.screen else width)
        _live_page(browser, width, height, given.into)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1440x900", help="of the window, in pixels")
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--screen", action="store_true", help="only what the window shows, not the whole page")
    return parser.parse_args()


def _slugs() -> list[str]:
    bundle = ROOT / "include" / "superset" / "bundle" / "dashboards"
    return [yaml.safe_load(file.read_text())["slug"] for file in sorted(bundle.glob("*.yaml"))]


def _secret(name: str) -> str:
    return (LAYOUT.secrets / name).read_text().strip()


def _dashboard(page: Page, slug: str, into: Path, whole_width: int | None) -> list[str]:
    """The picture, and what a person would frown at. The page is made as long as its charts, which load in view."""
    print(f"{slug} …", file=sys.stderr)
    page.goto(f"{SUPERSET}/superset/dashboard/{slug}/?standalone=1")
    expect(page.locator(CHARTS).first).to_be_visible(timeout=60_000)
    if whole_width:
        page.set_viewport_size({"width": whole_width, "height": 3_500})
        end = page.locator(CHARTS).evaluate_all("all => Math.max(...all.map(c => c.getBoundingClientRect().bottom))")
        page.set_viewport_size({"width": whole_width, "height": int(end) + 24})
    page.wait_for_load_state("networkidle")
    expect(page.locator(f"{CHARTS} .loading")).to_have_count(0, timeout=120_000)
    page.wait_for_function("() => document.getAnimations().every(each => each.playState !== 'running')")
    (into / f"{slug}.png").write_bytes(_still(page))
    shown = [card.inner_text() for card in page.locator(CHARTS).all()]
    return [f"{slug}: {text[:80]!r}" for text in shown if any(said in text for said in TROUBLE)]


def _still(page: Page) -> bytes:
    """The picture once the charts are drawn: no event tells the end of what moves on a canvas."""
    picture = page.screenshot()
    for _ in range(20):  # a dashboard that refreshes itself may never rest
        page.wait_for_timeout(300)
        before, picture = picture, page.screenshot()
        if picture == before:
            break
    return picture


def _live_page(browser: Browser, width: int, height: int, into: Path) -> None:
    print("Airflow's live page …", file=sys.stderr)
    page = open_page(browser, width, height)
    log_in_to_airflow(page, AIRFLOW, _secret("airflow_admin"))
    page.get_by_role("link", name="Clickstream", exact=True).click(timeout=60_000)
    expect(page.frame_locator("iframe").locator("#state")).to_contain_text("every second", timeout=60_000)
    page.screenshot(path=into / "airflow-live.png")


if __name__ == "__main__":
    sys.exit(main())
