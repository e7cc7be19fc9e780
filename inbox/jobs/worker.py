"""The worker: claim, run, back off, bury. Retry and back-off live here and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import structlog

from inbox.domain.ids import jitter, new_id
from inbox.domain.transit import Lane, Who
from inbox.store import jobs
from inbox.store.jobs import Claimed
from inbox.store.store import Store

POLL_SECONDS = 1.0  # the net under the bell
BACK_OFF_CAP_SECONDS = 900.0

logger = structlog.get_logger()


class Later(Exception):
    """Not now. `after` in seconds; 0 leaves it to the back-off."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class Never(Exception):
    """It will not work as it is: bury it."""


Handler = Callable[[Claimed], Awaitable[None]]


class Worker:
    """Runs jobs of every workspace in this process."""

    def __init__(self, store: Store, handlers: Mapping[str, Handler]) -> None:
        self.store = store
        self.handlers = handlers
        self.owner = new_id()
        self.bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self.store.on_jobs.append(self.bell.set)
        self._task = asyncio.create_task(self._work(), name="worker")

    async def stop(self) -> None:
        """Finish what is running; take nothing new."""
        self._stopping = True
        self.bell.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def run_due(self) -> int:
        """Claim and run what is due once. Returns how many ran."""
        claimed: list[Claimed] = await self.store.write(
            jobs.claim_across_workspaces, self.owner, who=Who(""), lane=Lane.BACKGROUND
        )
        await asyncio.gather(*(self._run(job) for job in claimed))
        return len(claimed)

    async def _work(self) -> None:
        while not self._stopping:
            try:
                ran = await self.run_due()
            except Exception as error:
                logger.warning("claim_failed", error=type(error).__name__)
                ran = 0
            if not ran:
                self.bell.clear()
                try:
                    await asyncio.wait_for(self.bell.wait(), POLL_SECONDS)
                except TimeoutError:
                    continue

    async def _run(self, job: Claimed) -> None:
        who = Who(job.workspace_id)
        try:
            handler = self.handlers.get(job.kind)
            if handler is None:
                raise Never(f"no handler for {job.kind}")
            await handler(job)
        except Never as error:
            await self.store.write(jobs.bury, job, str(error), who=who, lane=Lane.OUTCOME)
        except Exception as error:
            after = error.after if isinstance(error, Later) and error.after else back_off(job.attempts)
            run_at = self.store.clock() + timedelta(seconds=after)
            logger.info("job_waits", kind=job.kind, attempts=job.attempts, retry_after_seconds=round(after, 1))
            await self.store.write(
                jobs.retry, job, run_at, f"{type(error).__name__}: {error}", who=who, lane=Lane.OUTCOME
            )
        else:
            if not await self.store.write(jobs.finish, job, who=who, lane=Lane.OUTCOME):
                logger.warning("job_fenced", kind=job.kind)


def back_off(attempts: int) -> float:
    """Seconds until the next try: doubling, capped, with full jitter (never under half a second)."""
    return 0.5 + jitter(min(BACK_OFF_CAP_SECONDS, 2.0**attempts))
