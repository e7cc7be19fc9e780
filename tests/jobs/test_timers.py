"""What time does by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from inbox.actions import handling
from inbox.actions.handling import key_of
from inbox.domain.ids import new_id
from inbox.domain.message import Attachment
from inbox.domain.transit import Who
from inbox.jobs import timers as timers_module
from inbox.jobs.timers import Timers
from inbox.store import log
from inbox.store.files import Files
from inbox.store.store import Store
from inbox.store.transaction import Reading, Transaction
from tests.actions.test_intake import message, send
from tests.world import World


def later(store: Store, span: timedelta) -> None:
    now = store.clock() + span
    store.clock = lambda: now


async def names(world: World, slug: str = "home") -> list[str]:
    house = world.home if slug == "home" else world.other
    return [e.type_name for e in await world.store.read(log.since, house.id, 0, 5000)]


async def test_a_broken_promise_is_an_event_once_in_every_workspace(world: World) -> None:
    store = world.store
    for house in (world.home, world.other):
        for n in range(5):
            await send(store, house, message(n, visitor=f"bo{n}"))
    timers = Timers(store)
    await timers.tick()
    assert "conversation_became_late" not in await names(world)
    later(store, timedelta(minutes=5))
    await timers.tick()
    await timers.tick()
    for slug in ("home", "other"):
        assert (await names(world, slug)).count("conversation_became_late") == 5


async def test_more_than_one_slice_is_done_in_one_tick(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers_module, "SLICE", 2)
    for n in range(7):
        await send(world.store, world.home, message(n, visitor=f"bo{n}"))
    later(world.store, timedelta(minutes=5))
    await Timers(world.store).tick()
    assert (await names(world)).count("conversation_became_late") == 7


async def test_a_snooze_ends_at_its_time(world: World) -> None:
    store, home = world.store, world.home
    first = await send(store, home, message(1))
    until = store.clock() + timedelta(hours=1)
    await store.write(
        handling.snooze, home.ana, first.conversation_id, until, who=home.who_ana, keys=key_of(first.conversation_id)
    )
    timers = Timers(store)
    await timers.tick()
    assert "snooze_ended" not in await names(world)
    later(store, timedelta(hours=2))
    await timers.tick()
    assert (await names(world)).count("snooze_ended") == 1


async def test_one_workspace_that_fails_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for house in (world.home, world.other):
        await send(world.store, house, message(1))
    later(world.store, timedelta(minutes=5))
    failing = min(world.home.id, world.other.id)

    def mark_late(tx: Transaction, limit: int) -> int:
        if tx.workspace_id == failing:
            raise RuntimeError("no")
        return handling.mark_late(tx, limit)

    monkeypatch.setattr(timers_module, "TIME_FACTS", (mark_late,))
    await Timers(world.store).tick()
    well = "home" if world.home.id != failing else "other"
    assert "conversation_became_late" in await names(world, well)


async def test_the_log_is_cut_behind_thirty_days_slice_by_slice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.actions.upkeep.SLICE", 4)
    store, home = world.store, world.home
    for n in range(10):
        await send(store, home, message(n))
    head = await store.read(log.head, home.id)
    later(store, timedelta(days=31))
    await send(store, home, message(11))
    await Timers(store).upkeep()
    kept = await store.read(log.since, home.id, 0, 100)
    assert [e.seq for e in kept] == [head + 1]
    assert await store.read(log.kept_from, home.id) == head + 1


async def test_sessions_are_forgotten_a_month_after_their_end(world: World) -> None:
    from inbox.actions.sign_in import open_session

    store = world.store
    who = Who("")
    await store.write(open_session, world.home.user_ana, token=new_id(), csrf="x", user_agent="", network="", who=who)
    sessions = text("SELECT count(*) FROM session")

    def count(rx: Reading) -> int:
        return int(rx.connection.execute(sessions).scalar_one())

    await Timers(store).upkeep()
    assert await store.read(count) == 1
    later(store, timedelta(days=400))
    await Timers(store).upkeep()
    assert await store.read(count) == 0


async def test_bytes_nobody_names_are_swept_after_a_day(world: World, tmp_path: Path) -> None:
    files, store = Files(tmp_path / "files"), world.store
    named, unnamed = files.put_bytes(b"named"), files.put_bytes(b"unnamed")

    def attach(tx: Transaction) -> None:
        tx.add(
            Attachment(
                workspace_id=tx.workspace_id,
                id=tx.new_id(),
                token=new_id(),
                name="a.txt",
                media_type="text/plain",
                size=named.size,
                sha256=named.sha256,
                created_at=tx.now,
            )
        )

    await store.write(attach, who=Who(world.home.id))
    timers = Timers(store, files)
    await timers.sweep()
    assert files.exists(unnamed.sha256)
    later(store, timedelta(days=2))
    await timers.sweep()
    assert files.exists(named.sha256)
    assert not files.exists(unnamed.sha256)


def test_the_first_upkeep_does_not_wait_an_hour() -> None:
    assert timers_module.FIRST_UPKEEP * timers_module.TICK_SECONDS <= 120
