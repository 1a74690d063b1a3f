"""The asset graph: what the DAGs read and write leads from the topic to every dashboard, and starts nothing."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_asset_graph_leads_from_the_topic_to_every_dashboard(loaded: dict) -> None:
    tasks = [task for dag in loaded["dags"].values() for task in dag["assets"].values()]

    def follow(assets: set[str]) -> set[str]:
        return {after for read, written in tasks for after in written if assets & set(read)}

    models = {f"clickstream.{file.parent.name}" for file in (ROOT / "sql" / "models").glob("*/query.sql")}
    tables = follow({"topic clickstream.events"}) - {"archive"}
    assert {"clickstream.events", "clickstream.sessions", "clickstream.dead_letters"} <= tables
    assert not tables & models
    made = follow(tables) & models
    assert made | (follow(made) & models) == models, "each model is made of tables, or of such models"
    dashboards = {f"dashboard {name}" for name in ("live", "sessions", "funnels", "journeys", "acquisition", "trust")}
    assert follow(made) & dashboards == dashboards
    written = {asset for _, outlets in tasks for asset in outlets}
    assert {asset for inlets, _ in tasks for asset in inlets} <= written, "nobody makes what somebody reads"


def test_the_models_read_what_their_queries_name(loaded: dict) -> None:
    assets = loaded["dags"]["clickstream_models"]["assets"]
    assert assets["days.pages_daily"] == [
        [f"clickstream.{name}" for name in ("page_loads_hourly", "page_minute", "pages", "sessions")],
        ["clickstream.pages_daily"],
    ]
    assert assets["funnels.purchase.build"] == [
        ["clickstream.events", "clickstream.sessions"],
        [f"clickstream.{name}" for name in ("funnel_steps", "funnel_times", "funnel_users")],
    ]
    assert assets["reconciliation"][0] == ["clickstream.stream_offsets", "clickstream.stream_slices"]


def test_no_dag_is_started_by_an_asset(loaded: dict) -> None:
    started = {dag_id: dag["timetable"] for dag_id, dag in loaded["dags"].items() if "Asset" in dag["timetable"]}
    assert started == {}
    assert loaded["dags"]["clickstream_replay"]["timetable"] == "NullTimetable"
