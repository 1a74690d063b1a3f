"""The shop's export of the shared data, and the example that maps it to events of the contract."""

import importlib.util
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXPORT = Path(os.environ.get("CLICKSTREAM_TEST_DATA", ROOT.parent / "shared" / "data")) / "ecom-sessions.csv.gz"


def shop_events() -> list[dict[str, Any]]:
    """All events of the export, in its order."""
    assert EXPORT.exists(), f"{EXPORT} is missing: set CLICKSTREAM_TEST_DATA to the folder of the tests' data"
    spec = importlib.util.spec_from_file_location("shop_csv", ROOT / "docs" / "examples" / "shop_csv.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.events(module.read(EXPORT)))
