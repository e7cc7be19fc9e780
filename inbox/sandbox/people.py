"""One robot visitor, one robot agent: each a real socket that knows only docs/protocol.md."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from inbox.sandbox.phrases import ANSWERS, GOODBYES, OPENINGS, REPLIES

if TYPE_CHECKING:
    from inbox.sandbox.town import Town

ANSWER_SECONDS = (4.0, 14.0)
PATIENCE_SECONDS = 240.0  # then the visitor leaves
RESCUE_SECONDS = 20.0  # a person whom nobody answers for so long gets a robot
ROUND_SECONDS = 3.0
_ROW = re.compile(r'<li class="row" id="row-(?P<id>[0-9a-f]{32})".*?</li>', re.DOTALL)
_NAME = re.compile(r'class="name cut"[^>]*>(?P<name>[^<]*)</a>')
_TOKEN = re.compile(r'name="csrf-token" content="(?P<token>[^"]+)"')
_BODY = re.compile(r'data-epoch="(?P<epoch>[^"]*)" data-seq="(?P<seq>\d+)"')


class RobotVisitor:
    """Arrives, asks, types, answers, and goes when it has what it came for."""

    def __init__(self, name: str, frame: str, key: str) -> None:
        self.name = name
        self.frame = frame
        self.url = f"{frame.replace('http', 'ws', 1)}/widget/{key}/live"
        self.is_gone = False
        self.answers = 0
        self.task: asyncio.Task[None] | None = None
        self.chance = random.Random()

    async def live(self) -> None:
        """One visit. A line that breaks ends it: robots are not heroes."""
        try:
            async with connect(self.url, origin=Origin(self.frame), compression=None) as socket:
                await self._say(socket, {"t": "hello", "token": None, "epoch": None, "since": 0})
                await asyncio.sleep(self.chance.uniform(0.2, 2.0))
                await self._write(socket, self.chance.choice(OPENINGS))
                await self._listen(socket)
        except (OSError, WebSocketException, TimeoutError):
            pass
        finally:
            self.is_gone = True

    async def _listen(self, socket: ClientConnection) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        wanted = self.chance.randint(1, 3)
        while time.monotonic() < until:
            frame = json.loads(await asyncio.wait_for(socket.recv(), until - time.monotonic()))
            if frame.get("e") == "message" and frame["from"] == "team":
                self.answers += 1
                await self._say(socket, {"t": "read", "n": frame["n"]})
                await self._write(socket, self.chance.choice(REPLIES if self.answers < wanted else GOODBYES))
                if self.answers >= wanted:
                    return

    async def _write(self, socket: ClientConnection, text: str) -> None:
        await asyncio.sleep(self.chance.uniform(0.5, 3.0))
        await self._say(socket, {"t": "typing"})
        await asyncio.sleep(self.chance.uniform(1.0, 4.0))
        await self._say(socket, {"t": "send", "client_id": str(uuid.uuid4()), "text": text, "name": self.name})

    async def _say(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        await socket.send(json.dumps(frame))


class RobotAgent:
    """Signs in by one click, watches the list by a real socket, answers robots, and people whom nobody answers."""

    def __init__(self, desk: str, agent_id: str, name: str, town: Town) -> None:
        self.desk = desk
        self.agent_id = agent_id
        self.name = name
        self.town = town
        self.client = httpx2.AsyncClient(base_url=desk, headers={"Origin": desk}, follow_redirects=True)
        self.somebody_at = time.monotonic()
        self.slug = ""
        self.token = ""
        self.chance = random.Random()

    @classmethod
    async def all(cls, desk: str, town: Town) -> list[RobotAgent]:
        """Every robot seat of the demo."""
        async with httpx2.AsyncClient(base_url=desk) as client:
            found = (await client.get("/demo/robots")).json()
        return [cls(desk, seat["id"], seat["name"], town) for seat in found]

    async def live(self) -> None:
        """Work rounds while the demo is served."""
        page = await self.client.post("/demo/sign-in", data={"agent": self.agent_id})
        self.slug = page.url.path.split("/")[2]
        self.token = _TOKEN.search(page.text)["token"]  # type: ignore[index]
        body = _BODY.search(page.text)
        assert body is not None
        cookie = "; ".join(f"{c.name}={c.value}" for c in self.client.cookies.jar)
        url = f"{self.desk.replace('http', 'ws', 1)}/w/{self.slug}/live"
        while True:
            try:
                async with connect(
                    url, origin=Origin(self.desk), additional_headers={"Cookie": cookie}, compression=None
                ) as socket:
                    await socket.send(json.dumps({"t": "resume", "epoch": body["epoch"], "since": int(body["seq"])}))
                    await self._rounds(socket)
            except (OSError, WebSocketException, httpx2.HTTPError):
                await asyncio.sleep(2)

    async def _rounds(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS + self.chance.random() * 2)
            try:
                while True:  # read what was drawn: a robot that never reads would be cut
                    await asyncio.wait_for(socket.recv(), 0.01)
            except TimeoutError:
                await self._round()

    async def _round(self) -> None:
        seen = (await self.client.get("/demo/robots")).headers.get("x-people-watching", "0")
        if seen != "0":
            self.somebody_at = time.monotonic()
        page = await self.client.get(f"/w/{self.slug}/rows/open", params={"filter": "needs_us"})
        for row in _ROW.finditer(page.text):
            name = _NAME.search(row[0])
            if name is not None and await self._may_answer(row[0], name["name"]):
                await self._answer(row["id"])
                return
        await self._tidy()

    async def _may_answer(self, row: str, name: str) -> bool:
        """Robots' conversations, and a visitor of the shop whom nobody has taken for twenty seconds."""
        mine = f'data-assignee="{self.agent_id}"' in row
        free = 'data-assignee=""' in row
        if self.town.knows(name) is not None:
            return (mine or free) and self.chance.random() < 0.5
        since = re.search(r'data-due="([^"]+)" data-target="(\d+)"', row)
        if not free or since is None or "Website live chat" not in row:
            return False
        waited = time.time() - (_seconds(since[1]) - int(since[2]))
        return RESCUE_SECONDS < waited < 120

    async def _answer(self, conversation_id: str) -> None:
        url = f"/w/{self.slug}/conversations/{conversation_id}"
        fields = {"paper": "reply", "client_id": str(uuid.uuid4()), "body": self.chance.choice(ANSWERS)}
        await self.client.post(f"{url}/messages", data=fields, headers={"X-CSRF-Token": self.token})

    async def _tidy(self) -> None:
        """Resolve one of this robot's own finished conversations."""
        page = await self.client.get(f"/w/{self.slug}/rows/mine", params={"filter": "all"})
        for row in _ROW.finditer(page.text):
            name = _NAME.search(row[0])
            visitor = self.town.knows(name["name"]) if name else None
            if name and name["name"].endswith("(demo)") and (visitor is None or visitor.is_gone):
                url = f"/w/{self.slug}/conversations/{row['id']}/resolution"
                await self.client.put(url, headers={"X-CSRF-Token": self.token})
                return


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
