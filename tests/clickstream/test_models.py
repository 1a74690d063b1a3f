"""The declared funnels, and the messages for wrong ones."""

from pathlib import Path

import pytest

from clickstream.models import FunnelError, funnel_parameters, load_funnels

ROOT = Path(__file__).parents[2]
PURCHASE = "purchase: {scope: user, order: ordered, window: 14 days, steps: [view_item, purchase]}"


def test_the_shipped_funnel() -> None:
    funnels = load_funnels(ROOT / "sql" / "funnels.yaml")
    assert {name: funnel_parameters(name, funnel) for name, funnel in funnels.items()} == {
        "purchase": {
            "funnel": "purchase",
            "steps": ["view_item", "add_to_cart", "begin_checkout", "purchase"],
            "within": "14 days",
        }
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scope: user", "scope: shop", "Invalid enum value 'shop' - at `$[...].scope`"),
        ("scope: user, ", "", "Object missing required field `scope` - at `$[...]`"),
        ("scope: user", "scope: user, color: red", "Object contains unknown field `color` - at `$[...]`"),
        ("14 days", "a while", "funnel purchase: window 'a while' is not like '14 days' or '30 minutes'"),
        ("14 days", "0 days", "funnel purchase: window '0 days' is not like '14 days' or '30 minutes'"),
        ("[view_item, purchase]", "[purchase]", "funnel purchase: needs two or more steps, all different"),
        ("[view_item, purchase]", "[purchase, purchase]", "funnel purchase: needs two or more steps, all different"),
    ],
)
def test_a_wrong_funnel_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "funnels.yaml"
    file.write_text(PURCHASE.replace(old, new))
    with pytest.raises(FunnelError) as error:
        load_funnels(file)
    assert str(error.value) == f"{file}: {message}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"funnels.yaml: no such file; set CLICKSTREAM_HOME to the checkout"):
        load_funnels(tmp_path / "funnels.yaml")
