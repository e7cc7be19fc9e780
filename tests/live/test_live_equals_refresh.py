"""Draw a page, act, apply what was pushed: the page equals a fresh one. For every event, in two languages, twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from inbox.actions import handling, reading
from inbox.domain.events import EVENT_TYPES
from inbox.domain.transit import Who
from inbox.store import log
from tests.live.mirror import Mirror, regions
from tests.running import Running, greet, write

Act = Callable[["Scene"], Awaitable[Any]]


class Scene:
    """One open conversation, looked at by Ana."""

    def __init__(self, served: Running, client: Any, visitor: Any, ack: Any, conversation_id: str) -> None:
        self.served = served
        self.client = client
        self.visitor = visitor
        self.ack = ack
        self.id = conversation_id
        self.url = f"/w/home/conversations/{conversation_id}"

    async def put(self, what: str, **fields: Any) -> None:
        answer = await self.client.put(f"{self.url}/{what}", data=fields)
        assert answer.status_code == 204, answer.text

    async def delete(self, what: str) -> None:
        answer = await self.client.delete(f"{self.url}/{what}")
        assert answer.status_code == 204, answer.text

    async def post(self, paper: str, body: str) -> None:
        fields = {"paper": paper, "client_id": f"{paper}-{body}", "body": body}
        answer = await self.client.post(f"{self.url}/messages", data=fields)
        assert answer.status_code == 201, answer.text

    async def action(self, act: Any, *args: Any) -> Any:
        who = Who(self.served.world.home.id)
        return await self.served.house.store.write(act, *args, who=who, keys=(f"conversation:{self.id}",))

    async def later(self) -> str:
        return (self.served.house.store.clock() + timedelta(hours=3)).isoformat()


async def by_visitor(scene: Scene) -> None:
    await write(scene.visitor, "one more thing <b>&amp;")


async def by_somebody_new(scene: Scene) -> None:
    async with scene.served.visitor() as other:
        await greet(other)
        await write(other, "hello, is anybody there?")


async def by_snooze(scene: Scene) -> None:
    await scene.put("snooze", until=await scene.later())


async def by_wake(scene: Scene) -> None:
    await by_snooze(scene)
    await scene.delete("snooze")


async def by_reopening(scene: Scene) -> None:
    await scene.put("resolution")
    await scene.delete("resolution")


async def by_message_to_resolved(scene: Scene) -> None:
    await scene.put("resolution")
    await write(scene.visitor, "not quite")


async def by_reading(scene: Scene) -> None:
    await scene.post("reply", "seen?")

    def thread_of(rx: Any) -> str:
        from sqlmodel import select

        from inbox.domain.threading import Thread

        return str(rx.session.exec(select(Thread.id).where(Thread.current_conversation_id == scene.id)).one())

    thread_id = await scene.served.house.store.read(thread_of)
    await scene.action(reading.visitor_read, thread_id, 99)


async def by_lateness(scene: Scene) -> None:
    scene.served.house.store.clock = lambda: _real() + timedelta(hours=1)
    try:
        assert await scene.action(handling.mark_late) >= 1
    finally:
        scene.served.house.store.clock = _real


def _real() -> Any:
    from inbox.domain.clock import utc_now

    return utc_now()


async def by_failing(scene: Scene) -> None:
    """A reply that is refused by its vendor: the delivery's word turns the tick."""
    from sqlmodel import select

    from inbox.domain.events import DeliveryChanged
    from inbox.domain.message import Message

    await scene.post("reply", "will not arrive")

    def fail(tx: Any) -> None:
        conversation = tx.conversation(scene.id)
        message = tx.session.exec(select(Message).where(Message.body == "will not arrive")).one()
        message.state, message.reason = "failed", "mailbox full"
        tx.flush()
        tx.record(DeliveryChanged(conversation_id=scene.id, message_id=message.id, state="failed"), conversation)

    await scene.action(fail)


async def by_naming(scene: Scene) -> None:
    from inbox.domain.contact import Contact
    from inbox.domain.events import ContactNamed

    def name(tx: Any) -> None:
        conversation = tx.conversation(scene.id)
        tx.get(Contact, conversation.contact_id).name = "Bea Kingsolve"
        tx.flush()
        tx.record(ContactNamed(conversation_id=scene.id, contact_id=conversation.contact_id), conversation)

    await scene.action(name)


ACTS: dict[str, Act] = {
    "message_received": by_visitor,
    "conversation_opened": by_somebody_new,
    "reply_written": lambda s: s.post("reply", "of course"),
    "note_added": lambda s: s.post("note", "between us"),
    "conversation_assigned": lambda s: s.put("assignment", agent_id="me"),
    "conversation_snoozed": by_snooze,
    "snooze_ended": by_wake,
    "conversation_resolved": lambda s: s.put("resolution"),
    "conversation_reopened": by_reopening,
    "conversation_reopened by message": by_message_to_resolved,
    "thread_read_by_visitor": by_reading,
    "conversation_became_late": by_lateness,
    "delivery_changed": by_failing,
    "contact_named": by_naming,
    "read_mark_moved": lambda s: s.put("read_mark", inbound=1),
}


def test_every_drawn_event_is_acted() -> None:
    drawn = {name for name, cls in EVENT_TYPES.items() if cls.drawn}
    assert drawn == {name.split(" ")[0] for name in ACTS}


@pytest.mark.parametrize("view", ["open", "mine"])
@pytest.mark.parametrize("locale", ["en", "de"])
async def test_the_page_equals_a_fresh_one_after_every_event(served: Running, locale: str, view: str) -> None:
    world = served.world
    async with await served.client(world.home.user_ana) as client:
        for name, act in ACTS.items():
            async with served.visitor() as visitor:
                await greet(visitor)
                ack = await write(visitor, f"about {name}")
                conversation_id = await served.house.store.read(newest_conversation, world.home.id)
                await client.post("/account", data={"name": "Ana Brook", "locale": locale})
                mirror = Mirror(client, f"/w/home/inbox/{view}/{conversation_id}", locale)
                async with served.agent(client) as socket:
                    await mirror.open(socket)
                    before = mirror.cursor
                    await act(Scene(served, client, visitor, ack, conversation_id))
                    head = await served.house.store.read(log.head, world.home.id)
                    assert head > before, f"{name}: the act changed nothing"
                    events = await served.house.store.read(log.since, world.home.id, before, 100)
                    assert name.split(" ")[0] in {e.type_name for e in events}, name
                    await mirror.follow(socket, head)
                    assert regions(mirror.page) == regions(await mirror.fetch()), name


def newest_conversation(rx: Any, workspace_id: str) -> str:
    from sqlmodel import col, select

    from inbox.domain.conversation import Conversation

    query = select(Conversation.id).where(Conversation.workspace_id == workspace_id)
    return str(rx.session.exec(query.order_by(col(Conversation.created_at).desc())).first())
