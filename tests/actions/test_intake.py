"""One message in, one message stored, whatever is repeated, reordered or sent at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from inbox.actions.intake import Accepted, keys_of, receive_messages
from inbox.domain.errors import Conflict, NotFound
from inbox.domain.exchange import Received, Sender
from inbox.domain.transit import Lane
from inbox.store import log
from inbox.store.engine import Database
from inbox.store.store import Store
from inbox.store.transaction import Reading
from tests.world import House, World


def message(n: int, visitor: str = "bo", text: str = "") -> Received:
    return Received(
        external_id=f"{visitor}:{n}",
        client_id=str(n),
        thread_key=visitor,
        sender=Sender(address=visitor),
        text=text or f"hello {n}",
        conversation_kind="chat",
    )


def send(store: Store, house: House, received: Received, inbox_id: str | None = None) -> Any:
    inbox = inbox_id or house.inbox_id
    return store.submit(
        receive_messages, inbox, received, who=house.visitor, keys=keys_of(inbox, received), lane=Lane.INTAKE
    )


def count(rx: Reading, table: str) -> int:
    return int(rx.connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


async def test_a_message_opens_one_conversation_and_is_numbered(world: World) -> None:
    store, home = world.store, world.home
    first = await send(store, home, message(1))
    second = await send(store, home, message(2))
    assert (first.visitor_seq, second.visitor_seq) == (1, 2)
    assert first.conversation_id == second.conversation_id
    events = [e.type_name for e in await store.read(log.since, home.id, 0, 100)]
    assert events[-3:] == ["conversation_opened", "message_received", "message_received"]


async def test_the_same_message_again_is_the_first_result_again(world: World) -> None:
    store, home = world.store, world.home
    results = await asyncio.gather(*(send(store, home, message(1)) for _ in range(20)))
    assert len({r.message_id for r in results}) == 1
    assert [r.is_new for r in results].count(True) == 1
    assert await store.read(count, "message") == 1


async def test_the_same_id_with_other_words_is_a_conflict(world: World) -> None:
    await send(world.store, world.home, message(1, text="one"))
    results = await asyncio.gather(send(world.store, world.home, message(1, text="two")), return_exceptions=True)
    assert isinstance(results[0], Conflict)


async def test_many_messages_of_one_new_contact_at_once_open_one_conversation(world: World) -> None:
    store, home = world.store, world.home
    results = await asyncio.gather(*(send(store, home, message(n)) for n in range(50)))
    assert len({r.conversation_id for r in results}) == 1
    assert sorted(r.visitor_seq for r in results) == list(range(1, 51))
    assert [await store.read(count, t) for t in ("contact", "conversation", "message", "thread")] == [
        1,
        1,
        50,
        1,
    ]


async def test_a_foreign_inbox_is_refused_and_the_others_are_stored(world: World) -> None:
    store, home = world.store, world.home
    results = await asyncio.gather(
        send(store, home, message(1)),
        send(store, home, message(2), inbox_id=world.other.inbox_id),
        send(store, home, message(3)),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [Accepted, NotFound, Accepted]


async def test_two_stores_at_once_keep_one_contact_and_one_order(world: World, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        database_url = ""  # one writing process on SQLite: the second store is the same one
    second = Store(Database(database_url)) if database_url else world.store
    if database_url:
        second.start()
    stores, home = (world.store, second), world.home
    sends = [send(stores[n % 2], home, message(n, visitor=f"v{n % 7}")) for n in range(140)]
    results = await asyncio.gather(*sends)
    assert len({r.conversation_id for r in results}) == 7
    for visitor in range(7):
        numbers = [r.visitor_seq for n, r in enumerate(results) if n % 7 == visitor]
        assert sorted(numbers) == list(range(1, 21))
    seqs = [e.seq for e in await world.store.read(log.since, home.id, 0, 1000)]
    assert seqs == list(range(1, len(seqs) + 1))
    if database_url:
        await second.stop()


async def test_a_message_in_time_reopens_and_a_late_one_opens_a_new_conversation(world: World) -> None:
    store, home = world.store, world.home
    first = await send(store, home, message(1))

    def settle(tx: Any, days: int) -> None:
        tx.conversation(first.conversation_id).resolve("agent", tx.now - timedelta(days=days))

    key = (f"conversation:{first.conversation_id}",)
    await store.write(settle, 6, who=home.who_ana, keys=key)
    again = await send(store, home, message(2))
    assert again.conversation_id == first.conversation_id
    await store.write(settle, 8, who=home.who_ana, keys=key)
    later = await send(store, home, message(3))
    assert later.conversation_id != first.conversation_id
    assert later.thread_id == first.thread_id
    # 1 message, 1 reopening, 1 message, 1 message: the visitor's numbers have no gap.
    assert later.visitor_seq == 4
    assert datetime.now(UTC) >= later.at
