"""What the setup does inside Superset: schema, roles, the admin, the bundle. Needs the app's context.

Superset's own commands and models do the work; importing this module loads Superset.
"""

from collections.abc import Mapping
from pathlib import Path

import flask_migrate
from superset.commands.importers.v1.assets import ImportAssetsCommand
from superset.connectors.sqla.models import SqlaTable
from superset.daos.chart import ChartDAO
from superset.daos.dashboard import DashboardDAO
from superset.daos.database import DatabaseDAO
from superset.daos.dataset import DatasetDAO
from superset.extensions import appbuilder, db, security_manager
from superset.models.core import Database
from superset.models.dashboard import Dashboard
from superset.models.slice import Slice
from superset.utils.core import override_user
from superset.utils.decorators import transaction
from werkzeug.security import check_password_hash

from clickstream_superset.bundle import Bundle

ADMIN = "admin"


def migrate_schema() -> None:
    """Bring Superset's own tables to its version."""
    import superset

    flask_migrate.upgrade(directory=str(Path(superset.__file__).parent / "migrations"))


@transaction()
def sync_roles() -> None:
    """Create Superset's permissions and roles, as `superset init` does."""
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()


def ensure_admin(password: str) -> None:
    """Create the user `admin`, or set its password back to the given one."""
    user = security_manager.find_user(ADMIN)
    if user is None:
        role = security_manager.find_role("Admin")
        user = security_manager.add_user(ADMIN, "Clickstream", "Admin", "admin@localhost", role, password=password)
        if not user:
            raise RuntimeError("Superset refused to create the user admin; its log above says why")
    elif not check_password_hash(user.password, password):
        security_manager.reset_password(user.id, password)


def import_bundle(bundle: Bundle) -> None:
    """Create or overwrite every object of the bundle, in one transaction."""
    with override_user(security_manager.find_user(ADMIN)):
        ImportAssetsCommand(dict(bundle.contents)).run()


@transaction()
def remove(uuids: Mapping[str, list[str]]) -> list[str]:
    """Delete what an earlier bundle owned. Datasets and databases that others' charts or datasets use stay.

    Returns a line for each object that was deleted or kept.
    """
    lines = []
    for dashboard in db.session.query(Dashboard).filter(Dashboard.uuid.in_(uuids["dashboards"])):
        DashboardDAO.delete([dashboard])
        lines.append(f"removed dashboard {dashboard.dashboard_title}")
    for chart in db.session.query(Slice).filter(Slice.uuid.in_(uuids["charts"])):
        ChartDAO.delete([chart])
        lines.append(f"removed chart {chart.slice_name}")
    db.session.flush()
    for dataset in db.session.query(SqlaTable).filter(SqlaTable.uuid.in_(uuids["datasets"])):
        users = db.session.query(Slice).filter_by(datasource_id=dataset.id, datasource_type="table").count()
        if not users:
            DatasetDAO.delete([dataset])
        lines.append(_line("dataset", dataset.table_name, users, "charts"))
    db.session.flush()
    for database in db.session.query(Database).filter(Database.uuid.in_(uuids["databases"])):
        users = db.session.query(SqlaTable).filter_by(database_id=database.id).count()
        if not users:
            DatabaseDAO.delete([database])
        lines.append(_line("database", database.database_name, users, "datasets"))
    return lines


def _line(kind: str, name: str, users: int, what: str) -> str:
    if users:
        return f"kept {kind} {name}: {users} {what} that are not ours use it"
    return f"removed {kind} {name}"
