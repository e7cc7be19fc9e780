"""A reply on its way out: in order, once, and never a lie about what the vendor did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from inbox.actions import deliveries, messaging, workspace
from inbox.actions.handling import key_of
from inbox.channels.base import Capability, Raw, channels
from inbox.domain.errors import Conflict, NotFound
from inbox.domain.exchange import Outbound, Outcome, Received, Refused, Sent, TryLater, Unknown
from inbox.domain.ids import new_id
from inbox.domain.transit import Who
from inbox.jobs import deliver as deliver_module
from inbox.jobs.deliver import Deliver
from inbox.jobs.worker import Worker
from inbox.store import jobs, log
from inbox.store.jobs import Claimed
from inbox.store.transaction import Reading, Transaction
from tests.actions.test_intake import message, send
from tests.world import World


class Carrier:
    """A made-up vendor that keeps what it took and answers as told."""

    medium = "sms"
    kinds = ("dm",)
    capabilities = frozenset({Capability.REPLY})
    max_body = 1000

    class Config(msgspec.Struct):
        pass

    def __init__(self) -> None:
        self.took: list[Outbound] = []
        self.answers: list[Outcome | Exception] = []
        self.hold: asyncio.Event | None = None
        self.asked = asyncio.Event()

    def verify(self, raw: Raw, config: Any) -> bool:
        return True

    def parse(self, raw: Raw, config: Any) -> list[Received]:
        return []

    async def send(self, outbound: Outbound, config: Any) -> Outcome:
        self.took.append(outbound)
        self.asked.set()
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else Sent(f"vendor-{len(self.took)}")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Line:
    """One conversation on the made-up channel."""

    def __init__(self, world: World, carrier: Carrier, inbox_id: str, conversation_id: str) -> None:
        self.world, self.carrier, self.inbox_id, self.conversation_id = world, carrier, inbox_id, conversation_id
        self.store, self.who, self.ana = world.store, world.home.who_ana, world.home.ana
        self.worker = Worker(self.store, {"deliver": Deliver(self.store, lambda name: channels()[name])})

    async def reply(self, body: str) -> str:
        written = await self.store.write(
            messaging.write,
            self.ana,
            self.conversation_id,
            paper="reply",
            client_id=new_id(),
            body=body,
            who=self.who,
            keys=key_of(self.conversation_id),
        )
        return str(written.message_id)

    async def hear(self, n: int) -> None:
        await send(self.store, self.world.home, message(n), self.inbox_id)

    async def claim(self, owner: str) -> Claimed:
        (job,) = await self.store.write(jobs.claim_across_workspaces, owner, who=Who(""))
        return job  # type: ignore[no-any-return]

    async def states(self) -> list[str]:
        def ask(rx: Reading) -> list[str]:
            sql = "SELECT m.state, d.state FROM delivery d JOIN message m ON m.id = d.message_id ORDER BY m.id"
            rows = rx.connection.execute(text(sql)).all()
            assert all(shown == kept for shown, kept in rows)
            return [row[0] for row in rows]

        return await self.store.read(ask)

    async def owed(self) -> bool:
        sql = text("SELECT owed_since FROM conversation WHERE id = :id")
        return (
            await self.store.read(lambda rx: rx.connection.execute(sql, {"id": self.conversation_id}).scalar())
        ) is not None

    async def changes(self) -> list[str]:
        events = [e.event for e in await self.store.read(log.since, self.world.home.id, 0, 500)]
        return [e.state for e in events if type(e).__name__ == "DeliveryChanged"]  # type: ignore[union-attr]


@pytest.fixture
async def line(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    carrier = Carrier()
    monkeypatch.setitem(channels(), "carrier", carrier)
    inbox_id = await world.store.write(
        workspace.add_inbox, channel="carrier", medium="sms", name="Phone", who=Who(world.home.id)
    )
    first = await send(world.store, world.home, message(1), inbox_id)
    yield Line(world, carrier, inbox_id, first.conversation_id)


def run_out_of_lease(tx: Transaction) -> None:
    tx.connection.execute(text("UPDATE job SET lease_until = '2020-01-01 00:00:00+00', lease_owner = 'dead'"))


async def test_a_reply_leaves_and_only_then_is_the_customer_answered(line: Line) -> None:
    await line.reply("yes, we do")
    assert await line.states() == ["queued"]
    assert await line.owed()
    await line.worker.run_due()
    assert await line.states() == ["sent"]
    assert not await line.owed()
    (out,) = line.carrier.took
    assert (out.text, out.address, out.thread_key) == ("yes, we do", "bo", "bo")
    assert await line.changes() == ["sending", "sent"]


async def test_what_was_written_after_the_reply_is_still_owed(line: Line) -> None:
    await line.reply("yes, we do")
    await line.hear(2)
    await line.worker.run_due()
    assert await line.states() == ["sent"]
    assert await line.owed()


async def test_replies_of_one_line_leave_in_their_order_without_waiting_for_the_net(line: Line) -> None:
    for n in range(5):
        await line.reply(f"part {n}")
    line.worker.start()
    async with asyncio.timeout(deliver_module.BEHIND_SECONDS * 3):
        while await line.states() != ["sent"] * 5:
            await asyncio.sleep(0.02)
    await line.worker.stop()
    assert [out.text for out in line.carrier.took] == [f"part {n}" for n in range(5)]


async def test_a_refusal_fails_with_the_vendors_words_and_is_not_repeated(line: Line) -> None:
    line.carrier.answers = [Refused("The number does not exist.")]
    await line.reply("hello")
    assert await line.worker.run_due() == 1
    assert await line.states() == ["failed"]
    assert await line.owed()
    assert await line.worker.run_due() == 0


async def test_a_busy_vendor_gets_the_same_message_with_the_same_key_later(line: Line) -> None:
    line.carrier.answers = [TryLater(30, "429"), Sent("v")]
    await line.reply("hello")
    await line.worker.run_due()
    assert await line.states() == ["sending"]
    assert await line.worker.run_due() == 0
    now = line.store.clock()
    line.store.clock = lambda: now + timedelta(seconds=32)
    await line.worker.run_due()
    assert await line.states() == ["sent"]
    first, second = line.carrier.took
    assert first.idempotency_key == second.idempotency_key


async def test_a_vendor_that_never_takes_it_ends_in_failed(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_ATTEMPTS", 1)
    line.carrier.answers = [TryLater(0, "down")]
    await line.reply("hello")
    await line.worker.run_due()
    assert await line.states() == ["failed"]
    assert [d.error for d in await line.store.read(jobs.dead, viewer=line.world.home.cy)] == ["down"]


@pytest.mark.parametrize("answer", [Unknown("no answer"), RuntimeError("broken pipe")])
async def test_what_may_have_arrived_is_unknown_and_not_sent_again(line: Line, answer: Outcome | Exception) -> None:
    line.carrier.answers = [answer]
    await line.reply("hello")
    await line.worker.run_due()
    assert await line.states() == ["unknown"]
    assert await line.worker.run_due() == 0
    assert len(line.carrier.took) == 1


async def test_a_vendor_that_hangs_is_unknown(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver_module, "SEND_SECONDS", 0.1)
    line.carrier.hold = asyncio.Event()
    await line.reply("hello")
    await line.worker.run_due()
    assert await line.states() == ["unknown"]


async def test_a_crash_between_sending_and_writing_it_down_is_unknown_not_a_second_send(line: Line) -> None:
    await line.reply("hello")
    job = await line.claim("dead")
    begun = await line.store.write(deliveries.start, job, job.payload["delivery_id"], who=line.who)
    assert isinstance(begun, deliveries.Ready)
    await line.store.write(run_out_of_lease, who=Who(""))
    await line.worker.run_due()
    assert line.carrier.took == []
    assert await line.states() == ["unknown"]


async def test_a_crash_before_sending_began_is_simply_sent(line: Line) -> None:
    await line.reply("hello")
    await line.claim("dead")
    await line.store.write(run_out_of_lease, who=Who(""))
    await line.worker.run_due()
    assert await line.states() == ["sent"]


async def test_a_frozen_worker_that_wakes_after_its_lease_neither_sends_twice_nor_is_believed(line: Line) -> None:
    await line.reply("hello")
    line.carrier.hold = asyncio.Event()
    frozen = asyncio.create_task(line.worker.run_due())
    await line.carrier.asked.wait()
    await line.store.write(run_out_of_lease, who=Who(""))
    second = Worker(line.store, {"deliver": Deliver(line.store)})
    await second.run_due()
    assert await line.states() == ["unknown"]
    line.carrier.hold.set()
    await frozen
    assert len(line.carrier.took) == 1
    assert await line.states() == ["unknown"]
    assert line.worker.counts["fenced"] == 1


async def test_a_stop_in_the_middle_of_a_send_is_unknown_and_not_a_second_send(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.jobs.worker.DRAIN_SECONDS", 0.1)
    line.carrier.hold = asyncio.Event()
    await line.reply("hello")
    line.worker.start()
    await line.carrier.asked.wait()
    await line.worker.stop()
    await Worker(line.store, {"deliver": Deliver(line.store)}).run_due()
    assert await line.states() == ["unknown"]
    assert len(line.carrier.took) == 1


async def test_a_person_may_send_again_what_is_unknown_and_nothing_else(line: Line) -> None:
    line.carrier.answers = [Unknown("no answer")]
    message_id = await line.reply("hello")
    await line.worker.run_due()
    again: dict[str, Any] = {"who": line.who, "keys": key_of(line.conversation_id)}
    with pytest.raises(NotFound):
        await line.store.write(deliveries.send_again, line.world.other.ana, message_id, who=line.world.other.who_ana)
    await line.store.write(deliveries.send_again, line.ana, message_id, **again)
    assert await line.states() == ["queued"]
    await line.worker.run_due()
    assert await line.states() == ["sent"]
    with pytest.raises(Conflict):
        await line.store.write(deliveries.send_again, line.ana, message_id, **again)


async def test_an_inbox_that_was_switched_off_sends_nothing(line: Line) -> None:
    await line.reply("hello")
    off = text("UPDATE inbox SET disabled_at = created_at WHERE id = :id")
    await line.store.write(lambda tx: tx.connection.execute(off, {"id": line.inbox_id}).rowcount, who=line.who)
    await line.worker.run_due()
    assert await line.states() == ["failed"]
    assert line.carrier.took == []
