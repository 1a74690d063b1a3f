"""The bundle's files: complete, linked, without secrets; and what is refused, with the file's name."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_superset.bundle import BundleError, fingerprint, read_bundle, removed

BUNDLE = Path(__file__).parents[2] / "include" / "superset" / "bundle"
READER = {"SUPERSET_READER_URI": "postgresql+psycopg2://clickstream_reader:a-secret@db.example/clickstream"}


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


def test_every_chart_is_in_the_docs() -> None:
    told = (BUNDLE.parents[2] / "docs" / "dashboards.md").read_text()
    titles = {chart["slice_name"] for chart in documents("charts").values()}
    assert {title for title in titles if f"| {title.partition(',')[0]}" not in told} == set()


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
