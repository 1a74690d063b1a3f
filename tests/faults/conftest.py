"""How the fault matrix is run: `make test-faults` all of it with several seeds, `make test` a short form with one."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.kafka import Kafka
from local.redis import Redis
from local.server import free_port

from .servers import AuditedPostgres, Restartable
from .story import Story, World

SHORT_SEED = 11


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "short: part of the short form of the fault matrix")
    config.addinivalue_line("markers", "full_size: minutes long, run by `make test-faults` alone")


def _seeds() -> list[int]:
    return [int(seed) for seed in os.environ.get("FAULT_SEEDS", "").split()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "story" in metafunc.fixturenames:
        seeds = _seeds() or [SHORT_SEED]
        metafunc.parametrize("story", seeds, ids=[f"seed {seed}" for seed in seeds], indirect=True, scope="package")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without FAULT_SEEDS only the short form exists."""
    if not _seeds():
        items[:] = [item for item in items if not _of_a_story(item) or item.get_closest_marker("short")]
        items[:] = [item for item in items if not item.get_closest_marker("full_size")]


def _of_a_story(item: pytest.Item) -> bool:
    return "story" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="package")
def world(kafka_jars: Path, spark_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """PostgreSQL, Redis and a broker that only these tests use."""
    directory = tmp_path_factory.mktemp("faults")
    postgres = AuditedPostgres(directory / "postgres" / "data", free_port(), "test-admin", shared_buffers="128MB")
    servers = World(
        Restartable(postgres, directory / "postgres.log"),
        Restartable(Redis(directory / "redis", free_port(), "test-redis"), directory / "redis.log"),
        Restartable(Kafka(directory / "kafka", kafka_jars, free_port(), free_port()), directory / "kafka.log"),
        spark_jars,
        directory,
    )
    try:
        for server in (servers.postgres, servers.redis, servers.kafka):
            server.start()
        yield servers
    finally:
        servers.kafka.end()
        servers.redis.end()
        servers.postgres.end(signal.SIGQUIT)


@pytest.fixture(scope="package")
def story(world: World, request: pytest.FixtureRequest) -> Iterator[Story]:
    """A seed's topic, database and jobs."""
    story = Story(world, request.param)
    yield story
    story.close()
    for log in sorted(story.state.glob("stream-*.log")):
        print(f"--- {log.name}\n{log.read_text()[-3_000:]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix as a table."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.nodeid.startswith("tests/faults/") and report.when == "call" and "[seed " in report.nodeid
    ]
    if not reports:
        return
    rows = [["fault", "seed", "result", "s to recovery", "events", "checked", "remarks"]]
    rows += [_row(report) for report in sorted(reports, key=lambda report: report.start)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    terminalreporter.section("fault matrix")
    for row in rows:
        terminalreporter.write_line(
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        )


def _row(report: pytest.TestReport) -> list[str]:
    name, seed = report.nodeid.split("::test_")[-1].rstrip("]").split("[seed ")
    said = dict(report.user_properties)
    checked = " ".join(map(str, said.get("checked", [])))  # type: ignore[arg-type]
    figures = [str(said.get(key, "")) for key in ("recovery", "events")]
    return [name.replace("_", " "), seed, report.outcome, *figures, checked, str(said.get("note", ""))]
