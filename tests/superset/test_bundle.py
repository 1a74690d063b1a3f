"""The bundle's files: complete, linked, without secrets; and what is refused, with the file's name."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_superset.bundle import BundleError, fingerprint, read_bundle, removed

BUNDLE = Path(__file__).parents[2] / "include" / "superset" / "bundle"
READER = {
    "SUPERSET_READER_URI": "postgresql+psycopg2://clickstream_reader:a-secret@db.example/clickstream",
    "CLICKSTREAM_AIRFLOW_URL": "https://airflow.example",
}
DAG_RUNS = re.compile(r"\[(clickstream_\w+)\]\(https://airflow\.example/dags/\1/runs\)")


@cache
def documents(kind: str) -> dict[str, dict[str, Any]]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in (BUNDLE / kind).rglob("*.yaml")}


def test_the_readers_address_comes_from_the_environment_only() -> None:
    bundle = read_bundle(BUNDLE, READER)
    assert READER["SUPERSET_READER_URI"] in bundle.contents["databases/warehouse.yaml"]
    assert not [path for path in BUNDLE.rglob("*.yaml") if "a-secret" in path.read_text()]
    assert {name: document["sqlalchemy_uri"] for name, document in documents("databases").items()} == {
        "warehouse": "${SUPERSET_READER_URI}",
        "live": "clickstreamlive://",
    }


def test_every_chart_is_on_a_dashboard_and_says_what_it_shows() -> None:
    charts = documents("charts")
    shown = {
        node["meta"]["uuid"]
        for dashboard in documents("dashboards").values()
        for node in dashboard["position"].values()
        if isinstance(node, dict) and node["type"] == "CHART"
    }
    assert {chart["uuid"] for chart in charts.values()} == shown
    assert [name for name, chart in charts.items() if len(chart["description"]) < 30] == []


def charts_of(dashboard: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """A dashboard's charts by the number that its filters know them by, each with its dataset under `dataset`."""
    charts = {chart["uuid"]: chart for chart in documents("charts").values()}
    datasets = {dataset["uuid"]: dataset for dataset in documents("datasets").values()}
    shown = [
        node["meta"]
        for node in dashboard["position"].values()
        if isinstance(node, dict) and "uuid" in node.get("meta", {})
    ]
    return {
        meta["chartId"]: {**charts[meta["uuid"]], "dataset": datasets[charts[meta["uuid"]]["dataset_uuid"]]}
        for meta in shown
    }


def test_the_docs_tell_of_every_chart_and_of_no_other() -> None:
    told: dict[str, set[tuple[str, str]]] = {}
    for section in (BUNDLE.parents[2] / "docs" / "dashboards.md").read_text().split("\n## ")[1:]:
        rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `(\w+)` \|$", section, re.MULTILINE)
        told |= {section.partition("\n")[0]: set(rows)} if "/superset/dashboard/" in section else {}
    assert told == {
        dashboard["dashboard_title"]: {
            (chart["slice_name"], chart["dataset"]["table_name"]) for chart in charts_of(dashboard).values()
        }
        for dashboard in documents("dashboards").values()
    }


def test_every_axis_says_what_it_measures() -> None:
    axes = {
        name: (chart["params"].get("x_axis_title"), chart["params"].get("y_axis_title"))
        for name, chart in documents("charts").items()
        if chart["viz_type"].startswith("echarts_") or chart["viz_type"] == "mixed_timeseries"
    }
    assert len(axes) >= 15
    assert {name for name, titles in axes.items() if not all(titles)} == set()


def test_superset_puts_no_other_time_in_the_place_of_an_axis() -> None:
    """It takes the time that a chart is filtered by (granularity_sqla) for any axis that is marked as a time."""
    datasets = {each["uuid"]: each for each in documents("datasets").values()}
    for chart in documents("charts").values():
        axis, filtered_by = (chart["params"].get(name) for name in ("x_axis", "granularity_sqla"))
        marked = {each["column_name"] for each in datasets[chart["dataset_uuid"]]["columns"] if each.get("is_dttm")}
        assert filtered_by is None or axis == filtered_by or axis not in marked, chart["slice_name"]


def test_a_metric_that_only_sorts_has_no_name_of_its_own() -> None:
    """Superset draws it as a series beside the others when its label is another than its name."""
    datasets = {each["uuid"]: each for each in documents("datasets").values()}
    sorting = 0
    for chart in documents("charts").values():
        order = chart["params"].get("x_axis_sort")
        metrics = {metric["metric_name"]: metric for metric in datasets[chart["dataset_uuid"]]["metrics"]}
        if order in metrics and order not in chart["params"]["metrics"]:
            sorting += 1
            assert metrics[order].get("verbose_name", order) == order, chart["slice_name"]
    assert sorting == 3


@pytest.mark.parametrize("name", documents("dashboards"))
def test_a_filter_holds_for_the_charts_that_have_its_column_and_names_the_others(name: str) -> None:
    dashboard = documents("dashboards")[name]
    charts = charts_of(dashboard)
    for filter_ in dashboard["metadata"]["native_filter_configuration"]:
        out = set(filter_["scope"]["excluded"])
        inside = [charts[number] for number in charts if number not in out]
        assert inside, filter_["name"]
        for column in (target["column"]["name"] for target in filter_["targets"] if target):
            without = [
                c["slice_name"] for c in inside if column not in {x["column_name"] for x in c["dataset"]["columns"]}
            ]
            assert without == [], filter_["name"]
        if filter_["filterType"] == "filter_time":
            assert [c["slice_name"] for c in inside if not has_range(c)] == []
        if out:
            assert "Holds for" in filter_["description"] or all(
                charts[number]["slice_name"] in filter_["description"] for number in out
            )


