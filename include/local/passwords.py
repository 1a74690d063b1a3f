"""Passwords and keys, made on first start: one file each below `.local/secrets/`, mode 0600, never printed."""

import base64
import os
import secrets
from pathlib import Path

from local.files import write_private

NAMES = (
    "postgres_admin", "clickstream_owner", "clickstream_writer", "clickstream_reader", "airflow_database",
    "superset_database", "redis", "airflow_admin", "airflow_jwt", "airflow_api", "superset_admin",
    "superset_secret_key", "user_hash_key",
)  # fmt: skip
FERNET = "airflow_fernet"


class SecretsError(RuntimeError):
    """A secret cannot be used; the message names its file."""


def ensure(directory: Path) -> dict[str, str]:
    """Every secret by name; those that are missing are made, those that are there never change.

    Raises:
        SecretsError: a file is empty, or others than its owner may read it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    return {name: _secret(directory / name) for name in (*NAMES, FERNET)}


def _secret(file: Path) -> str:
    if not file.exists():
        write_private(file, _new(file.name) + "\n")
    if file.stat().st_mode & 0o077:
        raise SecretsError(f"{file} can be read by others: chmod 600 {file}")
    value = file.read_text().strip()
    if not value:
        raise SecretsError(f"{file} is empty: restore it, or remove .local (make clean) and start afresh")
    return value


def _new(name: str) -> str:
    if name == FERNET:
        return base64.urlsafe_b64encode(os.urandom(32)).decode()
    return secrets.token_urlsafe(24)
