"""The worker: claim, run, back off, bury. Retry and back-off live here and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from inbox.domain.clock import monotonic
from inbox.domain.errors import InboxError
from inbox.domain.ids import jitter, new_id
from inbox.domain.transit import Lane, Who
from inbox.store import jobs
from inbox.store.jobs import CLAIM_SIZE, LEASE_SECONDS, Claimed
from inbox.store.store import Store

POLL_SECONDS = 1.0  # the net under the bell
BACK_OFF_CAP_SECONDS = 900.0
AT_ONCE = CLAIM_SIZE  # jobs running together; they wait for networks, so they cost a task each and no thread
RUN_SECONDS = LEASE_SECONDS - 15  # a job that runs longer would lose its lease to another worker while it still runs
DRAIN_SECONDS = 8.0  # how long a stop waits for running jobs; the process must be gone within 20 s

logger = structlog.get_logger()


class Later(Exception):
    """Not now. `after` in seconds; 0 leaves it to the back-off. `counts` false: not the job's fault, try without end."""

    def __init__(self, reason: str, after: float = 0.0, *, counts: bool = True) -> None:
        super().__init__(reason)
        self.after = after
        self.counts = counts


class Never(Exception):
    """It will not work as it is: bury it."""


Handler = Callable[[Claimed], Awaitable[None]]


class Worker:
    """Runs jobs of every workspace in this process. Kinds it has no handler for are left to a process that has one."""

    def __init__(self, store: Store, handlers: Mapping[str, Handler]) -> None:
        self.store = store
        self.handlers = handlers
        self.owner = new_id()
        self.bell = asyncio.Event()
        self.counts = {"done": 0, "retried": 0, "buried": 0, "fenced": 0}
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self.store.on_jobs.append(self.bell.set)
        self._task = asyncio.create_task(self._work(), name="worker")

    async def stop(self) -> None:
        """Take nothing new, let running jobs end, and give back those that do not."""
        self._stopping = True
        self.bell.set()
        if self.bell.set in self.store.on_jobs:
            self.store.on_jobs.remove(self.bell.set)
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def run_due(self) -> int:
        """Claim and run what is due once, to its end. Returns how many ran."""
        started = await self._start_due()
        await asyncio.gather(*started)
        return len(started)

    async def _work(self) -> None:
        woken = True
        while not self._stopping:
            wait = POLL_SECONDS
            try:
                # A poll asks with a read; only a ring or something due costs a turn of the writer.
                wait = 0.0 if woken else await self._until_next()
                if wait == 0.0:
                    wait = 0.0 if await self._start_due() else POLL_SECONDS
            except Exception as error:
                logger.warning("claim_failed", error=type(error).__name__)
                wait = POLL_SECONDS
            woken = False
            if wait > 0.0:
                woken = await self._sleep(wait)

    async def _until_next(self) -> float:
        if len(self._running) >= AT_ONCE:
            return POLL_SECONDS
        kinds = list(self.handlers)
        due = await self.store.read(jobs.outlook_across_workspaces, self.owner, kinds)
        return POLL_SECONDS if due is None else min(due, POLL_SECONDS)

    async def _sleep(self, seconds: float) -> bool:
        """Whether the bell rang."""
        try:
            async with asyncio.timeout(seconds):
                await self.bell.wait()
        except TimeoutError:
            return False
        self.bell.clear()
        return True

    async def _start_due(self) -> list[asyncio.Task[None]]:
        most = AT_ONCE - len(self._running)
        if most <= 0 or not self.handlers:
            return []
        kinds = sorted(self.handlers)
        claimed: list[Claimed] = await self.store.write(
            jobs.claim_across_workspaces, self.owner, most=most, kinds=kinds, who=Who(""), lane=Lane.BACKGROUND
        )
        started = [asyncio.create_task(self._run(job), name=f"job {job.kind}") for job in claimed]
        for task in started:
            self._running.add(task)
            task.add_done_callback(self._ended)
        return started

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if len(self._running) == AT_ONCE - 1:
            self.bell.set()  # there is room again
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease stays, so the job itself is taken up again later.
            logger.error("job_end_not_recorded", error=type(error).__name__)

    async def _run(self, job: Claimed) -> None:
        began = monotonic()
        if job.attempts > jobs.MAX_ATTEMPTS:  # each try took the whole process with it
            await self._end("buried", job, jobs.bury, "no try came to an end")
            return
        try:
            async with asyncio.timeout(RUN_SECONDS):
                await self.handlers[job.kind](job)
        except Never as error:
            await self._end("buried", job, jobs.bury, str(error))
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(job))
            raise
        except Exception as error:
            await self._put_off(job, error)
        else:
            await self._end("done", job, jobs.finish)
            logger.debug("job_done", kind=job.kind, seconds=round(monotonic() - began, 3))

    async def _put_off(self, job: Claimed, error: Exception) -> None:
        later = error if isinstance(error, Later) else None
        # Retry-After is a promise to the vendor; a little is added, so that a crowd does not come back in one moment.
        after = later.after + jitter(1.0) if later is not None and later.after else back_off(job.attempts)
        run_at = self.store.clock() + timedelta(seconds=after)
        # Only our own errors have words that are known to be harmless.
        words = f": {error}" if isinstance(error, Later | InboxError) else ""
        if later is None:
            logger.warning(
                "job_failed", kind=job.kind, attempts=job.attempts, error=type(error).__name__, exc_info=error
            )
        counts = later is None or later.counts
        await self._end("retried", job, jobs.retry, run_at, f"{type(error).__name__}{words}", counts=counts)

    async def _give_back(self, job: Claimed) -> None:
        await self._end("retried", job, jobs.retry, self.store.clock(), "the process stopped", counts=False)

    async def _end(self, word: str, job: Claimed, action: Callable[..., bool], *args: Any, **options: Any) -> None:
        """Record how it ended, in the lane that is never refused."""
        who = Who(job.workspace_id)
        if await self.store.write(action, job, *args, who=who, lane=Lane.OUTCOME, **options):
            self.counts[word] += 1
        else:
            self.counts["fenced"] += 1
            logger.warning("job_fenced", kind=job.kind, job_id=job.id)


def back_off(attempts: int) -> float:
    """Seconds until the next try: doubling, capped, with full jitter (never under half a second)."""
    return 0.5 + jitter(min(BACK_OFF_CAP_SECONDS, 2.0 ** min(attempts, 12)))
