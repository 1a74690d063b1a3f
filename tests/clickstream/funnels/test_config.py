"""The declaration of funnels: what is shipped, and the messages for what is wrong."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clickstream.funnels.config import FunnelError, Step, load_funnels, seconds

ROOT = Path(__file__).parents[3]
PURCHASE = """\
# a comment
purchase:
  scope: user
  window: 14 days
  order: ordered
  steps:
    - view_item
    - event: purchase
      page: /done
"""


def test_the_shipped_funnels() -> None:
    shipped = load_funnels(ROOT / "sql" / "funnels.yaml")
    assert {name: [step.title for step in funnel.all_steps()] for name, funnel in shipped.items()} == {
        "purchase": ["view_item", "add_to_cart", "begin_checkout", "purchase"],
        "search_to_purchase": ["search", "view_item", "add_to_cart", "purchase"],
        "campaign_to_sign_up": ["campaign landing", "sign_up"],
        "checkout": ["begin_checkout", "add_payment_info", "purchase"],
    }
    assert shipped["checkout"].order == "strict"


def test_the_example_of_the_docs_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "funnels.md").read_text()
    file = tmp_path / "funnels.yaml"
    file.write_text(text.split("```yaml\n")[1].split("```")[0])
    assert [step.title for step in load_funnels(file)["checkout"].all_steps()] == ["begin_checkout", "card", "purchase"]


def test_a_step_is_named_after_what_it_takes() -> None:
    steps = [Step(event="a"), Step(event=["a", "b"]), Step(page="/x"), Step(event="a", name="first")]
    assert [step.title for step in steps] == ["a", "a or b", "any event", "first"]


@pytest.mark.parametrize(
    ("text", "expected"), [("1 second", 1), ("30 minutes", 1_800), ("2 hours", 7_200), ("14 days", 1_209_600),
                           ("1 week", 604_800)]
)  # fmt: skip
def test_durations(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scope: user", "scope: shop", "3: funnel purchase: Invalid enum value 'shop' - at `$.scope`"),
        ("  scope: user\n", "", "2: funnel purchase: Object missing required field `scope`"),
        ("scope: user", "scope: user\n  color: red", "4: funnel purchase: Object contains unknown field `color`"),
        ("14 days", "a while", "4: funnel purchase: window 'a while' is not like '14 days' or '30 minutes'"),
        ("14 days", "0 days", "4: funnel purchase: window '0 days' is not like '14 days' or '30 minutes'"),
        ("  window: 14 days\n", "", "2: funnel purchase: scope user needs a window, like '14 days', '30 minutes' or"),
        ("ordered", "strict\n  considers: [view_item]", "9: funnel purchase: step 2 takes purchase, which is not in"),
        ("ordered", "ordered\n  considers: [view_item]", "6: funnel purchase: only order strict considers event types"),
        ("    - view_item\n", "", "6: funnel purchase: Expected `array` of length >= 2 - at `$.steps`"),
        ("view_item", "View", "7: funnel purchase: 'View' is no event type: lower case letters, digits and _, at most"),
        ("- view_item", "- event:\n      - a\n      - 'b\\n'", "9: funnel purchase: 'b\\\\n' is no event type"),
        ("event: purchase", "event: Buy", "8: funnel purchase: 'Buy' is no event type"),
        ("scope: user", "scope: user\n  exclusions: [a, B]", "4: funnel purchase: 'B' is no event type"),
        ("ordered", "strict\n  considers:\n    - a\n    - B", "8: funnel purchase: 'B' is no event type"),
        ("page: /done", "alert: {webhook: 'https://x'}", "9: funnel purchase: names an environment variable"),
        ("page: /done", "name: done\n      pages: /", "10: funnel purchase: Object contains unknown field `pages`"),
        ("event: purchase\n      page: /done", "name: done", "8: funnel purchase: needs one of event, page, url and"),
        ("/done", "{glob: /a, regex: /b}", "9: funnel purchase: takes either a glob or a regex"),
        ("/done", "{regex: '('}", "9: funnel purchase: is no regular expression: missing )"),
        ("page: /done", "properties: {price: {}}", "9: funnel purchase: needs one of equals, in, exists, > and <"),
        ("page: /done", "properties: {price: {'>': dear}}", "9: funnel purchase: Expected `float | null`, got `str`"),
        ("page: /done", "alert: {per: week}", "9: funnel purchase: Invalid enum value 'week'"),
        ("page: /done", "alert: {within: soon}", "9: funnel purchase: within 'soon' is not like '14 days'"),
        ("- view_item", "- {event: view_item, alert: {}}", "7: funnel purchase: step 1 has no rate: put the alert on"),
        ("scope: user", "scope: user\n  exclusions: [{event: x, between: [2, 3]}]", "4: funnel purchase: names two"),
        ("scope: user", "scope: user\n  attribution: 3", "4: funnel purchase: there is no step 3: first, last"),
        ("scope: user", "scope: user\n  breakdown: [device, device]", "4: funnel purchase: names a dimension twice"),
        ("scope: user", "scope: user\n  breakdown: [shoe]", "4: funnel purchase: Invalid enum value 'shoe'"),
        ("scope: user", "scope: user\n  scope: user", "4: funnel purchase: scope is given twice"),
        ("purchase:\n  scope", "Purchase 1:\n  scope", "2: funnel Purchase 1: the name must be lower case letters"),
        ("scope: user", "scope: [user", "4: funnel purchase: not YAML: "),
        ("scope: user", "scope: us\0er", "3: funnel purchase: not YAML: special characters"),
        ("scope: user", "? [scope]\n  : user", "3: funnel purchase: a key must be a word"),
        ("- view_item", "- !foo view_item", "7: funnel purchase: not YAML: could not determine a constructor"),
        ("- view_item", "- 2026-13-45", "7: funnel purchase: '2026-13-45' is no value of YAML: month must be"),
        ("- view_item", "- !!int x", "7: funnel purchase: 'x' is no value of YAML: invalid literal for int"),
        ("    - view_item\n", "    - &again [*again]\n", "7: funnel purchase: is nested too deeply"),
        ("- view_item", f"- {'[' * 2_000}", "7: funnel purchase: is nested too deeply"),
        ("/done", '"/\\0"', "9: funnel purchase: '/\\x00' holds a character that PostgreSQL cannot store"),
        ("/done", '"\\ud800"', "9: funnel purchase: '\\ud800' holds a character that PostgreSQL cannot store"),
        ("page: /done", "properties: {price: .nan}", "9: funnel purchase: .nan is no number that JSON has"),
        ("page: /done", "properties: {price: -.inf}", "9: funnel purchase: -.inf is no number that JSON has"),
        ("page: /done", f"properties: {{price: {2**63}}}", f"9: funnel purchase: {2**63} has more than 64 bits"),
        ("page: /done", "properties:\n        a: 1\n        b: {'~': 2}", "11: funnel purchase: Object contains"),
        (
            "page: /done", "properties:\n        a: {'>': 1}\n        b:\n          '>': x",
            "12: funnel purchase: Expected `float | null`, got `str`",
        ),
        ("14 days", "999999999 weeks", "4: funnel purchase: window '999999999 weeks' is more than 10 years"),
        ("/done", "{regex: '(?i)/x'}", "9: funnel purchase: knows of groups with (? only (?:…), (?=…)"),
        ("/done", "{regex: '(?P<n>a)'}", "9: funnel purchase: knows of groups with (? only (?:…), (?=…)"),
        ("/done", "{regex: 'a++'}", "9: funnel purchase: may not use *+, ++"),
        ("/done", "{regex: 'a{1,300}'}", "9: funnel purchase: repeats more than 255 times"),
        ("/done", "{regex: 'a\\b'}", "9: funnel purchase: may not use \\b"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "funnels.yaml"
    assert old in PURCHASE
    file.write_text(PURCHASE.replace(old, new, 1))
    with pytest.raises(FunnelError) as error:
        load_funnels(file)
    assert str(error.value).startswith(f"{file}:{message}")


def test_a_name_that_is_used_twice(tmp_path: Path) -> None:
    file = tmp_path / "funnels.yaml"
    file.write_text(PURCHASE + PURCHASE)
    with pytest.raises(FunnelError, match=r"funnels.yaml:11: funnel purchase: declared twice"):
        load_funnels(file)


@pytest.mark.parametrize("text", ["", "- purchase\n", "purchase\n"])
def test_a_file_without_funnels(tmp_path: Path, text: str) -> None:
    file = tmp_path / "funnels.yaml"
    file.write_text(text)
    with pytest.raises(FunnelError, match=r"funnels.yaml:1: expected funnels by name"):
        load_funnels(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"funnels.yaml: No such file or directory"):
        load_funnels(tmp_path / "funnels.yaml")


def test_a_process_that_read_funnels_ends_well() -> None:
    """A type that msgspec frees badly shows when the interpreter ends, about every fourth time."""
    program = "import sys, pathlib, clickstream.funnels.config as c; c.load_funnels(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(ROOT / "sql" / "funnels.yaml")]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=False), range(20)))
    assert [(one.returncode, one.stderr) for one in ended] == [(0, b"")] * 20
