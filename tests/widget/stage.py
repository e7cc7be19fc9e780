"""A stage for the widget: pages of a shop, the desk's files, and a desk that plays the visitor protocol by a script.

One server answers under two names: `localhost` is the customer's site, `127.0.0.1` the desk, so to the browser they are
two sites as in life.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "glow"
AT = "2026-11-24T11:58:00.000000Z"
NONCE = "bm9uY2U"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html; charset=utf-8"}
FRAME_POLICY = (
    f"default-src 'none'; script-src 'nonce-{NONCE}' 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors *"
)
Fields = dict[str, Any]


@dataclass
class Thread:
    """One visitor as the desk remembers them."""

    events: list[Fields] = field(default_factory=list)
    taken: dict[str, Fields] = field(default_factory=dict)
    status: str = ""
    team_read: int = 0


@dataclass
class Play:
    """What the desk does and what it heard. A test changes the first and reads the second."""

    threads: dict[str, Thread] = field(default_factory=dict)
    heard: list[Fields] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # host and path of each request
    lines: set[ServerConnection] = field(default_factory=set)
    owners: dict[ServerConnection, str] = field(default_factory=dict)
    is_down: bool = False  # no new line is let in
    acks: bool = True
    refusal: Fields | None = None  # the answer to the next `send`
    close_hello: tuple[int, str] | None = None  # the answer to the next `hello` that brings a token
    tokens: int = 0
    epoch: str = "e1"
    page: str = ""  # the shop's page
    policy: str = ""  # the shop's content policy
    frame: Fields = field(default_factory=dict)  # what the frame's template is given besides

    def of(self, kind: str) -> list[Fields]:
        return [frame for frame in self.heard if frame["t"] == kind]


class Stage:
    """The server and its thread. `play` is new for each test."""

    def __init__(self) -> None:
        self.play = Play()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self.run(self._listen())
        self.port: int = next(iter(self.server.sockets)).getsockname()[1]
        self.shop = f"http://localhost:{self.port}"
        self.desk = f"http://127.0.0.1:{self.port}"
        folder = FileSystemLoader(ROOT / "templates")
        self.templates = Environment(
            loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def close(self) -> None:
        self.server.close()
        self.run(self.server.wait_closed())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _listen(self) -> Server:
        return await serve(self._talk, "127.0.0.1", 0, process_request=self._answer, compression=None)

    # --- Files ----------------------------------------------------------------------------------------------

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        host = request.headers.get("host", "").split(":")[0]
        self.play.asked.append(f"{host} {request.path}")
        if path.endswith("/live"):
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "down") if self.play.is_down else None
        if path == "/widget.js":
            return _file(ROOT / "static" / "widget" / "loader.js")
        if path.startswith("/static/"):
            return _file(ROOT / path.removeprefix("/"))
        if path == f"/widget/{KEY}/frame":
            return _body(self.frame(), ".html", {"content-security-policy": FRAME_POLICY})
        if path == "/empty":
            return _body("<!doctype html><title>Elsewhere</title>", ".html", {})
        if path.startswith("/favicon"):
            return _body("", ".svg", {})
        policy = {"content-security-policy": self.play.policy} if self.play.policy else {}
        return _body(self.play.page, ".html", policy)

    def frame(self) -> str:
        given: Fields = {
            "inbox": {
                "key": KEY,
                "name": "Shop",
                "brand": "Brindlewick",
                "accent": "#21783b",
                "on_accent": "",
                "welcome": "",
            },
            "nonce": NONCE,
            "static": lambda name: f"/static/{name}",
            "locale": "en",
            "dir": "ltr",
            "socket_path": f"/widget/{KEY}/live",
            "epoch": self.play.epoch,
            "build": "b1",
            "sites": [],
            "_": lambda text: text,
        }
        return self.templates.get_template("widget/frame.html").render(given | self.play.frame)

    # --- The line -------------------------------------------------------------------------------------------

    async def _talk(self, line: ServerConnection) -> None:
        play = self.play
        play.lines.add(line)
        with contextlib.suppress(ConnectionClosed):
            async for text in line:
                frame = json.loads(text)
                play.heard.append(frame)
                await self._take(play, line, frame)
        play.lines.discard(line)

    async def _take(self, play: Play, line: ServerConnection, frame: Fields) -> None:
        if frame["t"] == "ping":
            await _say(line, {"t": "pong"})
        elif frame["t"] == "hello":
            await self._hello(play, line, frame)
        elif frame["t"] == "since":
            for event in play.threads[play.owners[line]].events[frame["n"] :]:
                await _say(line, event)
        elif frame["t"] == "send":
            await self._send(play, line, frame)

    async def _hello(self, play: Play, line: ServerConnection, frame: Fields) -> None:
        token = frame["token"]
        if token and play.close_hello:
            code, reason = play.close_hello
            play.close_hello = None
            await line.close(code, reason)
            return
        if not token:
            play.tokens += 1
            token = f"v1.visitor{play.tokens}"
        play.owners[line] = token
        thread = play.threads.get(token)
        welcome = {"token": token, "epoch": play.epoch, "build": "b1", "brand": "Brindlewick", "known": bool(thread)}
        await _say(line, {"t": "welcome", "head": len(thread.events) if thread else 0, **welcome})
        if thread and frame["epoch"] == play.epoch and 0 < frame["since"] <= len(thread.events):
            for event in thread.events[frame["since"] :]:
                await _say(line, event)
        else:
            await _say(line, _snapshot(thread or Thread()))

    async def _send(self, play: Play, line: ServerConnection, frame: Fields) -> None:
        if play.refusal:
            refusal, play.refusal = play.refusal, None
            await _say(line, {"t": "refused", "client_id": frame["client_id"], **refusal})
            return
        token = play.owners[line]
        thread = play.threads.setdefault(token, Thread(status="open"))
        if frame["client_id"] not in thread.taken:
            own = {"from": "you", "text": frame["text"], "client_id": frame["client_id"]}
            thread.taken[frame["client_id"]] = await self._event(play, token, {"e": "message", **own})
        if play.acks:
            event = thread.taken[frame["client_id"]]
            ack = {"client_id": frame["client_id"], "message_id": event["id"], "n": event["n"], "at": event["at"]}
            await _say(line, {"t": "ack", **ack})

    async def _event(self, play: Play, token: str, fields: Fields, *, is_lost: bool = False) -> Fields:
        thread = play.threads.setdefault(token, Thread(status="open"))
        n = len(thread.events) + 1
        event = {"t": "event", "n": n, **fields}
        if fields["e"] == "message":
            event = {"id": f"{n:032x}", "at": datetime.now(UTC).isoformat(), "name": "", "initials": "", "hue": 0} | event
        if fields["e"] == "status":
            thread.status = fields["status"]
        if fields["e"] == "team_read":
            thread.team_read = fields["upto"]
        thread.events.append(event)
        if not is_lost:
            for line in [line for line, owner in play.owners.items() if owner == token and line in play.lines]:
                await _say(line, event)
        return event

    # --- What a test does -----------------------------------------------------------------------------------

    def event(self, token: str = "v1.visitor1", *, is_lost: bool = False, **fields: Any) -> Fields:
        """Something happens in the visitor's thread; a lost one reaches no line."""
        done: Fields = self.run(self._event(self.play, token, fields, is_lost=is_lost))
        return done

    def team(self, text: str, **fields: Any) -> Fields:
        known = {"e": "message", "from": "team", "name": "Kenji", "initials": "KM", "hue": 200, "text": text}
        return self.event(**(known | fields))

    def say(self, **frame: Any) -> None:
        """A frame as it is, to every line."""
        self.run(self._each(lambda line: _say(line, frame)))

    def drop(self, *, stay_down: bool = False) -> None:
        """Cut every line without a word."""
        self.play.is_down = stay_down
        self.run(self._each(_cut))

    async def _each(self, act: Callable[[ServerConnection], Coroutine[Any, Any, None]]) -> None:
        for line in list(self.play.lines):
            await act(line)


async def _say(line: ServerConnection, frame: Fields) -> None:
    with contextlib.suppress(ConnectionClosed):
        await line.send(json.dumps(frame))


async def _cut(line: ServerConnection) -> None:
    line.transport.abort()


def _snapshot(thread: Thread) -> Fields:
    kept = {"id", "from", "name", "initials", "hue", "text", "at", "client_id", "n"}
    shown = [{k: v for k, v in event.items() if k in kept} for event in thread.events if event["e"] == "message"]
    facts = {"head": len(thread.events), "status": thread.status, "team_read": thread.team_read}
    return {"t": "snapshot", "messages": shown, **facts}


def _file(path: Path) -> Response:
    return _body(path.read_text("utf-8"), path.suffix, {})


def _body(text: str, suffix: str, headers: dict[str, str]) -> Response:
    data = text.encode()
    known = {"content-type": TYPES[suffix], "content-length": str(len(data)), "cache-control": "no-store"}
    return Response(200, "OK", Headers(known | headers | {"connection": "close"}), data)
