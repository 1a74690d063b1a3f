"""Hostile records as data: what is sent, and what must become of it.

Each row spoils an event that would be accepted. `stored` means: stored with exactly what it says; `duplicate`: counted,
not stored again; everything else is the reason of a dead letter that holds the bytes as they came.
"""

import json
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from builders import encoded, event, rfc3339

Event = dict[str, Any]
Build = Callable[[Event], bytes | None]
Headers = list[tuple[str, bytes | None]]
STORED, DUPLICATE = "stored", "duplicate"
BROKER_LIMIT = 6_000_000  # the test's topic takes records up to this size
USER = "ann"


class Poison(NamedTuple):
    """One record: how it is made of a good event, and what becomes of it."""

    name: str
    build: Build
    expected: str
    key: bytes | None = USER.encode()
    headers: Headers | None = None


def base(number: int, now_ms: int) -> Event:
    """The good event that row `number` spoils, a minute before now."""
    return event(1_000 + number, user=USER) | {"event_time": rfc3339(now_ms - 60_000 + number)}


def honest(number: int, now_ms: int, user: str = USER) -> Event:
    """An event beside the hostile ones, of the same user."""
    return event(1_000_000 + number, user=user, page_url=f"https://shop.example/honest/{number}") | {
        "event_time": rfc3339(now_ms - 60_000 + number)
    }


def time_of(good: Event) -> int:
    return round(datetime.fromisoformat(good["event_time"]).timestamp() * 1_000)


def first_honest(good: Event) -> Event:
    """The first honest event of the run that this good event belongs to."""
    number = UUID(good["event_id"]).int - 1_000
    return honest(0, time_of(good) + 60_000 - number)


def fields(**changed: Any) -> Build:
    return lambda good: encoded({**good, **changed})


def without(name: str) -> Build:
    return lambda good: encoded({key: value for key, value in good.items() if key != name})


def properties(**given: Any) -> Build:
    return fields(properties=given)


def raw(value: bytes, field: str = "properties") -> Build:
    """A field whose JSON is these bytes."""
    return lambda good: encoded({**good, field: "@"}).replace(b'"@"', value)


def inside(value: bytes) -> Build:
    """A property that the contract does not know, whose JSON is these bytes."""
    return raw(b'{"x": ' + value + b"}")


def around(before: bytes = b"", after: bytes = b"") -> Build:
    return lambda good: before + encoded(good) + after


def always(value: bytes | None) -> Build:
    return lambda _: value


def shifted(seconds: float) -> Build:
    return lambda good: encoded({**good, "event_time": rfc3339(time_of(good) + round(seconds * 1_000))})


def padded(size: int) -> Build:
    """The good event as a record of this many bytes."""
    return lambda good: encoded(good)[:-1] + b" " * (size - len(encoded(good))) + b"}"


def sized(size: int) -> Build:
    """Properties of this many bytes."""
    return raw(b'{"x":"' + b"a" * (size - 8) + b'"}')


