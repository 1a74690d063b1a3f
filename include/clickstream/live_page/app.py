"""The live page as a FastAPI application: one page, its two assets and a stream of server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from fastapi import FastAPI, Request
from fastapi.params import Depends
from fastapi.responses import FileResponse, StreamingResponse

from clickstream.live_page.services import Services
from clickstream.live_page.snapshot import Snapshots
from clickstream.settings import settings

PERIOD_SECONDS = 1.0
# Who looks is checked when a stream begins: it ends after so long, and the browser asks for the next.
LIFE_SECONDS = 600.0
_FILES = Path(__file__).parent
# Nothing from elsewhere, and no page of another site may show this one.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def application(
    guards: Sequence[Depends], further: dict[str, Callable[[], Any]], life_seconds: float = LIFE_SECONDS
) -> FastAPI:
    """The page for whoever the `guards` (dependencies of every route) let in.

    ``further`` adds parts to what is shown: name → a function without arguments that reads it. A stream of events ends
    after ``life_seconds``.
    """
    app = FastAPI(title="Clickstream", dependencies=list(guards), docs_url=None, redoc_url=None, openapi_url=None)
    feed = _Feed(further)

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(_FILES / "page.html", media_type="text/html", headers=_HEADERS)

    @app.get("/assets/{name}")
    def asset(name: Literal["page.js", "page.css"]) -> FileResponse:
        return FileResponse(_FILES / name, headers=_HEADERS)

    @app.get("/events")
    async def events(request: Request) -> StreamingResponse:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(feed.follow(request, life_seconds), media_type="text/event-stream", headers=headers)

    return app


class _Feed:
    """One snapshot a second for all who look, none while nobody does."""

    def __init__(self, further: dict[str, Callable[[], Any]]) -> None:
        self._further = further
        self._snapshots: Snapshots | None = None
        self._lock: asyncio.Lock | None = None
        self._taken_at = 0.0
        self._message = b""

    async def follow(self, request: Request, life_seconds: float) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        ends_at = time.monotonic() + life_seconds
        while time.monotonic() < ends_at and not await request.is_disconnected():
            yield await self._latest()
            await asyncio.sleep(PERIOD_SECONDS)

    async def _latest(self) -> bytes:
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if time.monotonic() - self._taken_at >= PERIOD_SECONDS * 0.9:
                self._message = await asyncio.to_thread(self._take)
                self._taken_at = time.monotonic()
            return self._message

    def _take(self) -> bytes:
        if self._snapshots is None:
            platform = settings()
            self._snapshots = Snapshots(platform, {"services": Services(platform).read, **self._further})
        return b"data: " + msgspec.json.encode(self._snapshots.read()) + b"\n\n"
