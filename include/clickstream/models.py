"""The funnels of `sql/funnels.yaml` as bound parameters of the SQL models; the SQL itself is in `sql/models`."""

import re
from pathlib import Path
from typing import Literal

import msgspec

from clickstream.settings import settings

_WINDOW = re.compile(r"[1-9]\d* (second|minute|hour|day)s?")


class FunnelError(ValueError):
    """A funnel that cannot be built: file, funnel and what is wrong."""


class Funnel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A declared funnel. `window` is PostgreSQL's interval; `steps` are different event types, in order."""

    scope: Literal["user"]
    order: Literal["ordered"]
    window: str
    steps: tuple[str, ...]


def load_funnels(path: Path | None = None) -> dict[str, Funnel]:
    """The funnels of a YAML file (default `sql/funnels.yaml` of the checkout), by name.

    Raises:
        FunnelError: the file is missing or a funnel is not as declared above.
    """
    path = path or settings().home / "sql" / "funnels.yaml"
    try:
        funnels = msgspec.yaml.decode(path.read_bytes(), type=dict[str, Funnel])
    except FileNotFoundError:
        raise FunnelError(f"{path}: no such file; set CLICKSTREAM_HOME to the checkout") from None
    except msgspec.ValidationError as error:
        raise FunnelError(f"{path}: {error}") from None
    for name, funnel in funnels.items():
        if not _WINDOW.fullmatch(funnel.window):
            raise FunnelError(f"{path}: funnel {name}: window {funnel.window!r} is not like '14 days' or '30 minutes'")
        if len(funnel.steps) < 2 or len(set(funnel.steps)) < len(funnel.steps):
            raise FunnelError(f"{path}: funnel {name}: needs two or more steps, all different")
    return funnels


def funnel_parameters(name: str, funnel: Funnel) -> dict[str, object]:
    """What `sql/models/funnel_*` bind for one funnel."""
    return {"funnel": name, "steps": list(funnel.steps), "within": funnel.window}
