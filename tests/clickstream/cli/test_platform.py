"""What `clickstream up` ends with."""

from pathlib import Path

from clickstream.cli.platform import _what_is_where
from local.layout import DEFAULT_PORTS, Layout
from local.passwords import ensure


def test_what_is_where_names_every_page_and_no_password(tmp_path: Path) -> None:
    layout = Layout(tmp_path, {**DEFAULT_PORTS, "AIRFLOW": 18_080}, {})
    passwords = ensure(layout.secrets)
    told = _what_is_where(layout)
    assert "http://127.0.0.1:18080/plugin/clickstream" in told
    assert "http://127.0.0.1:8088/superset/dashboard/clickstream-live/" in told
    assert "cat .local/secrets/airflow_admin" in told
    assert [name for name, password in passwords.items() if password in told] == []
