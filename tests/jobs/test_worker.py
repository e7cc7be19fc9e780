"""The worker: runs, backs off, buries, and stops in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from inbox.domain.transit import Who
from inbox.jobs import worker as worker_module
from inbox.jobs.worker import Handler, Later, Never, Worker, back_off
from inbox.store import jobs
from inbox.store.jobs import Claimed
from inbox.store.store import Store
from inbox.store.transaction import Reading, Transaction
from tests.world import World


def put(tx: Transaction, kind: str = "wash") -> None:
    tx.put_job(kind, {})


def row(rx: Reading) -> Any:
    return rx.connection.execute(text("SELECT state, attempts, error, run_at FROM job")).one()


@asynccontextmanager
async def working(store: Store, handler: Handler, kind: str = "wash") -> AsyncIterator[Worker]:
    worker = Worker(store, {kind: handler})
    worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_job_runs_as_soon_as_it_is_committed(world: World) -> None:
    ran = asyncio.Event()

    async def wash(job: Claimed) -> None:
        ran.set()

    async with working(world.store, wash) as worker:
        await asyncio.sleep(0.1)
        await world.store.write(put, who=Who(world.home.id))
        await asyncio.wait_for(ran.wait(), worker_module.POLL_SECONDS / 2)
        await until(lambda: worker.counts["done"] == 1)


async def test_without_a_bell_the_poll_finds_it(world: World) -> None:
    ran = asyncio.Event()

    async def wash(job: Claimed) -> None:
        ran.set()

    async with working(world.store, wash):
        world.store.on_jobs.clear()
        await world.store.write(put, who=Who(world.home.id))
        await asyncio.wait_for(ran.wait(), worker_module.POLL_SECONDS * 3)


async def test_one_slow_job_holds_up_nobody(world: World) -> None:
    release, quick = asyncio.Event(), asyncio.Event()

    async def wash(job: Claimed) -> None:
        if job.payload.get("slow"):
            await release.wait()
        else:
            quick.set()

    who = Who(world.home.id)
    async with working(world.store, wash):
        await world.store.write(lambda tx: tx.put_job("wash", {"slow": True}), who=who)
        await asyncio.sleep(0.1)
        await world.store.write(put, who=who)
        await asyncio.wait_for(quick.wait(), 3)
        release.set()


async def test_a_failure_waits_longer_each_time_and_tells_no_words(world: World) -> None:
    async def wash(job: Claimed) -> None:
        raise ValueError("my boiler leaks")

    await world.store.write(put, who=Who(world.home.id))
    worker = Worker(world.store, {"wash": wash})
    before = world.store.clock()
    assert await worker.run_due() == 1
    state, attempts, error, _ = await world.store.read(row)
    assert (state, attempts, error) == ("ready", 1, "ValueError")
    assert await worker.run_due() == 0
    world.store.clock = lambda: before + timedelta(hours=1)
    assert await worker.run_due() == 1
    assert (await world.store.read(row))[1] == 2


@pytest.mark.parametrize("attempts", [1, 5, 20, 1000])
def test_the_back_off_is_jittered_and_capped(attempts: int) -> None:
    waits = [back_off(attempts) for _ in range(200)]
    assert min(waits) >= 0.5
    assert max(waits) <= 0.5 + min(2.0 ** min(attempts, 12), worker_module.BACK_OFF_CAP_SECONDS)
    assert len(set(waits)) > 150


async def test_a_vendors_wish_to_wait_is_obeyed(world: World) -> None:
    async def wash(job: Claimed) -> None:
        raise Later("429", 120)

    await world.store.write(put, who=Who(world.home.id))
    await Worker(world.store, {"wash": wash}).run_due()
    due = await world.store.read(jobs.outlook_across_workspaces, "a", ["wash"])
    assert due is not None and 118 < due <= 121


async def test_what_can_never_work_is_buried_at_once(world: World) -> None:
    async def wash(job: Claimed) -> None:
        raise Never("no such thing")

    await world.store.write(put, who=Who(world.home.id))
    await Worker(world.store, {"wash": wash}).run_due()
    assert (await world.store.read(row))[:3] == ("buried", 1, "no such thing")


async def test_a_job_that_takes_the_process_with_it_is_buried_unrun(world: World) -> None:
    store, who, ran = world.store, Who(world.home.id), []
    await store.write(put, who=who)

    async def wash(job: Claimed) -> None:
        ran.append(job)

    def crash(tx: Transaction) -> None:
        tx.connection.execute(
            text(
                "UPDATE job SET state = 'running', attempts = :n, lease_owner = 'dead', lease_until = '2020-01-01 00:00:00+00'"
            ),
            {"n": jobs.MAX_ATTEMPTS},
        )

    await store.write(crash, who=Who(""))
    await Worker(store, {"wash": wash}).run_due()
    assert ran == []
    assert (await store.read(row))[0] == "buried"


async def test_a_stop_lets_running_jobs_end(world: World) -> None:
    began, ended = asyncio.Event(), []

    async def wash(job: Claimed) -> None:
        began.set()
        await asyncio.sleep(0.3)
        ended.append(job)

    async with working(world.store, wash):
        await world.store.write(put, who=Who(world.home.id))
        await began.wait()
    assert len(ended) == 1
    assert (await world.store.read(row))[0] == "done"


async def test_a_stop_gives_back_what_does_not_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "DRAIN_SECONDS", 0.2)
    began = asyncio.Event()

    async def wash(job: Claimed) -> None:
        began.set()
        await asyncio.sleep(60)

    async with working(world.store, wash):
        await world.store.write(put, who=Who(world.home.id))
        await began.wait()
    state, attempts, error, _ = await world.store.read(row)
    assert (state, attempts, error) == ("ready", 0, "the process stopped")


async def test_a_job_that_takes_too_long_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RUN_SECONDS", 0.1)

    async def wash(job: Claimed) -> None:
        await asyncio.sleep(60)

    await world.store.write(put, who=Who(world.home.id))
    await Worker(world.store, {"wash": wash}).run_due()
    assert (await world.store.read(row))[:3] == ("ready", 1, "TimeoutError")
