"""Lines of a combined access log as events."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from clickstream.access_log import event, event_type, origin, parse, user_id, without_addresses
from clickstream.contract import Accepted, decode, encode

LINE = (
    '203.0.113.9 - - [17/May/2015:12:05:03 +0200] "GET /blog/tags/x?page=2 HTTP/1.1" 200 512 '
    '"http://semicomplete.com/" "Mozilla/5.0 (X11)"'
)
ID = UUID("00000000-0000-8000-8000-000000000001")


def request(target: str = "/", status: int = 200, method: str = "GET") -> str:
    return f'203.0.113.9 - - [17/May/2015:10:05:03 +0000] "{method} {target} HTTP/1.1" {status} - "-" "-"'


def test_a_line_becomes_an_event_of_the_contract() -> None:
    decoded = decode(encode(event(parse(LINE), ID, "http://semicomplete.com", b"key")))
    assert isinstance(decoded, Accepted)
    found = decoded.event
    assert (found.event_id, found.event_type) == (ID, "page_view")
    assert found.event_time == datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)
    assert found.page_url == "http://semicomplete.com/blog/tags/x?page=2"
    assert (found.referrer, found.user_agent) == ("http://semicomplete.com/", "Mozilla/5.0 (X11)")
    assert decoded.properties_json == b'{"http_method":"GET","http_status":200,"response_bytes":512}'


def test_absent_fields_stay_absent_and_a_target_with_host_keeps_it() -> None:
    found = event(parse(request("http://other.example/a")), ID, "http://semicomplete.com", b"key")
    assert (found.page_url, found.referrer, found.user_agent) == ("http://other.example/a", None, None)
    assert found.properties.response_bytes is None


def test_escapes_of_the_server_are_undone() -> None:
    line = LINE.replace("Mozilla/5.0 (X11)", r"a \"b\" \\ \x43\xc3\xa9 \xff")
    assert parse(line).agent == 'a "b" \\ Cé \ufffd'


@pytest.mark.parametrize(
    ("target", "status", "method", "expected"),
    [
        ("/", 200, "GET", "page_view"),
        ("/a/b.html", 304, "GET", "page_view"),
        ("/index.php?x=1.png", 200, "GET", "page_view"),
        ("/projects/xdotool/xdotool.xhtml", 206, "GET", "page_view"),
        ("/style.css?v=2", 200, "GET", "asset_request"),
        ("/favicon.ico", 304, "HEAD", "asset_request"),
        ("/blog/?flav=rss20", 200, "GET", "feed_request"),
        ("/index.xml", 200, "GET", "feed_request"),
        ("/robots.txt", 200, "GET", "robots_request"),
        ("/files/x.jar", 200, "GET", "file_download"),
        ("/missing.png", 404, "GET", "request_error"),
        ("/moved", 301, "GET", "redirect"),
        ("/form", 200, "POST", "other_request"),
        ("/", 200, "HEAD", "other_request"),
    ],
)
def test_what_kind_of_event_a_request_is(target: str, status: int, method: str, expected: str) -> None:
    assert event_type(parse(request(target, status, method))) == expected


def test_a_user_is_address_and_agent_under_the_key() -> None:
    line = parse(LINE)
    assert user_id(line, b"key") == user_id(line, b"key")
    others = [line._replace(address="203.0.113.10"), line._replace(agent="x"), line._replace(agent=None)]
    ids = {user_id(line, b"key"), user_id(line, b"other"), *(user_id(other, b"key") for other in others)}
    assert len(ids) == 5
    assert {len(found) for found in ids} == {32}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "empty line"),
        (LINE[:-1], "a quoted field does not end; is the line cut off?"),
        (LINE.rsplit(' "', 2)[0], "1 quoted fields instead of 3"),
        ("hello", "0 quoted fields instead of 3"),
        (LINE.replace("May", "Mai"), "time '17/Mai/2015:12:05:03 +0200' is not like"),
        (LINE.replace("GET /blog/tags/x?page=2 HTTP/1.1", r"\x16\x03\x01"), r"request '\\x16\\x03\\x01' is not like"),
        (LINE.replace(" 200 ", " abc "), "not a line of the combined log format"),
    ],
)
def test_what_does_not_parse_says_why(line: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(line)
    assert str(caught.value).startswith(reason)


def test_addresses_are_masked_and_times_are_not() -> None:
    assert without_addresses(f"{LINE} 198.51.100.7").startswith("[address] - - [17/May/2015:12:05:03 +0200]")
    for address in ("198.51.100.7", "2001:db8::7", "::1", "fe80:0:0:0:1:2:3:4"):
        assert address not in without_addresses(f'{{"note":"{address}"}}'), address
    assert without_addresses("host.example.org x Chrome/32.0.1700.77") == "[address] x Chrome/32.0.1700.77"


def test_the_origin_of_a_url() -> None:
    assert origin("http://www.example.org/a?b") == "http://www.example.org"
    assert origin("-") is None and origin(None) is None and origin("ftp://x/") is None
