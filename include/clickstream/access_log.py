"""One line of a combined access log (Apache, nginx) as an event of the contract. Pure: text in, event out.

The address and the agent become a keyed hash, which stands for the user; the address itself goes nowhere.
"""

import re
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Meta

from clickstream.contract import EventFields, Properties

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(rf"(\S+) \S+ .*? \[([^\]]+)\] {_QUOTED} (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}(?: .*)?")
_REQUEST = re.compile(r"([A-Z]+) (\S+)(?: HTTP/[\d.]+)?")
_ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|["\\btnrv])')
_NAMED_ESCAPES = {"b": b"\b", "t": b"\t", "n": b"\n", "r": b"\r", "v": b"\v"}
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_ADDRESS = re.compile(
    rf"(?<![\d.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\d.])"
    # IPv6, told from a time of day by a double colon, a letter or its eight groups
    r"|(?<![\w:])(?=[0-9a-fA-F:]*(?:::|:[0-9a-fA-F]*[a-fA-F]|(?:[0-9a-fA-F]+:){7}))"
    r"(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])"
)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,6})$")
_PAGES = frozenset(("html", "htm", "xhtml", "php", "asp", "aspx", "jsp", "cgi"))
_FEEDS = frozenset(("xml", "rss", "atom", "rdf"))
_ASSETS = frozenset(
    ("css", "js", "mjs", "map", "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "bmp", "ttf", "otf", "woff",
     "woff2", "eot", "mp3", "mp4", "webm", "ogg", "json", "xsl", "swf")
)  # fmt: skip


class RequestProperties(Properties, omit_defaults=True):
    """The contract's properties, and beside them what only a server knows; those are kept as JSON."""

    http_method: str | None = None
    http_status: int | None = None
    response_bytes: Annotated[int, Meta(ge=0)] | None = None


class RequestEvent(EventFields):
    """An event as a line of an access log tells it."""

    properties: RequestProperties = msgspec.field(default_factory=RequestProperties)


class LogLine(NamedTuple):
    """The parts of a line; ``target`` and the two after it are unescaped, absent ones ``None``."""

    address: str
    time: datetime
    method: str
    target: str
    status: int
    size: int | None
    referrer: str | None
    agent: str | None


def parse(line: str) -> LogLine:
    """The parts of a line without its line end. Raises ValueError that says what is wrong with it."""
    if not line.strip():
        raise ValueError("empty line")
    match = _LINE.fullmatch(line)
    if not match:
        raise ValueError(_what_is_wrong(line))
    address, when, request, status, size, referrer, agent = match.groups()
    try:
        time = datetime.strptime(when, "%d/%b/%Y:%H:%M:%S %z")
    except ValueError:
        raise ValueError(f"time {when!r} is not like 17/May/2015:10:05:03 +0000") from None
    asked = _REQUEST.fullmatch(_unescape(request))
    if not asked:
        raise ValueError(f"request {request[:80]!r} is not like GET /path HTTP/1.1")
    return LogLine(
        address,
        time,
        asked[1],
        asked[2],
        int(status),
        None if size == "-" else int(size),
        _text(referrer),
        _text(agent),
    )


def event(line: LogLine, event_id: UUID, site: str, user_hash_key: bytes) -> RequestEvent:
    """The event of a line. ``site`` (scheme and host) is where the log is from, unless the target names a host."""
    url = line.target if line.target.startswith(("http://", "https://")) else site + "/" + line.target.lstrip("/")
    return RequestEvent(
        event_id=event_id,
        event_type=event_type(line),
        event_time=line.time.astimezone(UTC),
        user_id=user_id(line, user_hash_key),
        page_url=url,
        referrer=line.referrer,
        user_agent=line.agent,
        properties=RequestProperties(http_method=line.method, http_status=line.status, response_bytes=line.size),
    )


def event_type(line: LogLine) -> str:
    """What kind of event a request is; all but ``page_view`` are custom events. First rule that fits wins."""
    path = urlsplit(line.target).path if "?" in line.target or "#" in line.target else line.target
    found = _EXTENSION.search(path)
    extension = found[1].lower() if found else ""
    if line.status >= 400:
        return "request_error"
    if 300 <= line.status < 400 and line.status != 304:
        return "redirect"
    if path == "/robots.txt":
        return "robots_request"
    if extension in _FEEDS or "flav=rss" in line.target or "flav=atom" in line.target or path.endswith("/feed/"):
        return "feed_request"
    if extension in _ASSETS:
        return "asset_request"
    if line.method != "GET":
        return "other_request"
    return "page_view" if not extension or extension in _PAGES else "file_download"


def user_id(line: LogLine, user_hash_key: bytes) -> str:
    """32 hexadecimal digits that are the same for an address and agent, and tell neither without the key."""
    return blake2b(f"{line.address}\0{line.agent or ''}".encode(), key=user_hash_key, digest_size=16).hexdigest()


def without_addresses(line: str) -> str:
    """The line with everything that looks like an address masked, and the first word of a log line in any case."""
    if not line.lstrip().startswith("{"):
        line = re.sub(r"^\s*\S+", "[address]", line, count=1)
    return _ADDRESS.sub("[address]", line)


def origin(url: str | None) -> str | None:
    """Scheme and host of a URL, ``None`` when it has none."""
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else None


def _text(field: str) -> str | None:
    return None if field in ("-", "") else _unescape(field)


def _unescape(field: str) -> str:
    r"""Undo the server's escapes: ``\"``, ``\\``, ``\t`` … and ``\xhh``, a byte of UTF-8."""
    if "\\" not in field:
        return field

    def plain(match: re.Match[str]) -> str:
        escape = match[1]
        raw = bytes([int(escape[1:], 16)]) if len(escape) == 3 else _NAMED_ESCAPES.get(escape, escape.encode())
        return raw.decode("utf-8", "surrogateescape")

    text = _ESCAPE.sub(plain, field)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _what_is_wrong(line: str) -> str:
    quotes = line.count('"') - line.count('\\"')
    if quotes % 2:
        return "a quoted field does not end; is the line cut off?"
    if quotes < 6:
        return f"{quotes // 2} quoted fields instead of 3 (request, referrer, agent): not the combined format"
    return "not a line of the combined log format"
