"""A whole house on a real port, and clients that speak its public protocol."""

from __future__ import annotations

import asyncio
import json
import socket as plain_socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from inbox.actions import sign_in
from inbox.domain.ids import new_id, new_token
from inbox.domain.transit import Who
from inbox.main import House, server_of
from inbox.settings import Settings
from tests.world import World, build_world

FEW_SECONDS = 10.0


def free_port() -> int:
    with plain_socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Running:
    """A served house with its cast, and what a client needs."""

    def __init__(self, house: House, world: World) -> None:
        self.house = house
        self.world = world
        self.origin = house.settings.desk_origin
        self.sockets = self.origin.replace("http", "ws", 1)

    async def client(self, user_id: str) -> httpx2.AsyncClient:
        """A browser's HTTP side, signed in; the CSRF token stands in its headers."""
        token, csrf = new_token(), new_token()
        await self.house.store.write(
            sign_in.open_session, user_id, token=token, csrf=csrf, user_agent="test", network="", who=Who("")
        )
        return httpx2.AsyncClient(
            base_url=self.origin,
            headers={"Origin": self.origin, "X-CSRF-Token": csrf, "Accept": "text/html"},
            cookies={"rapport": token},
        )

    def visitor(self, key: str = "home-key") -> connect:
        """A visitor's socket, not yet greeted."""
        return connect(f"{self.sockets}/widget/{key}/live", origin=Origin(self.origin), compression=None)

    def agent(self, client: httpx2.AsyncClient, slug: str = "home") -> connect:
        """An agent's socket with the client's session."""
        cookie = "; ".join(f"{c.name}={c.value}" for c in client.cookies.jar)
        return connect(
            f"{self.sockets}/w/{slug}/live",
            origin=Origin(self.origin),
            additional_headers={"Cookie": cookie},
            compression=None,
        )


@asynccontextmanager
async def running(database_url: str, data_dir: Path, **settings: Any) -> AsyncIterator[Running]:
    """Serve on a free port until left."""
    house = House(Settings(data_dir=data_dir, database_url=database_url, port=free_port(), **settings))
    server = server_of(house)
    task = asyncio.create_task(_serve(server))
    while not server.started:
        await asyncio.sleep(0.01)
        if task.done():
            task.result()
    try:
        yield Running(house, await build_world(house.store))
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 20)


async def _serve(server: uvicorn.Server) -> None:
    # Not `serve()`: that would take the test runner's signal handlers away.
    await server._serve()


async def say(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def hear(socket: ClientConnection, name: str, /, **wanted: Any) -> dict[str, Any]:
    """The next frame of that kind (and those fields); others are passed over."""
    async with asyncio.timeout(FEW_SECONDS):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if frame["t"] == name and all(frame.get(k) == v for k, v in wanted.items()):
                return frame


async def greet(socket: ClientConnection, token: str | None = None, epoch: str | None = None, since: int = 0) -> Any:
    """Say hello as a visitor; returns the welcome."""
    await say(socket, t="hello", token=token, epoch=epoch, since=since)
    return await hear(socket, "welcome")


async def write(socket: ClientConnection, text: str, client_id: str | None = None) -> dict[str, Any]:
    """Send a visitor's message and wait for its ack."""
    client_id = client_id or new_id()
    await say(socket, t="send", client_id=client_id, text=text)
    return await hear(socket, "ack", client_id=client_id)
