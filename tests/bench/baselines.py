"""What the product is held against, run in the same minute on the same machine: a bare broadcast, and the ORM tutorial."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any


async def bare_broadcast(port: int) -> None:
    """A `websockets` server that forwards each visitor's message to every agent and keeps nothing."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    agents: set[ServerConnection] = set()

    async def talk(socket: ServerConnection) -> None:
        assert socket.request is not None
        if socket.request.path == "/agent":
            agents.add(socket)
            await socket.wait_closed()
            return
        async for text in socket:
            message = json.loads(text)
            broadcast(agents, json.dumps({"mark": "inbound", **message}))
            await socket.send(json.dumps({"t": "ack", "client_id": message.get("client_id")}))

    async with serve(talk, "127.0.0.1", port, compression=None):
        await asyncio.Event().wait()


async def orm_per_message(port: int, folder: Path) -> None:
    """The tutorial way: one SQLModel session and one commit per message, durable (FULL), then a send to each agent."""
    from sqlalchemy import event
    from sqlmodel import Field, Session, SQLModel, create_engine
    from websockets.asyncio.server import ServerConnection, serve

    class TutorialMessage(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        client_id: str = Field(unique=True)
        body: str

    engine = create_engine(f"sqlite:///{folder / 'orm.db'}", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    SQLModel.metadata.create_all(engine, tables=[TutorialMessage.__table__])  # type: ignore[attr-defined]
    agents: set[ServerConnection] = set()

    def keep(message: dict[str, Any]) -> None:
        with Session(engine) as session:
            session.add(TutorialMessage(client_id=message["client_id"], body=message["text"]))
            session.commit()

    async def talk(socket: ServerConnection) -> None:
        assert socket.request is not None
        if socket.request.path == "/agent":
            agents.add(socket)
            await socket.wait_closed()
            return
        async for text in socket:
            message = json.loads(text)
            await asyncio.to_thread(keep, message)
            for agent in list(agents):
                await agent.send(json.dumps({"mark": "inbound", **message}))
            await socket.send(json.dumps({"t": "ack", "client_id": message["client_id"]}))

    async with serve(talk, "127.0.0.1", port, compression=None):
        await asyncio.Event().wait()


if __name__ == "__main__":
    which, number = sys.argv[1], int(sys.argv[2])
    asyncio.run(bare_broadcast(number) if which == "bare" else orm_per_message(number, Path(sys.argv[3])))
