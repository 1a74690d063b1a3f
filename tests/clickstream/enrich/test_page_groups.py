"""Groups of pages, and what is said about a rule file that cannot be used."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.enrich import page_group, read_page
from clickstream.enrich.page_groups import PageGroupsError, read_groups
from clickstream.generator.catalog import Page, page_urls


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/", "Home"), ("/index.html", "Home"), ("/category/tents", "Category"), ("/category/tents/dome-1", "Product"),
        ("/products/a", "Product"), ("/products", "Category"), ("/search", "Search"), ("/CART", "Cart"),
        ("/checkout/address", "Checkout"), ("/checkout/payment", "Checkout"),
        ("/checkout/confirmation", "Confirmation"), ("/account/sign-up", "Sign-up"), ("/account/login", "Login"),
        ("/account/orders", "Account"), ("/deals", "Deals"), ("/blog/a", "Blog"), ("/help/returns", "Help"),
        ("/cartoons", "Other"), ("/nowhere", "Other"),
    ],
)  # fmt: skip
def test_the_default_rules(path: str, label: str) -> None:
    assert page_group(path) == label


def test_the_default_rules_know_every_page_of_the_simulated_shop() -> None:
    labels = {page_group(read_page(url).path) for url in page_urls("https://shop.example")}
    assert "Other" not in labels
    assert len(labels) == len(Page) - 1  # address and payment are both Checkout


def test_own_rules(tmp_path: Path) -> None:
    rules = tmp_path / "groups.yaml"
    rules.write_text("groups:\n  - {pattern: /wiki/.*, label: Wiki}\n  - pattern: /w.*\n    label: Rest\n")
    assert [page_group(path, rules) for path in ("/wiki/A", "/wiki", "/x")] == ["Wiki", "Rest", "Other"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "expected `groups:`"),
        ("- a", 1, "expected `groups:`"),
        ("groups: []", 1, "with a list"),
        ("groups:\n  - {pattern: /a, label: A}\nmore: 1", 1, "alone"),
        ("groups:\n  - {pattern: /a, label: A}\n  - /b", 3, "a rule is {pattern"),
        ("groups:\n  - {pattern: /a}", 2, "this one has pattern"),
        ("groups:\n  - {pattern: /a, lable: A}", 2, "this one has lable, pattern"),
        ("groups:\n  - pattern: /a\n    label: ''", 3, "label must be a text and not empty"),
        ("groups:\n  - pattern: [/a]\n    label: A", 2, "pattern must be a text"),
        ("groups:\n  - label: A\n    pattern: '/(a'", 3, "no regular expression: missing )"),
        ("groups:\n  - label: A\n    pattern: '/a\n", 4, "not YAML or JSON"),
        ('{"groups": [\n {"pattern": "/a", "label": "' + "a" * 81 + '"}]}', 2, "at most 80"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    rules = tmp_path / "groups.yaml"
    rules.write_text(text)
    with pytest.raises(PageGroupsError) as caught:
        read_groups(rules)
    assert str(caught.value).startswith(f"{rules}:{line}: ")
    assert what in str(caught.value)


def test_a_file_that_is_no_utf8(tmp_path: Path) -> None:
    rules = tmp_path / "groups.yaml"
    rules.write_bytes(b"groups: \xff")
    with pytest.raises(PageGroupsError, match=r"groups.yaml: not UTF-8"):
        read_groups(rules)


@settings(deadline=None)
@given(st.text(min_size=1))
def test_any_path_has_a_label(url: str) -> None:
    assert page_group(read_page(url).path)
