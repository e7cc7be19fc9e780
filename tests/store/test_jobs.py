"""Jobs: each in one worker's hands, and only its newest claim is believed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from inbox.domain.clock import utc_now
from inbox.domain.transit import Who
from inbox.store import jobs
from inbox.store.engine import Database
from inbox.store.jobs import Claimed
from inbox.store.store import Store
from inbox.store.transaction import Reading, Transaction
from tests.world import World

NOBODY = Who("")


def put(tx: Transaction, kind: str = "wash", after: float = 0.0, key: str | None = None) -> None:
    tx.put_job(kind, {}, run_at=tx.now + timedelta(seconds=after), key=key)


async def claim(store: Store, owner: str = "a", **options: Any) -> list[Claimed]:
    claimed: list[Claimed] = await store.write(jobs.claim_across_workspaces, owner, who=NOBODY, **options)
    return claimed


def run_out_of_lease(tx: Transaction) -> None:
    tx.connection.execute(text("UPDATE job SET lease_until = '2020-01-01 00:00:00+00', lease_owner = 'dead'"))


def states(rx: Reading) -> list[str]:
    return [row[0] for row in rx.connection.execute(text("SELECT state FROM job ORDER BY id"))]


async def test_two_stores_never_hold_one_job(world: World) -> None:
    for _ in range(120):
        await world.store.write(put, who=Who(world.home.id))
    other = Store(Database(world.store.database.url))
    other.start()
    # One owner: on SQLite a second one would rightly take the first for dead.
    rounds = await asyncio.gather(*(claim(store, most=20) for store in (world.store, other) for _ in range(5)))
    taken = [job.id for claimed in rounds for job in claimed]
    assert len(taken) == len(set(taken)) == 120
    assert all(len(claimed) <= 20 for claimed in rounds)
    await other.stop()


async def test_the_longest_due_go_first_and_what_is_not_due_waits(world: World) -> None:
    who = Who(world.home.id)
    await world.store.write(put, "late", 60, who=who)
    await world.store.write(put, "second", -5, who=who)
    await world.store.write(put, "first", -50, who=who)
    assert [job.kind for job in await claim(world.store, most=1)] == ["first"]
    assert [job.kind for job in await claim(world.store)] == ["second"]
    assert await claim(world.store) == []


async def test_a_kind_nobody_here_knows_is_left_alone(world: World) -> None:
    await world.store.write(put, "of a newer version", who=Who(world.home.id))
    assert await claim(world.store, kinds=["wash"]) == []
    assert await world.store.read(states) == ["ready"]


async def test_a_worker_that_woke_too_late_changes_nothing(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    await store.write(put, who=who)
    (frozen,) = await claim(store, "frozen")
    assert await claim(store, "frozen") == []
    await store.write(run_out_of_lease, who=NOBODY)
    (fresh,) = await claim(store, "fresh")
    assert (fresh.id, fresh.fence, fresh.attempts) == (frozen.id, frozen.fence + 1, 2)
    assert not await store.write(jobs.finish, frozen, who=who)
    assert not await store.write(jobs.retry, frozen, store.clock(), "late", who=who)
    assert not await store.write(jobs.bury, frozen, "late", who=who)
    assert await store.write(jobs.finish, fresh, who=who)
    assert not await store.write(jobs.finish, fresh, who=who)
    assert await store.read(states) == ["done"]


async def test_leases_of_another_start_are_void_on_sqlite_whatever_the_clock_says(sqlite_world: World) -> None:
    store = sqlite_world.store
    await store.write(put, who=Who(sqlite_world.home.id))
    assert len(await claim(store, "before the restart")) == 1
    assert len(await claim(store, "after the restart")) == 1


async def test_leases_on_postgresql_run_out_by_its_own_clock(postgres_world: World) -> None:
    store = postgres_world.store
    await store.write(put, who=Who(postgres_world.home.id))
    assert len(await claim(store, "one host")) == 1
    store.clock = lambda: utc_now() + timedelta(hours=2)
    assert await claim(store, "a host whose clock is wrong") == []
    await store.write(run_out_of_lease, who=NOBODY)
    assert len(await claim(store, "another host")) == 1


async def test_a_dead_letter_is_listed_and_run_again(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    await store.write(put, who=who)
    (job,) = await claim(store)
    await store.write(jobs.bury, job, "it will not work", who=who)
    (dead,) = await store.read(jobs.dead, viewer=world.home.cy)
    assert (dead.kind, dead.error) == ("wash", "it will not work")
    assert await store.read(jobs.dead, viewer=world.other.cy) == []
    assert not await store.write(jobs.dig_up, dead.id, who=Who(world.other.id))
    assert await store.write(jobs.dig_up, dead.id, who=who)
    (again,) = await claim(store)
    assert (again.id, again.attempts) == (job.id, 1)


async def test_the_last_try_is_buried(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    await store.write(put, who=who)
    for _ in range(jobs.MAX_ATTEMPTS):
        (job,) = await claim(store)
        await store.write(jobs.retry, job, store.clock(), "down", who=who)
    assert await store.read(states) == ["buried"]


async def test_a_turn_that_was_not_the_jobs_fault_is_not_counted(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    await store.write(put, who=who)
    for _ in range(3):
        (job,) = await claim(store)
        assert job.attempts == 1
        await store.write(jobs.retry, job, store.clock(), "stopping", counts=False, who=who)


async def test_the_outlook_says_when_to_look_again(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    assert await store.read(jobs.outlook_across_workspaces, "a", ["wash"]) is None
    await store.write(put, "wash", 60, "k", who=who)
    wait = await store.read(jobs.outlook_across_workspaces, "a", ["wash"])
    assert wait is not None and 50 < wait <= 60
    assert await store.read(jobs.outlook_across_workspaces, "a", ["other"]) is None
    await store.write(jobs.hasten, "k", who=who)
    assert await store.read(jobs.outlook_across_workspaces, "a", ["wash"]) == 0
    await claim(store)
    assert await store.read(jobs.outlook_across_workspaces, "a", ["wash"]) is None
    await store.write(run_out_of_lease, who=NOBODY)
    assert await store.read(jobs.outlook_across_workspaces, "a", ["wash"]) == 0


async def test_what_was_done_is_forgotten_after_a_day_and_what_was_not_is_kept(world: World) -> None:
    store, who = world.store, Who(world.home.id)
    for kind in ("done", "kept"):
        await store.write(put, kind, -200_000, who=who)
    for job in await claim(store):
        await store.write(
            jobs.finish if job.kind == "done" else jobs.bury, job, *([] if job.kind == "done" else ["no"]), who=who
        )
    assert await store.write(jobs.forget_done, who=NOBODY) == 0
    now = store.clock()
    store.clock = lambda: now + timedelta(days=2)
    assert await store.write(jobs.forget_done, who=NOBODY) == 1
    assert await store.read(states) == ["buried"]