def has_range(chart: dict[str, Any]) -> bool:
    """Whether a time filter can move the chart."""
    return any(condition["operator"] == "TEMPORAL_RANGE" for condition in chart["params"]["adhoc_filters"])


def test_each_dashboard_leads_to_the_others_and_to_the_runs_behind_it_and_says_what_to_do_when_empty() -> None:
    bundle = read_bundle(BUNDLE, READER)
    slugs = {dashboard["slug"] for dashboard in documents("dashboards").values()}
    for name, dashboard in documents("dashboards").items():
        position = yaml.safe_load(bundle.contents[f"dashboards/{name}.yaml"])["position"]
        code = position["MARKDOWN-links"]["meta"]["code"]
        assert set(re.findall(r"/superset/dashboard/([\w-]+)/", code)) == slugs - {dashboard["slug"]}
        made, nothing = code.split("Made by: ")[1].split("Nothing here? ")
        assert {"clickstream_models", "clickstream_stream"} <= set(DAG_RUNS.findall(made))
        assert set(DAG_RUNS.findall(code)) <= {path.stem for path in (BUNDLE.parents[2] / "dags").glob("*.py")}
        assert len(nothing) > 40


def test_what_is_built_every_five_minutes_is_cached_for_a_minute() -> None:
    seconds = {
        path.stem: (path.parent.name, yaml.safe_load(path.read_text()).get("cache_timeout"))
        for path in BUNDLE.rglob("datasets/*/*")
    }
    assert {name for name, (place, cached) in seconds.items() if place == "live" and cached is not None} == set()
    near = {name for name, (place, cached) in seconds.items() if place == "warehouse" and cached != 60}
    assert near == {"latest_sessions", "sessions", "freshness", "checks_latest"}
    assert {seconds[name][1] for name in near} == {5}


def test_no_table_renders_html_and_no_database_allows_writing() -> None:
    tables = {name: chart for name, chart in documents("charts").items() if chart["viz_type"] == "table"}
    assert len(tables) >= 2
    assert [name for name, chart in tables.items() if chart["params"]["allow_render_html"] is not False] == []
    for database in documents("databases").values():
        assert not any(database[right] for right in ("allow_dml", "allow_ctas", "allow_cvas", "allow_file_upload"))


def test_every_dataset_names_its_schema() -> None:
    assert {
        (path.parent.name, yaml.safe_load(path.read_text())["schema"]) for path in BUNDLE.rglob("datasets/*/*")
    } == {
        ("warehouse", "clickstream"),
        ("live", "main"),
    }


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A bundle of one database and one dataset."""
    files = {
        "metadata.yaml": {"version": "1.0.0", "type": "assets"},
        "databases/a.yaml": {"uuid": "1", "database_name": "a", "sqlalchemy_uri": "postgresql://${PLACE}/x"},
        "datasets/b.yaml": {"uuid": "2", "table_name": "b", "database_uuid": "1"},
    }
    for name, document in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(yaml.safe_dump(document))
    return tmp_path


def test_an_address_that_is_not_set_is_named(small: Path) -> None:
    with pytest.raises(BundleError, match=r"databases/a\.yaml takes its address from PLACE, which is not set"):
        read_bundle(small, {})


def test_a_link_to_nothing_is_named(small: Path) -> None:
    (small / "datasets" / "b.yaml").write_text("{uuid: '2', table_name: b, database_uuid: '3'}")
    with pytest.raises(BundleError, match="dataset b: its database_uuid is not in the bundle"):
        read_bundle(small, {"PLACE": "p"})


@pytest.mark.parametrize("text", ["{uuid: '1', table_name: b, database_uuid: '1'}", "{table_name: b}"])
def test_a_uuid_that_is_missing_or_anothers_is_named(small: Path, text: str) -> None:
    (small / "datasets" / "b.yaml").write_text(text)
    with pytest.raises(BundleError, match=r"datasets/b\.yaml: its uuid is missing or not its own"):
        read_bundle(small, {"PLACE": "p"})


@pytest.mark.parametrize("text", ["a: [", "- a list"])
def test_what_is_no_yaml_object_is_named(small: Path, text: str) -> None:
    (small / "datasets" / "b.yaml").write_text(text)
    with pytest.raises(BundleError, match=r"datasets/b\.yaml"):
        read_bundle(small, {"PLACE": "p"})


def test_a_directory_without_metadata_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no metadata\.yaml"):
        read_bundle(tmp_path, {})


def test_the_fingerprint_moves_with_the_bundle_its_address_the_key_and_the_rest(small: Path) -> None:
    one = read_bundle(small, {"PLACE": "p"})
    other = read_bundle(small, {"PLACE": "q"})
    prints = [fingerprint(one, "k", "x"), fingerprint(other, "k", "x"), fingerprint(one, "l", "x")]
    assert len({*prints, fingerprint(one, "k", "y")}) == 4
    assert fingerprint(read_bundle(small, {"PLACE": "p"}), "k", "x") == prints[0]


def test_removed_is_what_was_owned_and_is_not_any_more() -> None:
    now = {"databases": ["1"], "datasets": ["2"], "charts": ["4"], "dashboards": []}
    before = {"databases": ["1"], "charts": ["3", "4"], "dashboards": ["5"]}
    assert removed(before, now) == {"databases": [], "datasets": [], "charts": ["3"], "dashboards": ["5"]}