def nested(levels: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    return opening * levels + b"1" + closing * levels


def recoded(encoding: str) -> Build:
    return lambda good: json.dumps(good).encode(encoding)


def letters(count: int, alphabet: tuple[int, int]) -> str:
    """Text that no compression makes small."""
    chance = random.Random(count)
    return "".join(chr(chance.randint(*alphabet)) for _ in range(count))


ASTRAL, HAN = (0x1F300, 0x1F5FF), (0x4E00, 0x9FFF)


def everywhere(text: str) -> Build:
    return fields(
        session_id=text, page_url=text, referrer=text, user_agent=text,
        properties={"search_term": text, "category": text, text: text, "x": [text, {text: text}]},
    )  # fmt: skip


def rows(expected: str, builds: dict[str, Build]) -> list[Poison]:
    return [Poison(name, build, expected) for name, build in builds.items()]


NOT_JSON = rows("not_json", {
    "tombstone": always(None),
    "empty": always(b""),
    "white space": always(b" \t\r\n "),
    "a brace": always(b"{"),
    "binary": always(bytes(range(256))),
    "NUL bytes": always(b"\0" * 64),
    "byte order mark": around(before=b"\xef\xbb\xbf"),
    "UTF-16": recoded("utf-16"),
    "UTF-16 without a mark": recoded("utf-16-le"),
    "UTF-32": recoded("utf-32"),
    "cut off": lambda good: encoded(good)[:-1],
    "garbage behind": around(after=b"x"),
    "NUL behind": around(after=b"\0"),
    "two objects": lambda good: encoded(good) * 2,
    "two lines": lambda good: encoded(good) + b"\n" + encoded(good),
    "a comment": around(before=b"/* hello */"),
    "single quotes": lambda good: encoded(good).replace(b'"', b"'"),
    "trailing comma": lambda good: encoded(good)[:-1] + b",}",
    "bare key": lambda good: encoded(good).replace(b'"user_id"', b"user_id"),
    "JavaScript": around(before=b"callback(", after=b")"),
    "XML": always(b"<event><user_id>ann</user_id></event>"),
    "CSV": always(b"event_id,event_type\n1,page_view\n"),
    "gzip": always(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00"),
    "invalid UTF-8 in the user": raw(b'"a\xff"', "user_id"),
    "invalid UTF-8 in a property": inside(b'"\xff"'),
    "invalid UTF-8 in a property's name": raw(b'{"\xff": 1}'),
    "overlong UTF-8": inside(b'"\xc0\xaf"'),
    "a surrogate in UTF-8": inside(b'"\xed\xa0\x80"'),
    "UTF-8 beyond Unicode": inside(b'"\xf4\x90\x80\x80"'),
    "a cut character": inside(b'"\xf0\x9f\x9b"'),
    "raw control character in the user": raw(b'"a\x01"', "user_id"),
    "raw control character in a property": inside(b'"\x1b[2J"'),
    "raw line feed in a property": inside(b'"a\nb"'),
    "raw NUL in a property": inside(b'"a\0b"'),
    "unknown escape": inside(b'"\\x41"'),
    "escape of two digits": inside(b'"\\u12"'),
    "NaN as a price": raw(b'{"price": NaN}'),
    "NaN": inside(b"NaN"),
    "Infinity": inside(b"Infinity"),
    "-Infinity as a price": raw(b'{"price": -Infinity}'),
    "leading zero": inside(b"01"),
    "leading plus": inside(b"+1"),
    "no digit before the point": inside(b".5"),
    "no digit behind the point": inside(b"1."),
    "hexadecimal": inside(b"0x10"),
    "Python's None": inside(b"None"),
    "undefined": inside(b"undefined"),
    "a hole in a list": inside(b"[1,,2]"),
    "wrong bracket": inside(b"[1}"),
    "a number as a name": inside(b"{1: 2}"),
})  # fmt: skip

TOO_LARGE = rows("too_large", {
    "5 MB of properties": lambda good: encoded({**good, "properties": {"x": "a" * 5_000_000}}),
    "5 MB that nothing compresses": always(random.Random(5).randbytes(5_000_000)),
    "5 MB of brackets": always(b"[" * 5_000_000),
    "a record of 65,537 bytes": padded(65_537),
    "properties of 16,385 bytes": sized(16_385),
    "an unknown field of 17,000 bytes": fields(x="a" * 17_000),
    "a 60,000 bytes long user": fields(x="a" * 60_000),
})  # fmt: skip

TIMES = [
    *rows("future", {
        "two hours ahead": shifted(7_260),
        "six minutes ahead": shifted(420),
        "2099": fields(event_time="2099-01-01T00:00:00Z"),
        "the last second": fields(event_time="9999-12-31T23:59:59Z"),
        "beyond the last second": fields(event_time="9999-12-31T23:59:59-23:59"),
    }),
    *rows("too_old", {
        "1970": fields(event_time="1970-01-01T00:00:00Z"),
        "before 1970": fields(event_time="1969-12-31T00:00:00Z"),
        "a millisecond before 2000": fields(event_time="1999-12-31T23:59:59.999Z"),
        "year 1": fields(event_time="0001-01-01T00:00:00Z"),
        "before year 1": fields(event_time="0001-01-01T00:00:00+23:59"),
    }),
    *rows("contract", {f"time {text!r}": fields(event_time=text) for text in (
        "", "now", "2016-12-31T23:59:60Z", "2026-06-01T12:00:00", "2026-06-01", "1780315200", "2026-06-01T24:00:00Z",
        "2026-02-30T12:00:00Z", "2026-13-01T12:00:00Z", "10000-01-01T00:00:00Z", "+012026-06-01T12:00:00Z",
        "-2026-06-01T12:00:00Z", "0000-01-01T00:00:00Z", "2026-06-01T12:00:00+24:00", "2026-06-01T12:00:00,5Z",
        "2026-06-01T12:00:00Z\n", " 2026-06-01T12:00:00Z", "2026-W23-1T12:00:00Z",
        "\u0662\u0660\u0662\u0666-06-01T12:00:00Z",
        "2026-06-01T12:00:00Z'; drop table clickstream.events; --", "Mon, 01 Jun 2026 12:00:00 GMT",
    )}),
    *rows(STORED, {f"time {text!r}": fields(event_time=text) for text in (
        "2000-01-01T00:00:00Z", "2025-06-01T12:00:00.123456789Z", "2025-06-01t12:00:00z", "2025-06-01T12:00:00-00:00",
        "2025-06-01T12:00:00.5+14:00", "2024-02-29T23:59:59.999-12:00",
    )}),
    *rows(STORED, {"four minutes ahead": shifted(300)}),
]  # fmt: skip

WRONG_TYPES = rows("contract", {
    f"{field} is {value!r}": fields(**{field: value})
    for field, values in {
        "event_id": (None, 1, 1.5, True, [], {}),
        "event_type": (None, 1, True, ["click"], {}),
        "event_time": (None, 1_780_315_200, 1.78e9, True, [], {}),
        "user_id": (None, 1, 1.5, True, ["ann"], {"id": "ann"}, ""),
        "page_url": (None, 1, True, [], {}, ""),
        "session_id": (1, False, [], {}),
        "referrer": (1, False, [], {}),
        "user_agent": (1, False, [], {}),
        "properties": (1, "{}", "", True, [], [{}]),
    }.items()
    for value in values
})  # fmt: skip

CONTRACT = rows("contract", {
    **{f"no {name}": without(name) for name in ("event_id", "event_type", "event_time", "user_id", "page_url")},
    **{f"top level {value!r}": always(value) for value in (b"null", b"true", b"1", b'"text"', b"[]", b"{}")},
    "an event in a list": around(before=b"[", after=b"]"),
    "NUL in the user": fields(user_id="a\0b"),
    "NUL in the session": fields(session_id="\0"),
    "NUL in the page": fields(page_url="https://shop.example/\0"),
    "NUL in the referrer": fields(referrer="\0"),
    "NUL in the agent": fields(user_agent="\0"),
    "NUL in the type": fields(event_type="click\0"),
    "NUL in a property": properties(x="a\0b"),
    "NUL deep in a property": properties(x=[{"y": ["\0"]}]),
    "NUL in a property's name": raw(b'{"a\\u0000": 1}'),
    "NUL in an unknown field": fields(x="\0"),
    "NUL in an unknown field's name": lambda good: encoded({**good, "a\0": 1}),
    "NUL behind a backslash": inside(b'"\\\\\\u0000"'),
    "half a pair in the user": fields(user_id="\ud800"),
    "half a pair in the page": fields(page_url="https://shop.example/\udc00"),
    "half a pair in a property": properties(x="a\ud83d"),
    "half a pair in a property's name": raw(b'{"\\ud800": 1}'),
    "half a pair in an unknown field": fields(x=["\udfff"]),
    "a pair the wrong way round": inside(b'"\\uded2\\ud83d"'),
    "9 levels": inside(nested(8, b"[", b"]")),
    "1,000 levels of objects": raw(nested(1_000)),
    "1,000 levels of lists": inside(nested(1_000, b"[", b"]")),
    "1,000 levels of nothing else": always(nested(1_000)),
    "30,000 brackets": always(b"[" * 30_000),
    "1e400": inside(b"1e400"),
    "1e400 as a price": raw(b'{"price": 1e400}'),
    "-1e99999": inside(b"-1e99999"),
    "16,000 digits": inside(b"7" * 16_000),
    "a price of 1e308": raw(b'{"price": 1e308}'),
    "a price over the limit": properties(price=100_000_000.01),
    "a negative price": properties(price=-0.01),
    "a price as text": properties(price="9.99"),
    "a price of 64 bits": properties(price=2**63),
    "a quantity over 64 bits": properties(quantity=2**64),
    "a quantity of 300 digits": properties(quantity=10**299),
    "half a quantity": properties(quantity=2.5),
    "a negative quantity": properties(quantity=-1),
    "a quantity as text": properties(quantity="1"),
    "a quantity that is true": properties(quantity=True),
    "scrolled too far": properties(scroll_depth=100.0000001),
    "a load time of minus one": properties(page_load_ms=-1),
    "a load time of a year": properties(page_load_ms=3.2e10),
    "a product that is a number": properties(product_id=7),
    "a search that is a list": properties(search_term=["shoes"]),
    "a user of 129": fields(user_id="u" * 129),
    "a session of 129": fields(session_id="s" * 129),
    "a page of 2,049": fields(page_url="p" * 2_049),
    "a referrer of 2,049": fields(referrer="r" * 2_049),
    "an agent of 1,025": fields(user_agent="a" * 1_025),
    **{f"type {text!r}": fields(event_type=text) for text in (
        "", " ", "Click", "page view", "page-view", "click\n", " click", "1click", "_click", "\u00fcbersicht", "c" * 41,
        "__proto__", "click;", "\uff43lick", "page_view\u200b",
    )},
    **{f"id {text!r}": fields(event_id=text) for text in (
        "", "x", "{6f9619ff-8b86-d011-b42d-00c04fc964ff}", "urn:uuid:6f9619ff-8b86-d011-b42d-00c04fc964ff",
        " 6f9619ff-8b86-d011-b42d-00c04fc964ff", "6f9619ff-8b86-d011-b42d-00c04fc964ff\n",
        "6f9619ff8-b86-d011-b42d-00c04fc964ff", "6f9619ff-8b86-d011-b42d-00c04fc964f", "g" * 32,
        "\uff16f9619ff-8b86-d011-b42d-00c04fc964ff",
    )},
    "a user that is wrong the second time": lambda good: encoded(good)[:-1] + b', "user_id": 5}',
})  # fmt: skip

NAUGHTY = (
    "'; drop table clickstream.events; --", '"; select pg_sleep(60); --', "<script>alert(1)</script>",
    "%s %d %n {0} {{7*7}} ${jndi:ldap://x/a}", "\\.", "\\N", "\\x41", "a\tb\r\nc", "=cmd|' /C calc'!A1",
    "../../etc/passwd",
    "[bold red]x[/]", "\x1b[2J\x07\x7f\x9b", "\u202egnp.exe\u202c", "a\u200b\u200d\ufeffb",
    "\U0001f469\u200d\U0001f4bb",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334", "\uffff\ufffe\U0010ffff", "\u2028\u2029",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "e\u0301 \u00e9", "null", "NaN", "true", "0", "-1", " ",
    "__proto__", "{}", "[]", "\\u0000", "%00%ff%ed%a0%80",
)  # fmt: skip

ODD_BUT_GOOD = rows(STORED, {
    **{f"user {text!r}": fields(user_id=text) for text in NAUGHTY},
    **{f"elsewhere {text!r}": everywhere(text) for text in NAUGHTY},
    **{f"page and referrer {text[:40]!r}": fields(page_url=text, referrer=text) for text in (
        "http://[::1", "http://[invalid]/", "https://", "//", "/", "?", "#", "javascript:alert(1)", "http://h:99999/",
        "http://user:pass@shop.example:0/", "https://\u2100.example/",
        "https://shop.example/?utm_medium=%ff&" + "a=1&" * 200,
        "data:text/html,<b>", "https://xn--/", "\\\\server\\share", "https://shop.example/" + "/" * 2_000, ";", "C:\\",
    )},
    "long path of 4-byte characters": lambda good: encoded(
        {**good, "page_url": "https://shop.example/" + letters(2_000, ASTRAL)}
    ),
    "long path of 3-byte characters": lambda good: encoded(
        {**good, "page_url": "https://shop.example/" + letters(2_000, HAN)}
    ),
    "everything as long as it may be": lambda good: encoded({
        **good, "user_id": letters(128, ASTRAL), "session_id": letters(128, HAN), "page_url": letters(2_048, HAN),
        "referrer": letters(2_048, ASTRAL), "user_agent": letters(1_024, HAN), "event_type": "a" * 40,
        "properties": {"product_id": letters(128, HAN), "search_term": letters(512, ASTRAL)},
    }),
    "an agent of brackets": fields(user_agent="(" * 1_024),
    "a record of 65,536 bytes": padded(65_536),
    "properties of 16,384 bytes": sized(16_384),
    "white space in properties": raw(b"{" + b" " * 17_000 + b'"x": 1}'),
    "8 levels": inside(nested(7, b"[", b"]")),
    "brackets in text": properties(search_term="[{" * 200),
    "many lists": properties(x=[[]] * 1_000),
    "many properties": properties(**{f"k{number}": number for number in range(1_000)}),
    "an empty name": raw(b'{"": 1}'),
    "an empty session": fields(session_id="", referrer="", user_agent=""),
    "no properties": fields(properties=None),
    "empty properties": fields(properties={}),
    "an unknown field": fields(kafka_offset=-1, __proto__={"admin": True}, constructor=None),
    "an unknown field that is a property too": fields(x=1, properties={"x": 2}),
    "a custom type": fields(event_type="constructor"),
    "a pair of surrogates": inside(b'"\\ud83d\\uded2"'),
    "four letters that look like NUL": inside(b'"\\\\u0000"'),
    "six letters that look like a surrogate": inside(b'"\\\\ud800"'),
    "every short escape": inside(b'"\\"\\\\\\/\\b\\f\\n\\r\\t"'),
    "an escaped name": lambda good: encoded(good).replace(b'"user_id"', b'"\\u0075ser_id"'),
    "a price of minus zero": raw(b'{"price": -0.0}'),
    "a price of 1E+8": raw(b'{"price": 1E+8}'),
    "the dearest purchase": fields(event_type="purchase", properties={"price": 1e8, "quantity": 10_000}),
    "a price of a hair": raw(b'{"price": 1e-320}'),
    "a load time of minus zero": raw(b'{"page_load_ms": -0.0}'),
    "a load time of a hair": raw(b'{"page_load_ms": 4.9e-324}'),
    "the slowest load": properties(page_load_ms=86_400_000),
    "1e308": inside(b"1e308"),
    "-1.7976931348623157e308": inside(b"-1.7976931348623157e308"),
    "less than a double can": inside(b"1e-99999"),
    "more digits than numeric can": inside(b"0." + b"0" * 16_300 + b"1e-99"),
    "an exponent of 99": inside(b"1" + b"0" * 99 + b"e-99"),
    "63 bits": properties(x=2**63 - 1),
    "64 bits": properties(x=[2**63, 2**64 - 1]),
    "over 64 bits": properties(x=[2**64, -(2**64), 10**40]),
    "4,000 digits": inside(b"7" * 4_000),
    "an id in capitals": lambda good: encoded({**good, "event_id": good["event_id"].replace("0000-", "ABCD-").upper()}),
    "an id without hyphens": lambda good: encoded({**good, "event_id": good["event_id"].replace("-", "")}),
    "the nil id": fields(event_id="00000000-0000-0000-0000-000000000000"),
    "the last id": fields(event_id="ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "the id twice, the last counts": lambda good: b'{"event_id": "x", ' + encoded(good)[1:],
    "the user twice, the last counts": lambda good: b'{"user_id": 5, ' + encoded(good)[1:],
    "the properties twice, the last count": lambda good: (
        encoded({**good, "properties": {"price": -1}})[:-1] + b', "properties": {"price": 2}}'
    ),
    "a property twice, the last counts": raw(b'{"price": "x", "price": 5, "y": 1, "y": 2}'),
    "white space around": around(before=b"\r\n\t ", after=b" \n"),
})  # fmt: skip

REPEATS = [
    Poison("an honest event again", lambda good: encoded(first_honest(good)), DUPLICATE),
    Poison("an honest event, its id in capitals", lambda good: encoded(
        {**first_honest(good), "event_id": first_honest(good)["event_id"].upper().replace("-", "")}), DUPLICATE),
    Poison("an honest event's id", lambda good: encoded(
        {**good, "event_id": first_honest(good)["event_id"]}), "conflict"),
]  # fmt: skip

WRAPPINGS = [
    Poison("another user's key", fields(), STORED, key=b"somebody else"),
    Poison("no key", fields(), STORED, key=None),
    Poison("an empty key", fields(), STORED, key=b""),
    Poison("a key that is no text", fields(), STORED, key=b"\xff\x00\xfe"),
    Poison("a key of 10,000 bytes", fields(), STORED, key=b"k" * 10_000),
    Poison("a header without a value", fields(), STORED, headers=[("source", None)]),
    Poison("a header twice", fields(), STORED, headers=[("source", b"replay"), ("source", b"web")]),
    Poison("a header without a name", fields(), STORED, headers=[("", b"x")]),
    Poison("a header that is no text", fields(), STORED, headers=[("source", b"\xff\xfe\x00")]),
    Poison("a thousand headers", fields(), STORED, headers=[("source", b"x")] * 1_000),
    Poison("a header of 10,000 bytes", fields(), STORED, headers=[("h" * 1_000, b"x" * 10_000)]),
    Poison("a tombstone without a key", always(None), "not_json", key=None),
]


POISONS = [*NOT_JSON, *TOO_LARGE, *TIMES, *WRONG_TYPES, *CONTRACT, *ODD_BUT_GOOD, *REPEATS, *WRAPPINGS]
