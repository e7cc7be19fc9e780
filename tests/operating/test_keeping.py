"""Backup, restore, a full disk, a copied database: nothing acknowledged is lost, and clients notice another life."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from inbox.domain.errors import ReadOnly
from inbox.domain.transit import Who
from inbox.store import backup as store_backup
from inbox.store import jobs
from inbox.store.engine import Database
from inbox.store.epoch import settle
from inbox.store.store import Store
from tests.actions.test_intake import message, send
from tests.world import World, build_world


@pytest.fixture
async def small(tmp_path: Path, sqlite_template: Path) -> Any:
    shutil.copy(sqlite_template, tmp_path / "rapport.db")
    store = Store(Database(f"sqlite:///{tmp_path / 'rapport.db'}"))
    store.start()
    yield await build_world(store)
    await store.stop()


def bodies(rx: Any) -> set[str]:
    return {r[0] for r in rx.connection.execute(text("SELECT body FROM message"))}


async def test_a_backup_under_load_holds_all_that_was_acknowledged_before(small: World, tmp_path: Path) -> None:
    store = small.store
    acked = [n for n in range(200) if await send(store, small.home, message(n))]
    going_on = asyncio.gather(*(send(store, small.home, message(n)) for n in range(200, 600)))
    await asyncio.to_thread(store_backup.backup, store.database.url, tmp_path, tmp_path / "copy")
    await going_on
    restored = tmp_path / "elsewhere"
    restored.mkdir()
    await asyncio.to_thread(store_backup.restore, tmp_path / "copy", f"sqlite:///{restored / 'rapport.db'}", restored)
    again = Store(Database(f"sqlite:///{restored / 'rapport.db'}"))
    again.start()
    found = await again.read(bodies)
    assert {f"hello {n}" for n in acked} <= found
    first = await store.write(settle, tmp_path, who=Who(""))
    assert await again.write(settle, restored, who=Who("")) != first, "a restored database lives another life"
    await again.stop()


async def test_a_damaged_backup_changes_nothing(small: World, tmp_path: Path) -> None:
    await asyncio.to_thread(store_backup.backup, small.store.database.url, tmp_path, tmp_path / "copy")
    (tmp_path / "copy" / "rapport.db").write_bytes(b"not a database")
    with pytest.raises(RuntimeError, match="damaged"):
        store_backup.restore(tmp_path / "copy", f"sqlite:///{tmp_path / 'new.db'}", tmp_path)
    assert not (tmp_path / "new.db").exists()


async def test_a_database_copied_by_hand_gets_a_new_epoch(small: World, tmp_path: Path) -> None:
    first = await small.store.write(settle, tmp_path, who=Who(""))
    assert await small.store.write(settle, tmp_path, who=Who("")) == first
    (tmp_path / "epoch").write_text("of another copy")
    assert await small.store.write(settle, tmp_path, who=Who("")) != first


def _refuses_writes(store: Store) -> bool:
    return store.is_read_only  # asked anew each time: the writer's thread changes it


async def test_a_full_disk_refuses_kindly_and_recovers_by_itself(small: World) -> None:
    store, home = small.store, small.home
    await send(store, home, message(1))

    def limit(tx: Any, pages: int) -> None:
        found = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={found + pages}")

    await store.write(limit, 2, who=Who(home.id))
    with pytest.raises(ReadOnly) as refused:
        for n in range(2, 200):
            await send(store, home, message(n, text="x" * 7000))
    assert refused.value.retry_after
    assert _refuses_writes(store)
    kept = await store.read(bodies)
    assert "hello 1" in kept, "reads go on"
    # What relieves a disk cannot go through the writer, so it is done on the writer's own connection as the disk would.
    with store.database.writing.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA max_page_count=1073741823")  # type: ignore[union-attr]
    async with asyncio.timeout(10):
        while _refuses_writes(store):
            await asyncio.sleep(0.05)
    await send(store, home, message(500))
    assert "hello 500" in await store.read(bodies)


async def test_what_is_acknowledged_is_synced(store: Store) -> None:
    def level(tx: Any) -> str:
        if store.database.is_shared:
            return str(tx.connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())
        return str(tx.connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    assert await store.write(level, who=Who("")) in ("on", "2")


async def test_a_worker_that_woke_too_late_changes_nothing(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    await store.write(lambda tx: tx.put_job("deliver", {}, key="once"), who=who)
    first = (await store.write(jobs.claim_across_workspaces, "first", who=Who("")))[0]
    assert await store.write(jobs.claim_across_workspaces, "first", who=Who("")) == [], "a leased job is nobody else's"

    def run_out(tx: Any) -> None:
        tx.connection.execute(text("UPDATE job SET lease_until = '2020-01-01 00:00:00+00'"))

    await store.write(run_out, who=Who(""))
    second = (await store.write(jobs.claim_across_workspaces, "second", who=Who("")))[0]
    assert second.fence == first.fence + 1
    assert not await store.write(jobs.finish, first, who=who), "the frozen worker's word counts for nothing"
    assert await store.write(jobs.finish, second, who=who)


async def test_a_job_is_put_once_per_key(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    for _ in range(2):
        await store.write(lambda tx: tx.put_job("deliver", {}, key="same"), who=who)
    assert len(await store.write(jobs.claim_across_workspaces, "first", who=Who(""))) == 1
