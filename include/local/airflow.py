"""Airflow over its REST API: far quicker than its command line, which loads Airflow anew at each call."""

import json
import urllib.error
import urllib.request
from typing import Any

from local.environment import AIRFLOW_USER
from local.layout import Layout
from local.server import LOOPBACK


class Airflow:
    """The API server of this checkout."""

    def __init__(self, layout: Layout) -> None:
        self.url = f"http://{LOOPBACK}:{layout.ports['AIRFLOW']}"
        self._password_file = layout.secrets / "airflow_admin"
        self._token = ""

    def health(self) -> dict[str, Any]:
        """`/api/v2/monitor/health`: the state of each component.

        Raises:
            OSError: it does not answer.
        """
        return dict(self._request("GET", "/api/v2/monitor/health"))

    def dag_ids(self) -> set[str]:
        """The DAGs that have been parsed so far."""
        return {dag["dag_id"] for dag in self.call("GET", "/api/v2/dags?limit=100")["dags"]}

    def import_errors(self) -> list[str]:
        """What stopped DAG files from being read: file and last line of the error."""
        errors = self.call("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def is_paused(self, dag_id: str) -> bool:
        """Whether a DAG's schedule is held."""
        return bool(self.call("GET", f"/api/v2/dags/{dag_id}")["is_paused"])

    def newest_state(self, dag_id: str) -> str | None:
        """The state of a DAG's newest run; None before the first."""
        runs = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=1&order_by=-run_after")["dag_runs"]
        return str(runs[0]["state"]) if runs else None

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run by its schedule."""
        self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool of task slots, where there is none of this name."""
        pools = self.call("GET", "/api/v2/pools?limit=100")["pools"]
        if name not in {pool["name"] for pool in pools}:
            self.call("POST", "/api/v2/pools", {"name": name, "slots": slots, "description": description})

    def trigger(self, dag_id: str) -> None:
        """Ask for a run now, beside the schedule."""
        self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Any other request of the API, as the admin; the JSON of its answer."""
        if not self._token:
            login = {"username": AIRFLOW_USER, "password": self._password_file.read_text().strip()}
            self._token = self._request("POST", "/auth/token", login)["access_token"]
        return self._request(method, path, body, {"Authorization": f"Bearer {self._token}"})

    def _request(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  (our own loopback address)
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
            return json.load(answer)
