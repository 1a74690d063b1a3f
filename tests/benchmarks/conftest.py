"""The baselines are programs beside the platform, not a part of it: they are imported from benchmarks/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
