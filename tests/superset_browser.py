"""Superset's dashboards in a real browser: what each chart was sent, what is seen, what a choice changes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from playwright.sync_api import Page, Response, expect

from local.browser import chromium, log_in_to_superset, open_page
from superset_server import ROOT, Superset


class Dashboard:
    """The open dashboard; by chart title: what the chart asked, and the rows of the last answer."""

    def __init__(self, page: Page, superset: Superset) -> None:
        self.page = page
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.asked: dict[str, dict[str, Any]] = {}
        self.failures: list[str] = []
        self.outside: list[str] = []
        self._titles: dict[int, str] = {}
        self._url = superset.url
        page.on("response", self._answered)
        page.on("requestfinished", lambda request: self._finished(request.url))
        log_in_to_superset(page, superset.url, superset.password)
        charts = page.request.get(f"{superset.url}/api/v1/chart/?q=(page_size:100)").json()["result"]
        self._titles = {chart["id"]: chart["slice_name"] for chart in charts}

    def open(self, slug: str, titles: set[str]) -> None:
        """Open a dashboard and wait until every chart has had its answer and shows no spinner."""
        with self._answers(titles):
            self.page.goto(f"{self._url}/superset/dashboard/{slug}/")
        expect(self.page.locator(".dashboard-component-chart-holder .loading")).to_have_count(0, timeout=60_000)

    def choose(self, name: str, option: str, titles: set[str]) -> None:
        """Choose an option of a filter, apply it, and wait for the charts that it holds for.

        `name` is part of the filter's id: Superset labels it so.
        """
        self.page.get_by_role("combobox", name=name).click()  # once its options have come
        self.page.keyboard.type(option)
        self.page.locator(".ant-select-item-option").filter(has_text=option).first.click()
        self.page.keyboard.press("Escape")
        with self._answers(titles):
            self.page.locator("[data-test=filter-bar__apply-button]").click()

    def click(self, title: str, x: float, y: float, titles: set[str]) -> None:
        """Click into a drawn chart, at shares of its width and height, and wait for the charts that follow."""
        canvas = self.card(title).locator("canvas").first
        box = canvas.bounding_box()
        assert box is not None
        with self._answers(titles):
            canvas.click(position={"x": box["width"] * x, "y": box["height"] * y})

    @contextmanager
    def _answers(self, titles: set[str]) -> Iterator[None]:
        self.rows.clear()
        self.asked.clear()
        with self.page.expect_response(lambda _: titles <= set(self.rows) or self.failures != [], timeout=120_000):
            yield

    def card(self, title: str) -> Any:
        """The part of the page that shows a chart."""
        exact = self.page.get_by_text(title, exact=True)
        return self.page.locator(".dashboard-component-chart-holder").filter(has=exact)

    def _answered(self, response: Response) -> None:
        address = urlsplit(response.url)
        if address.path != "/api/v1/chart/data":
            return
        if not response.ok:
            self.failures.append(f"{response.status} {response.text()[:500]}")
            return
        asked = parse_qs(address.query).get("form_data")
        if asked:  # else it is a filter that asks for its values
            # a chart of two queries draws the rows of both
            rows = [row for part in response.json()["result"] for row in part["data"]]
            title = self._titles[json.loads(asked[0])["slice_id"]]
            self.asked[title], self.rows[title] = response.request.post_data_json, rows

    def _finished(self, url: str) -> None:
        if not url.startswith((self._url, "data:", "blob:")):
            self.outside.append(url)


@contextmanager
def browsing(superset: Superset, height: int) -> Iterator[Dashboard]:
    """A browser, logged in; its page is so high because charts load when they come into view."""
    with chromium() as browser:
        yield Dashboard(open_page(browser, 1440, height), superset)


def charts() -> dict[str, set[str]]:
    """Every dashboard of the bundle: slug → titles of its charts."""
    bundle = ROOT / "include" / "superset" / "bundle" / "dashboards"
    documents = [yaml.safe_load(path.read_text()) for path in sorted(bundle.glob("*.yaml"))]
    return {
        document["slug"]: {
            node["meta"]["sliceName"]
            for node in document["position"].values()
            if isinstance(node, dict) and node["type"] == "CHART"
        }
        for document in documents
    }
