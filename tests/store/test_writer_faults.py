"""What breaks under the writer, and who must not notice."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Any

import pytest
from sqlalchemy import text

from inbox.actions.workspace import add_team
from inbox.domain.errors import Busy, ReadOnly, Rekey
from inbox.domain.events import TeamChanged
from inbox.domain.ids import new_id
from inbox.domain.transit import Lane, Who
from inbox.store import engine, lanes, writer
from inbox.store.engine import Database
from inbox.store.store import Store
from inbox.store.transaction import BulkItem, Reading, Transaction, bulk
from tests.world import World, build_house

BIG = "x" * 60_000


def fill(tx: Transaction) -> None:
    add_team(tx, name=f"{tx.new_id()} {BIG}")


def limit_pages(tx: Transaction, more: int) -> None:
    count = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    tx.connection.exec_driver_sql(f"PRAGMA max_page_count={count + more}")


def teams(rx: Reading) -> int:
    return int(rx.connection.execute(text("SELECT count(*) FROM team")).scalar_one())


async def fill_the_disk(world: World, who: Who) -> int:
    """Write until nothing fits. Returns how many were acknowledged."""
    await world.store.write(limit_pages, 60, who=who)
    kept = 0
    with pytest.raises(ReadOnly) as refused:
        for _ in range(500):
            await world.store.write(fill, who=who)
            kept += 1
    assert refused.value.status == 503
    assert refused.value.retry_after
    return kept


async def test_a_full_disk_keeps_what_was_acknowledged_reads_on_and_recovers_by_itself(sqlite_world: World) -> None:
    store, who = sqlite_world.store, Who(sqlite_world.home.id)
    kept = await fill_the_disk(sqlite_world, who)
    assert kept > 0
    assert store.is_read_only
    assert await store.read(teams) == kept
    with pytest.raises(ReadOnly):
        await store.write(fill, who=who)
    with store.database.writing.connect() as connection, connection.begin():
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    await wait_until(lambda: not store.is_read_only)
    await store.write(fill, who=who)
    assert await store.read(teams) == kept + 1


async def test_an_outcome_written_while_the_disk_is_full_waits_instead_of_being_lost(sqlite_world: World) -> None:
    store, who = sqlite_world.store, Who(sqlite_world.home.id)
    kept = await fill_the_disk(sqlite_world, who)
    outcome = asyncio.ensure_future(store.write(fill, who=who, lane=Lane.OUTCOME))
    await asyncio.sleep(writer.PROBE_SECONDS * 1.5)
    assert not outcome.done()
    with store.database.writing.connect() as connection, connection.begin():
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    await asyncio.wait_for(outcome, 10)
    assert await store.read(teams) == kept + 1


async def wait_until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_foreign_lock_is_waited_for_and_then_answered_with_busy(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_MILLISECONDS", 400)
    monkeypatch.setattr(writer, "GIVE_UP_SECONDS", 0.2)
    who = Who(sqlite_world.home.id)
    store = Store(Database(sqlite_world.store.database.url))
    store.start()
    other = sqlite3.connect(str(store.database.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(Busy) as refused:
        await store.write(add_team, name="held", who=who)
    assert refused.value.retry_after
    assert time.monotonic() - began < 2
    other.execute("COMMIT")
    await store.write(add_team, name="free", who=who)
    other.close()
    await store.stop()


async def test_who_waited_behind_a_lock_is_not_told_that_there_is_a_crowd(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lanes.PATIENCE, Lane.INTERACTIVE, 0.3)
    store, who = sqlite_world.store, Who(sqlite_world.home.id)
    other = sqlite3.connect(str(store.database.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    first = store.submit(add_team, name="first", who=who)
    await asyncio.sleep(0.1)
    second = store.submit(add_team, name="second", who=who)
    await asyncio.sleep(0.6)
    other.execute("COMMIT")
    other.close()
    assert all(await asyncio.gather(first, second))


async def test_a_cut_line_before_the_commit_costs_nobody_anything(postgres_world: World) -> None:
    who = Who(postgres_world.home.id)

    def cut(tx: Transaction) -> int:
        return int(tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    backend = await postgres_world.store.write(cut, who=who)
    await postgres_world.store.report(
        lambda rx: rx.connection.exec_driver_sql("SELECT pg_terminate_backend(%s)", (backend,)).all()
    )
    names = [f"team {n}" for n in range(20)]
    assert all(await asyncio.gather(*(postgres_world.store.write(add_team, name=name, who=who) for name in names)))
    assert await postgres_world.store.read(teams) == 20


async def test_a_line_cut_inside_an_action_is_tried_again(postgres_world: World) -> None:
    killed: list[int] = []

    def suicidal(tx: Transaction) -> str:
        if not killed:
            killed.append(tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            tx.connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return add_team(tx, name="after the cut")

    assert await postgres_world.store.write(suicidal, who=Who(postgres_world.home.id))
    assert killed
    assert await postgres_world.store.read(teams) == 1


async def test_an_event_nobody_can_number_breaks_only_its_own_action(world: World) -> None:
    def lost(tx: Transaction) -> None:
        tx.record(TeamChanged(team_id=new_id()))

    who = Who(world.home.id)
    results = await asyncio.gather(
        *(world.store.write(add_team, name=f"team {n}", who=who) for n in range(7)),
        world.store.write(lost, who=Who(new_id())),
        *(world.store.write(add_team, name=f"team {n}", who=who) for n in range(7, 12)),
        return_exceptions=True,
    )
    assert [isinstance(r, str) for r in results] == [*[True] * 7, False, *[True] * 5]


@bulk
def wanting(tx: Transaction, items: list[BulkItem]) -> list[Any]:
    if any("more" not in item.keys for item in items):
        raise Rekey("more")
    return [add_team(tx, name=item.args[0]) for item in items]


async def test_a_bulk_verb_that_raises_for_a_key_runs_again_with_it(world: World) -> None:
    who = Who(world.home.id)
    assert all(await asyncio.gather(*(world.store.write(wanting, f"team {n}", who=who) for n in range(5))))


async def test_one_listener_that_fails_does_not_keep_the_news_from_the_next(store: Store) -> None:
    heard: list[int] = []

    def fails(stamped: object) -> None:
        raise RuntimeError("no")

    store.on_events.extend([fails, lambda stamped: heard.append(len(stamped))])
    await build_house(store, "home", "key")
    assert heard


async def test_work_put_twice_under_one_key_is_one_job(world: World) -> None:
    def put(tx: Transaction) -> None:
        tx.put_job("deliver", {"n": 1}, key="deliver:1")

    for _ in range(2):
        await world.store.write(put, who=Who(world.home.id))
    count = await world.store.read(lambda rx: rx.connection.execute(text("SELECT count(*) FROM job")).scalar_one())
    assert count == 1
