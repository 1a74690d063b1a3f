"""The setup on a real Superset: complete, idempotent, removing what left the bundle, clear about what is wrong."""

import shutil
from pathlib import Path

import httpx
import psycopg
import yaml

from local.server import free_port
from superset_server import ROOT, Superset

BUNDLE = ROOT / "include" / "superset" / "bundle"


def names(kind: str, key: str) -> list[str]:
    """What the bundle's files of a kind are called."""
    return sorted(yaml.safe_load(path.read_text())[key] for path in (BUNDLE / kind).rglob("*.yaml"))


OBJECTS = {
    "dbs": names("databases", "database_name"),
    "tables": names("datasets", "table_name"),
    "slices": names("charts", "slice_name"),
    "dashboards": names("dashboards", "slug"),
}


def test_a_fresh_superset_gets_everything_and_a_second_setup_changes_nothing(
    superset_setup: tuple[Superset, str],
) -> None:
    superset, printed = superset_setup
    steps = [line.rpartition(" (")[0] for line in printed.splitlines()]
    assert steps == [
        "superset: load Superset",
        "superset: migrate its schema",
        "superset: create roles and permissions",
        "superset: set the admin's password",
        "superset: import 2 databases, {tables} datasets, {slices} charts, {dashboards} dashboards".format(
            **{kind: len(found) for kind, found in OBJECTS.items()}
        ),
    ]
    assert superset.objects() == OBJECTS
    again = superset.setup()
    assert (again.returncode, again.stdout) == (0, "superset: nothing has changed\n")


def test_objects_that_leave_the_bundle_disappear_and_forced_imports_double_nothing(
    superset_setup: tuple[Superset, str], tmp_path: Path
) -> None:
    superset = superset_setup[0]
    larger = tmp_path / "bundle"
    shutil.copytree(BUNDLE, larger)
    for name, new in {
        "datasets/live/live_pages": {"table_name": "live_lag"},
        "charts/revenue": {"slice_name": "Soon gone"},
        "dashboards/clickstream_live": {"slug": "soon-gone"},
    }.items():
        document = yaml.safe_load((BUNDLE / f"{name}.yaml").read_text())
        document |= {**new, "uuid": document["uuid"][:-4] + "0000"}
        (larger / f"{name}-2.yaml").write_text(yaml.safe_dump(document))
    assert superset.setup("--bundle", str(larger)).returncode == 0
    assert superset.objects() == {
        **OBJECTS,
        "tables": sorted([*OBJECTS["tables"], "live_lag"]),
        "slices": sorted([*OBJECTS["slices"], "Soon gone"]),
        "dashboards": sorted([*OBJECTS["dashboards"], "soon-gone"]),
    }
    back = superset.setup("--force")
    assert back.returncode == 0, back.stderr
    assert superset.objects() == OBJECTS
    assert {line for line in back.stdout.splitlines() if "superset:   " in line} == {
        "superset:   removed dashboard Clickstream live",
        "superset:   removed chart Soon gone",
        "superset:   removed dataset live_lag",
    }


def test_a_missing_variable_is_named(superset_setup: tuple[Superset, str]) -> None:
    done = superset_setup[0].setup(SUPERSET_READER_URI="", SUPERSET_ADMIN_PASSWORD="")
    assert done.returncode == 1
    assert done.stderr == (
        "superset: SUPERSET_READER_URI, SUPERSET_ADMIN_PASSWORD not set in the environment: load .local/env first\n"
    )


def test_a_metadata_database_that_is_away_is_said(superset_setup: tuple[Superset, str]) -> None:
    nowhere = f"postgresql+psycopg2://superset:hidden-secret@127.0.0.1:{free_port()}/superset"
    done = superset_setup[0].setup(SUPERSET_METADATA_URI=nowhere)
    assert done.returncode == 1
    assert done.stderr.startswith("superset: its metadata database (SUPERSET_METADATA_URI) does not answer: ")
    assert "hidden-secret" not in done.stderr


def test_a_broken_bundle_is_refused_before_anything_happens(
    superset_setup: tuple[Superset, str], tmp_path: Path
) -> None:
    done = superset_setup[0].setup("--bundle", str(tmp_path))
    assert done.returncode == 1
    assert "holds no metadata.yaml" in done.stderr


def test_the_passwords_lie_encrypted_in_the_metadata(superset: Superset) -> None:
    reader = superset.variables["SUPERSET_READER_URI"].split(":")[2].split("@")[0]
    with psycopg.connect(superset.metadata_dsn) as connection:
        found = connection.execute("select sqlalchemy_uri, password from dbs order by 1").fetchall()
    assert [uri.split("@")[0] for uri, _ in found] == [
        "clickstreamlive://", "postgresql+psycopg2://clickstream_reader:XXXXXXXXXX"
    ]  # fmt: skip
    assert not any(reader.encode() in bytes(password or b"") for _, password in found)


def test_the_admin_logs_in_with_the_secret_and_not_with_another(superset: Superset) -> None:
    def status(password: str) -> int:
        body = {"username": "admin", "password": password, "provider": "db"}
        return httpx.post(f"{superset.url}/api/v1/security/login", json=body, timeout=60).status_code

    assert (status(superset.password), status("admin")) == (200, 401)
